"""Layers without a path: what is read and written goes by descriptors, and no link leads out."""

import errno
import io
import os
from pathlib import Path

import pytest

from engine.core.layers import MAX_LAYERS
from engine.errors import InvalidParameter
from engine.storage.detached import is_in_use, open_inside, readable_layers, resolve, writable_layers
from engine.storage.layers import LayerStore
from tests.engine.build.trees import archive_of, listing_of

pytestmark = pytest.mark.requires_root

BOTH_WAYS = pytest.mark.parametrize("by_path", [False, True], ids=["one by one", "paths"])

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


@BOTH_WAYS
def test_layers_are_seen_together_and_cannot_be_written(layers: list[Path], by_path: bool) -> None:
    with readable_layers(layers, by_path=by_path) as root:
        folder = open_inside(root, "up", os.O_RDONLY | os.O_DIRECTORY)
        try:
            assert sorted(os.listdir(folder)) == ["c", "e", "n"]  # noqa: PTH208 - a descriptor
        finally:
            os.close(folder)
        with pytest.raises(OSError, match="Read-only") as raised:
            os.mkdir("x", dir_fd=root)
        assert raised.value.errno == errno.EROFS


@BOTH_WAYS
def test_what_is_written_goes_to_the_upper_alone(layers: list[Path], tmp_path: Path, by_path: bool) -> None:
    for name in ("upper", "work"):
        (tmp_path / name).mkdir()
    before = listing_of(layers)
    with writable_layers(layers, upper=tmp_path / "upper", work=tmp_path / "work", by_path=by_path) as root:
        os.mkdir("x", dir_fd=root)
        os.unlink("a/c/d", dir_fd=root)
        os.mknod("x/null", 0o20666, os.makedev(1, 3), dir_fd=root)
        with pytest.raises(PermissionError):
            os.open("x/null", os.O_RDONLY, dir_fd=root)
    assert (tmp_path / "upper/x/null").exists()
    assert listing_of(layers) == before


def test_as_many_layers_as_an_image_may_have_are_seen_together(tmp_path: Path) -> None:
    """Kernels that take one text of all paths have a page of memory for it."""
    layers = [tmp_path / f"{'long' * 20}{number}" for number in range(MAX_LAYERS)]
    for layer in layers:
        layer.mkdir()
        (layer / layer.name).touch()
    with readable_layers(layers, by_path=True) as root:
        assert len(os.listdir(root)) == MAX_LAYERS  # noqa: PTH208 - a descriptor


@BOTH_WAYS
def test_a_layer_is_in_use_while_an_overlay_writes_to_it(layers: list[Path], tmp_path: Path, by_path: bool) -> None:
    for name in ("upper", "work", "idle", "busy"):
        (tmp_path / name).mkdir()
    assert not is_in_use(tmp_path / "upper", tmp_path / "idle", by_path=by_path)
    with writable_layers(layers, upper=tmp_path / "upper", work=tmp_path / "work", by_path=by_path):
        assert is_in_use(tmp_path / "upper", tmp_path / "busy", by_path=by_path)


def test_what_the_kernel_refuses_is_told_by_whoever_asked_it(layers: list[Path], tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    with (
        pytest.raises(FileNotFoundError),
        writable_layers(layers, upper=tmp_path / "none", work=tmp_path / "work", by_path=True),
    ):
        pass


def test_a_mount_made_by_path_leaves_nothing_on_the_host(layers: list[Path]) -> None:
    before = Path("/proc/self/mounts").read_text(), Path("/proc/self/ns/mnt").readlink()
    with readable_layers(layers, by_path=True) as root:
        assert not os.get_inheritable(root)
        assert (Path("/proc/self/mounts").read_text(), Path("/proc/self/ns/mnt").readlink()) == before
