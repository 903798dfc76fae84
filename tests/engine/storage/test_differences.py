"""What a writable layer changes, and that as the tar of a layer; the folders are made as overlayfs leaves them."""

import io
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from engine.storage.differences import ADDED, DELETED, MODIFIED, changes, pack_changes
from engine.storage.layers import LayerStore

pytestmark = pytest.mark.requires_root


class Layers:
    """Two lower folders and an upper one."""

    def __init__(self, root: Path) -> None:
        self.paths = {name: root / name for name in ("base", "top", "upper")}
        for path in self.paths.values():
            path.mkdir()

    def write(self, layer: str, *paths: str, text: str = "x") -> None:
        """Files, or folders where the path ends in a slash; all folders have the same time."""
        for path in paths:
            target = self.paths[layer] / path
            target.parent.mkdir(parents=True, exist_ok=True)
            if path.endswith("/"):
                target.mkdir(exist_ok=True)
            else:
                target.write_text(text)
        for folder in (path for path in self.paths[layer].rglob("*") if path.is_dir()):
            os.utime(folder, (1000, 1000))

    def hide(self, layer: str, path: str) -> None:
        (self.paths[layer] / path).parent.mkdir(parents=True, exist_ok=True)
        os.mknod(self.paths[layer] / path, stat.S_IFCHR, 0)
        os.utime((self.paths[layer] / path).parent, (1000, 1000))

    def make_opaque(self, layer: str, path: str) -> None:
        os.setxattr(self.paths[layer] / path, "trusted.overlay.opaque", b"y")

    def found(self) -> list[tuple[str, int]]:
        with self.opened() as (upper, lowers):
            return [(change.path, change.kind) for change in changes(upper, lowers)]

    def packed(self) -> bytes:
        output = os.memfd_create("layer")
        with self.opened() as (upper, lowers):
            pack_changes(upper, lowers, output)
        os.lseek(output, 0, os.SEEK_SET)
        with open(output, "rb") as file:
            return file.read()

    def opened(self) -> "Opened":
        return Opened(self.paths)


class Opened:
    """Descriptors of the upper folder, and of the lower ones topmost first."""

    def __init__(self, paths: dict[str, Path]) -> None:
        self._paths = paths
        self._stack = ExitStack()

    def __enter__(self) -> tuple[int, list[int]]:
        fds = {name: os.open(path, os.O_RDONLY | os.O_DIRECTORY) for name, path in self._paths.items()}
        for fd in fds.values():
            self._stack.callback(os.close, fd)
        return fds["upper"], [fds["top"], fds["base"]]

    def __exit__(self, *_: object) -> None:
        self._stack.close()


@pytest.fixture
def layers(tmp_path: Path) -> Iterator[Layers]:
    made = Layers(tmp_path)
    made.write("base", "etc/a", "etc/b", "data/old/x", "data/y", "var/")
    made.write("top", "etc/c")
    yield made


def test_nothing_is_no_change(layers: Layers) -> None:
    assert layers.found() == []


def test_new_and_changed_files_bring_their_folders(layers: Layers) -> None:
    layers.write("upper", "etc/a", "etc/new", "fresh/one")
    assert layers.found() == [("etc", MODIFIED), ("etc/a", MODIFIED), ("etc/new", ADDED), ("fresh", ADDED), ("fresh/one", ADDED)]


def test_a_folder_that_was_only_copied_up_is_no_change_but_one_with_another_mode_is(layers: Layers) -> None:
    layers.write("upper", "etc/", "var/")
    (layers.paths["upper"] / "var").chmod(0o700)
    assert layers.found() == [("var", MODIFIED)]


def test_a_whiteout_is_a_deletion_of_what_showed_and_of_nothing_else(layers: Layers) -> None:
    layers.hide("upper", "etc/b")
    layers.hide("upper", "etc/never")
    assert layers.found() == [("etc", MODIFIED), ("etc/b", DELETED)]


def test_what_the_image_itself_has_deleted_is_added_when_it_is_there_again(layers: Layers) -> None:
    layers.hide("top", "etc/a")
    layers.write("upper", "etc/a")
    assert layers.found() == [("etc", MODIFIED), ("etc/a", ADDED)]


def test_an_opaque_folder_deletes_what_it_does_not_have_itself_also_further_in(layers: Layers) -> None:
    layers.write("upper", "data/y", "data/old/new")
    layers.make_opaque("upper", "data")
    assert sorted(layers.found()) == [
        *(("data", MODIFIED), ("data/old", MODIFIED), ("data/old/new", ADDED), ("data/old/x", DELETED), ("data/y", MODIFIED)),
    ]


def test_mount_points_that_the_engine_made_are_no_changes_unless_they_are_filled(layers: Layers) -> None:
    layers.write("upper", "etc/hosts", "etc/hostname", "etc/resolv.conf", text="")
    layers.write("upper", "proc/", "sys/", "dev/")
    os.utime(layers.paths["upper"] / "etc", (2000, 2000))
    assert layers.found() == []
    layers.write("upper", "etc/hosts", text="127.0.0.1 me")
    assert layers.found() == [("etc", MODIFIED), ("etc/hosts", ADDED)]


def test_a_packed_layer_unpacks_to_the_same_differences(layers: Layers, tmp_path: Path) -> None:
    layers.write("upper", "data/y", "data/old/new", "etc/a")
    layers.make_opaque("upper", "data")
    layers.hide("upper", "etc/b")
    os.link(layers.paths["upper"] / "etc/a", layers.paths["upper"] / "etc/also")
    os.chown(layers.paths["upper"] / "etc/a", 7, 8)
    os.setxattr(layers.paths["upper"] / "etc/a", "user.note", b"n")
    expected = layers.found()
    store = LayerStore(tmp_path / "store")
    layer = store.unpack(io.BytesIO(layers.packed()))
    layers.paths["upper"] = store.path(layer.diff_id)
    assert layers.found() == expected
    status = (layers.paths["upper"] / "etc/a").stat()
    assert (status.st_uid, status.st_gid, status.st_nlink) == (7, 8, 2)
    assert os.getxattr(layers.paths["upper"] / "etc/a", "user.note") == b"n"


def test_the_same_changes_give_the_same_layer_and_none_an_empty_one(layers: Layers) -> None:
    assert layers.packed() == bytes(1024)
    layers.write("upper", "etc/new", "etc/newer")
    assert layers.packed() == layers.packed()
