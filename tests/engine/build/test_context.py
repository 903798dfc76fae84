"""A context is kept as it is, whatever it calls its files, and nothing of it leads out of its folder."""

import bz2
import gzip
import io
import lzma
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.build.context import open_context
from engine.build.staging import Staging
from engine.errors import InvalidParameter, NotFound
from engine.storage.trash import Trash
from tests.engine.build.trees import archive_of, listing_of

pytestmark = pytest.mark.requires_root


def listed(folder: Path, tree: str, *, dockerfile: str = "Dockerfile") -> str:
    with open_context(io.BytesIO(archive_of(tree)), folder, dockerfile=dockerfile):
        return listing_of([folder])


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_any_compression_is_read(pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    with open_context(io.BytesIO(pack(archive_of("Dockerfile =FROM"))), tmp_path) as context:
        assert context.dockerfile == b"FROM"


def test_names_mean_nothing_and_owners_are_roots(tmp_path: Path) -> None:
    assert listed(tmp_path, ".wh.a 5:6 =1; .wh..wh..opq =2; d/ 700 7:8; d/l -> /etc; d/m == .wh.a") == (
        ".wh..wh..opq =2; .wh.a =1; d/ 700; d/l -> /etc; d/m == .wh.a"
    )


def test_device_nodes_and_pipes_are_left_out(tmp_path: Path) -> None:
    assert listed(tmp_path, "a =1; d/; d/null dev; d/p |") == "a =1; d/"


@pytest.mark.parametrize("name", ["../out", "a/../../out", "/../out"])
def test_a_name_that_climbs_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match="leads outside"):
        listed(tmp_path / "..", f"{name} =1")
    assert not (tmp_path.parent / "out").exists()


@pytest.mark.parametrize("target", ["/etc", "../../../../../../etc", "{outside}"])
def test_an_entry_through_a_link_writes_nothing_outside(target: str, tmp_path: Path) -> None:
    outside, folder = tmp_path / "outside", tmp_path / "context"
    outside.mkdir()
    folder.mkdir()
    with pytest.raises(InvalidParameter, match="cannot write"):
        listed(folder, f"l -> {target.format(outside=outside)}; l/atelier-written =1")
    assert not list(outside.iterdir())
    assert not Path("/etc/atelier-written").exists()


def test_a_hard_link_out_of_the_context_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match="leads outside"):
        listed(tmp_path, "l == ../../../../etc/passwd")
    with pytest.raises(InvalidParameter, match="cannot write"):
        listed(tmp_path, "d -> /etc; l == d/passwd")


def test_an_archive_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match="not a tar archive"), open_context(io.BytesIO(b"FROM busybox\n" * 99), tmp_path):
        pass


def test_zeros_of_a_bomb_take_no_space(tmp_path: Path) -> None:
    bomb = archive_of("a =@zeros", {"zeros": bytes(64 << 20)})
    with open_context(io.BytesIO(gzip.compress(bomb)), tmp_path):
        status = (tmp_path / "a").stat()
        assert status.st_size == 64 << 20
        assert status.st_blocks * 512 < 8 << 20


IGNORED: list[tuple[str, str, str]] = [
    ("a file", "a =1; b =2; .dockerignore =a", ".dockerignore =a; b =2"),
    ("a folder", "d/; d/a =1; b =2; .dockerignore =d", ".dockerignore =d; b =2"),
    ("all but one", "d/; d/a =1; d/b =2; .dockerignore =@l", "d/; d/b =2"),
    ("all in a folder but what is deep", "d/; d/a =1; d/e/; d/e/b =2; d/f/; .dockerignore =@deep", "d/; d/e/; d/e/b =2"),
    ("the list and the Dockerfile themselves", "a =1; Dockerfile =F; .dockerignore =@self", "a =1"),
    ("a list of the Dockerfile's own", "a =1; b =2; .dockerignore =a; Dockerfile.dockerignore =@self", "a =1; b =2"),
]
LISTS = {"l": b"*\n!d/b\n", "deep": b"d\n!d/e/b\n.dockerignore\n", "self": b"Dockerfile*\n.dockerignore\n"}


@pytest.mark.parametrize(("tree", "left"), [row[1:] for row in IGNORED], ids=[row[0] for row in IGNORED])
def test_dockerignore_leaves_out(tree: str, left: str, tmp_path: Path) -> None:
    with open_context(io.BytesIO(archive_of(tree, LISTS)), tmp_path):
        assert listing_of([tmp_path]) == left


def test_what_is_left_out_can_still_be_read_if_it_says_how_to_build(tmp_path: Path) -> None:
    tree = "x/; x/File =FROM; .dockerignore =@all"
    with open_context(io.BytesIO(archive_of(tree, {"all": b"**"})), tmp_path, dockerfile="./x/File") as context:
        assert listing_of([tmp_path]) == ""
        assert context.dockerfile == context.read("x/File") == b"FROM"
        assert context.read(".dockerignore") == b"**"


def test_a_dockerfile_may_be_called_so_in_lower_case(tmp_path: Path) -> None:
    with open_context(io.BytesIO(archive_of("dockerfile =FROM")), tmp_path) as context:
        assert context.dockerfile == b"FROM"


@pytest.mark.parametrize("target", ["/etc/passwd", "../../../../etc/passwd", "Dockerfile", "/proc/self/environ"])
def test_a_dockerfile_that_is_a_link_reads_nothing_of_the_host(target: str, tmp_path: Path) -> None:
    with open_context(io.BytesIO(archive_of(f"Dockerfile -> {target}; dockerfile/")), tmp_path) as context:
        with pytest.raises(InvalidParameter):
            _ = context.dockerfile
        with pytest.raises((InvalidParameter, NotFound)):
            context.read("Dockerfile")


def test_a_huge_dockerfile_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(InvalidParameter, match="larger than"),
        open_context(io.BytesIO(archive_of("Dockerfile =@f", {"f": bytes(5 << 20)})), tmp_path) as context,
    ):
        _ = context.dockerfile


def test_staging_goes_with_its_user_and_what_a_daemon_left_goes_with_the_next_start(tmp_path: Path) -> None:
    trash = Trash(tmp_path / "trash")
    (tmp_path / "builds" / "left" / "behind").mkdir(parents=True)
    staging = Staging(tmp_path / "builds", trash)
    with pytest.raises(InvalidParameter), staging.folder() as folder:
        assert [path.name for path in (tmp_path / "builds").iterdir()] == [folder.name]
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        (folder / "l").symlink_to("/etc")
        raise InvalidParameter("a build that fails")
    assert list((tmp_path / "builds").iterdir()) == []
    trash.empty()
    assert Path("/etc/passwd").exists()
