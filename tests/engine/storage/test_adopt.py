"""A folder that a container wrote becomes a layer where it lies, and holds what its tar holds and nothing else."""

import contextlib
import io
import os
import socket
import stat
import struct
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.core.layers import EMPTY_LAYER
from engine.errors import InvalidParameter
from engine.linux.mount import MNT_DETACH, mount, umount2
from engine.storage.adopt import PackedUpper, opened
from engine.storage.layers import Layer, LayerStore
from tests.engine.storage.tar_archives import archive, folder, member, names_in

pytestmark = pytest.mark.requires_root

LISTING = "find . -printf '%p\\t%y\\t%m %U %G %n %l ' \\( -type f -printf '%s ' -o -true \\) -printf '%T@\\n' | LC_ALL=C sort"
# Version 2; owner rw, user 1000 r, group r, mask r, others none: tag, rights, id (include/uapi/linux/posix_acl_xattr.h).
ACL = struct.pack("<I" + "HHI" * 5, 2, 1, 6, 2**32 - 1, 2, 4, 1000, 4, 4, 2**32 - 1, 16, 4, 2**32 - 1, 32, 0, 2**32 - 1)


@pytest.fixture
def store(tmp_path: Path) -> LayerStore:
    return LayerStore(tmp_path / "layers")


@pytest.fixture
def upper(tmp_path: Path) -> Path:
    path = tmp_path / "upper"
    path.mkdir(mode=0o755)
    return path


@contextlib.contextmanager
def merged(tmp_path: Path, lowers: list[Path], upper: Path) -> Iterator[Path]:
    """An overlay as containers have it."""
    for name in ("work", "merged"):
        (tmp_path / name).mkdir(exist_ok=True)
    options = (
        f"lowerdir={':'.join(map(str, lowers))},upperdir={upper},workdir={tmp_path}/work,metacopy=off,redirect_dir=off,index=off"
    )
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, tmp_path / "merged"], check=True)
    try:
        yield tmp_path / "merged"
    finally:
        subprocess.run(["umount", tmp_path / "merged"], check=True)


def shown(path: Path) -> str:
    """All that is to be the same in two trees; whiteouts have neither times nor owners of their own."""
    listing = os.fsdecode(subprocess.run(LISTING, shell=True, cwd=path, check=True, stdout=subprocess.PIPE).stdout)
    lines = [line for line in listing.splitlines() if line.split("\t")[1] != "c"]
    whiteouts = [line.split("\t")[0] for line in listing.splitlines() if line.split("\t")[1] == "c"]
    attributes = {
        f"{found.relative_to(path)} {name} {os.getxattr(found, name, follow_symlinks=False)!r}"
        for found in [path, *path.rglob("*")]
        for name in os.listxattr(found, follow_symlinks=False)
    }
    return "\n".join(lines + sorted(whiteouts) + sorted(attributes))


def check_like_unpacked(store: LayerStore, layer: Layer, elsewhere: Path) -> tarfile.TarFile:
    """Its tar, unpacked in another store, gives the same layer and the same files."""
    with store.open_tar(layer.diff_id) as tar:
        raw = tar.read()
    assert store.tar_size(layer.diff_id) == len(raw)
    other = LayerStore(elsewhere)
    assert other.unpack(io.BytesIO(raw)) == layer
    assert shown(store.path(layer.diff_id)) == shown(other.path(layer.diff_id))
    return tarfile.open(fileobj=io.BytesIO(raw))


def test_what_a_container_did_becomes_a_layer(store: LayerStore, tmp_path: Path, upper: Path) -> None:
    base = store.unpack(
        io.BytesIO(archive([folder("etc"), member("etc/a", b"a"), member("etc/b", b"b"), folder("d"), member("d/x")]))
    )
    lower = store.path(base.diff_id)
    with merged(tmp_path, [lower], upper) as root:
        (root / "etc/a").unlink()
        (root / "etc/b").write_bytes(b"changed")
        subprocess.run(["rm", "-r", root / "d"], check=True)
        (root / "d").mkdir(mode=0o700)
        (root / "d/new").write_bytes(b"new" * 100_000)
        os.link(root / "d/new", root / "linked")
        (root / "soft").symlink_to("d/new")
        os.mkfifo(root / "pipe", 0o640)
        os.chown(root / "linked", 70_000, 3_000_000_000)
        os.setxattr(root / "etc/b", "user.note", b"kept")
        os.setxattr(root / "d/new", "security.capability", bytes.fromhex("0100000200040000000000000000000000000000"))
        os.setxattr(root / "etc/b", "system.posix_acl_access", ACL)
        (root / ("n" * 255)).write_bytes(b"")
        with (root / "holes").open("wb") as file:
            file.truncate(10 << 20)
    inode = (upper / "d/new").stat().st_ino
    layer = store.adopt(upper, lowers=[lower])
    assert not upper.exists()
    assert (store.path(layer.diff_id) / "d/new").stat().st_ino == inode
    tar = check_like_unpacked(store, layer, tmp_path / "elsewhere")
    assert {"etc/.wh.a", "d/.wh..wh..opq", "soft", "pipe", "n" * 255} < set(tar.getnames())
    assert layer.size == 7 + 300_000 + (10 << 20)


def test_whiteouts_hide_when_mounted_and_come_back_when_packed(store: LayerStore, tmp_path: Path, upper: Path) -> None:
    files = [folder(name) for name in ("gone", "emptied", "filled", "kept")]
    files += [member(f"{name}/f", b"below") for name in ("gone", "emptied", "filled", "kept")] + [member("gone too", b"x")]
    base = store.path(store.unpack(io.BytesIO(archive(files))).diff_id)
    members = [member(".wh.gone"), member(".wh.gone too"), folder("emptied"), member("emptied/.wh..wh..opq")]
    members += [folder("filled"), member("filled/.wh..wh..opq"), member("filled/g", b"above")]
    members += [folder("kept"), member("kept/g", b"above")]
    top = store.unpack(io.BytesIO(archive([folder("./"), *members])))
    with merged(tmp_path, [store.path(top.diff_id), base], upper) as root:
        seen = sorted(str(path.relative_to(root)) for path in root.rglob("*"))
    assert seen == ["emptied", "filled", "filled/g", "kept", "kept/f", "kept/g"]
    with opened([store.path(top.diff_id)]) as (files_fd,), PackedUpper(files_fd, []) as stream:
        again = LayerStore(tmp_path / "elsewhere").unpack(stream)
    assert shown(tmp_path / "elsewhere" / again.diff_id[7:] / "disk" / "diff") == shown(store.path(top.diff_id))


@pytest.mark.parametrize("with_lowers", [True, False])
def test_nothing_becomes_the_empty_layer_that_all_share(
    store: LayerStore, tmp_path: Path, upper: Path, with_lowers: bool
) -> None:
    upper.chmod(0o700)
    os.chown(upper, 5, 5)
    os.setxattr(upper, "trusted.overlay.opaque", b"y")
    layer = store.adopt(upper, lowers=[store.empty_path] if with_lowers else [])
    assert layer == Layer(EMPTY_LAYER, 0)
    status = store.path(EMPTY_LAYER).stat()
    assert (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) == (0o755, 0, 0)
    assert os.listxattr(store.path(EMPTY_LAYER)) == []
    assert names_in(tmp_path / "layers/staging") == []


def test_what_no_layer_has_is_removed(store: LayerStore, tmp_path: Path, upper: Path) -> None:
    (upper / "d").mkdir()
    with socket.socket(socket.AF_UNIX) as bound, contextlib.chdir(upper):
        bound.bind("d/socket")
    os.mknod(upper / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    (upper / "f").write_bytes(b"x")
    (upper / "l").symlink_to("f")
    for path in (upper / "d", upper / "f", upper / "l"):
        os.setxattr(path, "trusted.overlay.origin", b"x", follow_symlinks=False)
        os.setxattr(path, "trusted.other", b"x", follow_symlinks=False)
    os.setxattr(upper / "f", "user.overlay.redirect", b"/etc")
    layer = store.adopt(upper)
    tar = check_like_unpacked(store, layer, tmp_path / "elsewhere")
    assert tar.getnames() == [".", "d", "f", "l", "null"]
    assert names_in(store.path(layer.diff_id)) == ["d", "f", "l"]
    assert os.listxattr(store.path(layer.diff_id) / "f") == []


def test_what_only_the_engine_or_the_overlay_made_is_no_change(store: LayerStore, tmp_path: Path, upper: Path) -> None:
    base = store.unpack(io.BytesIO(archive([folder("etc"), folder("usr"), folder("usr/lib"), member("usr/lib/x", b"x")])))
    lower = store.path(base.diff_id)
    with merged(tmp_path, [lower], upper) as root:
        for name in ("hosts", "hostname", "resolv.conf"):
            (root / "etc" / name).touch()
        (root / "proc").mkdir()
        (root / "usr/lib/x").chmod(0o600)
        (root / "usr/lib/x").chmod(0o644)
    (upper / "usr/lib/x").unlink()  # leaves copies of its folders
    os.utime(upper / "usr/lib", ns=(0, (lower / "usr/lib").stat().st_mtime_ns))
    assert store.adopt(upper, lowers=[lower]).diff_id == EMPTY_LAYER
    assert names_in(store.path(EMPTY_LAYER)) == []


def test_a_whiteout_by_a_files_name_is_what_other_engines_would_read(store: LayerStore, tmp_path: Path, upper: Path) -> None:
    """A layer is known by its tar: if it meant something else here, a tenant could give others files under a known id."""
    (upper / ".wh.passwd").write_bytes(b"a file")
    (upper / "f").write_bytes(b"x")
    layer = store.adopt(upper)
    check_like_unpacked(store, layer, tmp_path / "elsewhere")
    assert stat.S_ISCHR((store.path(layer.diff_id) / "passwd").lstat().st_mode)
    assert not upper.exists()


def test_a_folder_on_another_filesystem_is_copied(store: LayerStore, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    mount("tmpfs", str(tmp_path / "other"), "tmpfs", 0, "")
    try:
        upper = tmp_path / "other/upper"
        (upper / "d").mkdir(parents=True)
        (upper / "d/f").write_bytes(b"x" * 5000)
        layer = store.adopt(upper)
        assert (store.path(layer.diff_id) / "d/f").read_bytes() == b"x" * 5000
        assert not upper.exists()
    finally:
        umount2(str(tmp_path / "other"), MNT_DETACH)


def test_links_of_a_container_are_never_followed(store: LayerStore, tmp_path: Path, upper: Path) -> None:
    (tmp_path / "secret").write_bytes(b"untouched")
    before = (tmp_path / "secret").stat()
    (upper / "file").symlink_to(tmp_path / "secret")
    (upper / "folder").symlink_to(tmp_path)
    os.link(tmp_path / "secret", upper / "own")
    (upper / "own").unlink()
    layer = store.adopt(upper)
    assert (tmp_path / "secret").stat().st_mtime_ns == before.st_mtime_ns
    assert names_in(store.path(layer.diff_id)) == ["file", "folder"]
    with store.open_tar(layer.diff_id) as tar:
        assert b"untouched" not in tar.read()


def test_a_hole_as_large_as_a_disk_is_refused(store: LayerStore, tmp_path: Path, upper: Path) -> None:
    with (upper / "holes").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(InvalidParameter, match="longer than 64 GiB"):
        store.adopt(upper)
    assert not upper.exists()
    assert names_in(tmp_path / "layers/staging") == []


def test_folders_deeper_than_a_path_are_refused(store: LayerStore, tmp_path: Path, upper: Path) -> None:
    descriptor = os.open(upper, os.O_RDONLY)
    for _ in range(30):
        os.mkdir("d" * 200, dir_fd=descriptor)
        below = os.open("d" * 200, os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = below
    os.close(descriptor)
    with pytest.raises(InvalidParameter, match="nested more deeply"):
        store.adopt(upper)
    assert names_in(tmp_path / "layers/staging") == []
