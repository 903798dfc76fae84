"""What a container can do to the folder that becomes a layer, so that it would hold other files than its diff id names."""

import io
import os
import stat
import struct
import subprocess
from pathlib import Path

import pytest

from engine.storage.detached import writable_layers
from engine.storage.layers import LayerStore
from tests.engine.storage.tar_archives import archive, folder, member
from tests.engine.storage.test_adopt import ACL, check_like_unpacked, shown, store, upper

__all__ = ["store", "upper"]
pytestmark = pytest.mark.requires_root

_SECOND_NS = 10**9


@pytest.mark.parametrize("name", ["user.a=b", "user.=", "user.\udcff", "user.ok"])
def test_names_of_attributes_say_the_same_in_a_tar_or_go(store: LayerStore, upper: Path, tmp_path: Path, name: str) -> None:
    (upper / "file").write_bytes(b"content")
    os.setxattr(upper / "file", name, b"c=d")
    os.setxattr(upper, name, b"c=d")
    check_like_unpacked(store, store.adopt(upper), tmp_path / "other")


@pytest.mark.parametrize("nanoseconds", [1, 500_000_000, 999_999_880, 999_999_999])
@pytest.mark.parametrize("seconds", [1_700_000_000, -1, -7_000, 0, 2**33])
def test_any_time_is_the_same_second_on_disk_and_in_the_tar(
    store: LayerStore, upper: Path, tmp_path: Path, seconds: int, nanoseconds: int
) -> None:
    (upper / "folder").mkdir()
    (upper / "file").write_bytes(b"content")
    (upper / "link").symlink_to("file")
    time_ns = seconds * _SECOND_NS + nanoseconds
    for path in (upper / "file", upper / "link", upper / "folder", upper):
        os.utime(path, ns=(time_ns, time_ns), follow_symlinks=False)
    check_like_unpacked(store, store.adopt(upper), tmp_path / "other")


def test_rights_that_folders_hand_down_come_from_the_tar_alone(store: LayerStore, upper: Path, tmp_path: Path) -> None:
    (upper / "folder" / "inner").mkdir(parents=True)
    (upper / "folder" / "file").write_bytes(b"content")
    os.mkfifo(upper / "folder" / "pipe")
    os.setxattr(upper / "folder", "system.posix_acl_default", ACL)  # after what is in there was made
    check_like_unpacked(store, store.adopt(upper), tmp_path / "other")


def test_pipes_keep_their_mode(store: LayerStore, upper: Path, tmp_path: Path) -> None:
    os.mkfifo(upper / "pipe")
    os.chown(upper / "pipe", 1000, 1000)
    (upper / "pipe").chmod(0o6755)
    check_like_unpacked(store, store.adopt(upper), tmp_path / "other")


def test_links_and_pipes_of_several_names_are_several(store: LayerStore, upper: Path, tmp_path: Path) -> None:
    (upper / "link").symlink_to("target")
    os.link(upper / "link", upper / "second", follow_symlinks=False)
    os.mkfifo(upper / "pipe")
    os.link(upper / "pipe", upper / "third")
    check_like_unpacked(store, store.adopt(upper), tmp_path / "other")


def test_flags_of_files_stay_out_of_a_layer(store: LayerStore, upper: Path, tmp_path: Path) -> None:
    """A tar has no place for them, and the kernel shows them to those who have the layer."""
    (upper / "file").write_bytes(b"content")
    (upper / "folder").mkdir()
    subprocess.run(["chattr", "+dS", upper / "file", upper / "folder", upper], check=True)
    layer = store.adopt(upper)
    check_like_unpacked(store, layer, tmp_path / "other")
    listed = subprocess.run(["lsattr", "-R", "-a", store.path(layer.diff_id)], check=True, capture_output=True, text=True).stdout
    assert not [line for line in listed.splitlines() if line.startswith("-") and set("dS") & set(line.split()[0])]


def test_numbers_and_rights_at_their_ends(store: LayerStore, upper: Path, tmp_path: Path) -> None:
    (upper / ("n" * 255)).write_bytes(b"")
    (upper / "new line \udcff").write_bytes(b"x" * 511)
    os.chown(upper / "new line \udcff", 2**32 - 2, 2**31)
    (upper / ("n" * 255)).chmod(0o7777)
    (upper / "link").symlink_to("\udcfe" * 200)
    os.setxattr(upper / ("n" * 255), "security.capability", struct.pack("<IIIIII", 0x03000001, 1, 0, 0, 0, 77))
    assert stat.S_ISLNK((upper / "link").lstat().st_mode)
    check_like_unpacked(store, store.adopt(upper), tmp_path / "other")


@pytest.mark.parametrize("held", ["file", "."])
def test_who_still_holds_a_descriptor_cannot_change_the_layer(store: LayerStore, upper: Path, tmp_path: Path, held: str) -> None:
    """Programs hand open files to others through sockets, and a folder is enough to make new ones."""
    for name in ("lower", "work"):
        (tmp_path / name).mkdir()
    with writable_layers([tmp_path / "lower"], upper=upper, work=tmp_path / "work") as root:
        os.close(os.open("file", os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=root))
        descriptor = os.open(held, os.O_RDWR if held == "file" else os.O_RDONLY, dir_fd=root)
    try:
        layer = store.adopt(upper, lowers=[tmp_path / "lower"])
        late = os.open("file", os.O_RDWR, dir_fd=descriptor) if held == "." else descriptor
        os.write(late, b"changed")
    finally:
        os.close(descriptor)
    assert (store.path(layer.diff_id) / "file").read_bytes() == b""
    check_like_unpacked(store, layer, tmp_path / "other")


def test_a_layer_that_nobody_holds_is_taken_as_it_lies(store: LayerStore, upper: Path, tmp_path: Path) -> None:
    for name in ("lower", "work"):
        (tmp_path / name).mkdir()
    with writable_layers([tmp_path / "lower"], upper=upper, work=tmp_path / "work") as root:
        os.close(os.open("file", os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=root))
    inode = (upper / "file").stat().st_ino
    layer = store.adopt(upper, lowers=[tmp_path / "lower"])
    assert (store.path(layer.diff_id) / "file").stat().st_ino == inode


def test_nothing_of_a_layer_tells_when_it_was_unpacked_first(store: LayerStore, tmp_path: Path) -> None:
    """Folders that no entry names, and a top that none does."""
    raw = archive([member("above/deep/file"), member("other/.wh.gone"), folder("late/named/"), member("late/file")])
    layer = store.unpack(io.BytesIO(raw))
    other = LayerStore(tmp_path / "other")
    other.unpack(io.BytesIO(raw))
    assert shown(store.path(layer.diff_id)) == shown(other.path(layer.diff_id))
    assert (store.path(layer.diff_id) / "above").stat().st_mtime_ns == 0
    empty = store.unpack(io.BytesIO(archive([])))
    assert store.path(empty.diff_id).stat().st_mtime_ns == 0
