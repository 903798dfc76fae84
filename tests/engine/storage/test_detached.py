"""Layers without a path: what is read and written goes by descriptors, and no link leads out."""

import errno
import io
import os
from pathlib import Path

import pytest

from engine.errors import InvalidParameter
from engine.storage.detached import open_inside, readable_layers, resolve, writable_layers
from engine.storage.layers import LayerStore
from tests.engine.build.trees import archive_of, listing_of

pytestmark = pytest.mark.requires_root

LOW = "a/; a/b =1; a/c/; a/c/d =2; etc/; up -> ../../a; abs -> /a; loop -> loop; none -> /no/where; a/e -> c"


@pytest.fixture
def layers(tmp_path: Path) -> list[Path]:
    store = LayerStore(tmp_path / "layers")
    return [store.path(store.unpack(io.BytesIO(archive_of(tree))).diff_id) for tree in (LOW, "a/; a/.wh.b =; a/n =3")]


@pytest.mark.parametrize(
    ("path", "reached"),
    [
        ("", ""),
        ("/", ""),
        ("..", ""),
        ("a/c", "a/c"),
        ("up/c", "a/c"),
        ("abs/e/d", "a/c/d"),
        ("abs/e/..", "a"),
        ("none/x", "no/where/x"),
        ("a/missing/../x", "a/x"),
        ("/proc/self/root", "proc/self/root"),
    ],
)
def test_a_path_leads_where_a_process_inside_would_get(path: str, reached: str, layers: list[Path]) -> None:
    with readable_layers(layers) as root:
        assert resolve(root, path) == reached


def test_links_without_end_are_refused(layers: list[Path]) -> None:
    with readable_layers(layers) as root, pytest.raises(InvalidParameter, match="too many links"):
        resolve(root, "loop/x")


def test_layers_are_seen_together_and_cannot_be_written(layers: list[Path]) -> None:
    with readable_layers(layers) as root:
        folder = open_inside(root, "up", os.O_RDONLY | os.O_DIRECTORY)
        try:
            assert sorted(os.listdir(folder)) == ["c", "e", "n"]  # noqa: PTH208 - a descriptor
        finally:
            os.close(folder)
        with pytest.raises(OSError, match="Read-only") as raised:
            os.mkdir("x", dir_fd=root)
        assert raised.value.errno == errno.EROFS


def test_what_is_written_goes_to_the_upper_alone(layers: list[Path], tmp_path: Path) -> None:
    for name in ("upper", "work"):
        (tmp_path / name).mkdir()
    before = listing_of(layers)
    with writable_layers(layers, upper=tmp_path / "upper", work=tmp_path / "work") as root:
        os.mkdir("x", dir_fd=root)
        os.unlink("a/c/d", dir_fd=root)
        os.mknod("x/null", 0o20666, os.makedev(1, 3), dir_fd=root)
        with pytest.raises(PermissionError):
            os.open("x/null", os.O_RDONLY, dir_fd=root)
    assert (tmp_path / "upper/x/null").exists()
    assert listing_of(layers) == before
