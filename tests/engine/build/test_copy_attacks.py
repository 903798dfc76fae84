"""Contexts, images and archives that try to reach the host by way of COPY and ADD."""

import gzip
import io
import os
import stat
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

from engine.build.content import content_key
from engine.build.context import open_context
from engine.build.copy_layer import copy_layer
from engine.build.sources import find_sources
from engine.build.tree import stage_tree
from engine.errors import EngineError, InvalidParameter
from engine.storage.layers import LayerStore
from tests.engine.build.trees import archive_of, listing_of

pytestmark = pytest.mark.requires_root

SECRET = "secret of the host"


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """A folder that stands for the host: a secret to be read, and nothing to be written."""
    folder = tmp_path / "host"
    (folder / "empty").mkdir(parents=True)
    (folder / "secret").write_text(SECRET)
    return folder


def play(
    folder: Path,
    *words: str,
    context: str = "a =1",
    image: str = "etc/",
    stage: str = "",
    unpacks: bool = False,
    mode: int | None = None,
    contents: dict[str, bytes] | None = None,
) -> str:
    """COPY (or ADD, with ``unpacks``) the words of the context, or of a stage."""
    store = LayerStore(folder / "layers")
    with ExitStack() as stack:
        for name in ("context", "work"):
            (folder / name).mkdir()
        read = stack.enter_context(open_context(io.BytesIO(archive_of(context, contents)), folder / "context"))
        tree = stack.enter_context(stage_tree([layer(store, stage)])) if stage else read.tree
        sources = find_sources(tree, words[:-1], instruction_text="COPY")
        content_key(sources, unpacks=unpacks)
        base = [layer(store, image)]
        upper = copy_layer(base, sources, destination=words[-1], workdir="/", mode=mode, unpacks=unpacks, staging=folder / "work")
        return listing_of([*base, upper])


def layer(store: LayerStore, tree: str) -> Path:
    return store.path(store.unpack(io.BytesIO(archive_of(tree))).diff_id)


def assert_untouched(host: Path) -> None:
    assert sorted(path.name for path in host.iterdir()) == ["empty", "secret"]
    assert not list((host / "empty").iterdir())
    assert (host / "secret").read_text() == SECRET


LINKS_OUT = [
    "{host}/secret",
    "../../../../../../../../{host}/secret",
    "/proc/self/root/{host}/secret",
    "d/../../../..{host}/secret",
]


@pytest.mark.parametrize("target", LINKS_OUT)
@pytest.mark.parametrize("word", ["l", "l*"])
def test_a_source_that_is_a_link_to_the_host_is_not_there(target: str, word: str, host: Path, tmp_path: Path) -> None:
    tree = f"d/; l -> {target.format(host=host)}"
    (tmp_path / "again").mkdir()
    with pytest.raises(InvalidParameter, match="file does not exist"):
        play(tmp_path, word, "/x/", context=tree)
    with pytest.raises(InvalidParameter, match="file does not exist"):
        play(tmp_path / "again", word, "/x/", stage=tree)


def test_a_source_below_a_link_to_the_host_is_not_there(host: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match="file does not exist"):
        play(tmp_path, "l/secret", "/x", context=f"l -> {host}")


def test_links_below_a_source_are_copied_and_never_read(host: Path, tmp_path: Path) -> None:
    assert play(tmp_path, "d", "/x", context=f"d/; d/l -> {host}/secret; d/m -> {host}") == (
        f"etc/; x/; x/l -> {host}/secret; x/m -> {host}"
    )


@pytest.mark.parametrize("target", ["{host}/empty", "../../../../../../../../{host}/empty", "/proc/self/root/{host}/empty"])
@pytest.mark.parametrize("destination", ["/app", "/app/", "/app/new/", "/app/sub/../a"])
def test_a_link_of_the_image_at_the_destination_leads_inside(target: str, destination: str, host: Path, tmp_path: Path) -> None:
    play(tmp_path, "d", destination, context="d/; d/a =1", image=f"app -> {target.format(host=host)}")
    assert_untouched(host)


def test_a_link_to_the_top_of_the_image_is_its_own_top(tmp_path: Path) -> None:
    assert play(tmp_path, "a", "/app/b", image="app -> ../../../..; up -> /") == "app -> ../../../..; b =1; up -> /"
    assert not Path("/b").exists()


def test_a_loop_of_links_at_the_destination_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match="too many links"):
        play(tmp_path, "a", "/x/b", image="x -> y; y -> x")


def test_links_in_the_destination_folder_are_replaced_not_followed(host: Path, tmp_path: Path) -> None:
    listing = play(
        tmp_path, "d", "/t", context="d/; d/e/; d/e/a =1; d/f =2", image=f"t/; t/e -> {host}/empty; t/f -> {host}/secret"
    )
    assert listing == "t/; t/e/; t/e/a =1; t/f =2"
    assert_untouched(host)


@pytest.mark.parametrize(
    "archive",
    [
        "l -> {host}/empty; l/a =1",
        "l -> ../../../../../../{host}/empty; l/a =1",
        "l == ../../../../{host}/secret",
        "d -> {host}; l == d/secret; l =overwritten",
        "../../../..{host}/empty/a =1",
        "d/../../{host}/empty/a =1",
    ],
)
def test_an_archive_with_a_way_out_is_refused(archive: str, host: Path, tmp_path: Path) -> None:
    contents = {"t": archive_of(archive.format(host=host))}
    with pytest.raises(InvalidParameter):
        play(tmp_path, "t", "/x/", context="t =@t", contents=contents, unpacks=True)
    assert_untouched(host)


def test_an_archive_over_links_of_the_image_stays_inside(host: Path, tmp_path: Path) -> None:
    contents = {"t": archive_of("l/a =1")}
    with pytest.raises(InvalidParameter, match="no such file"):
        play(tmp_path, "t", "/", context="t =@t", image=f"l -> {host}/empty", contents=contents, unpacks=True)
    assert_untouched(host)


def test_device_nodes_of_an_archive_are_left_out(tmp_path: Path) -> None:
    contents = {"t": archive_of("a =1; d/; d/null dev")}
    assert play(tmp_path, "t", "/", context="t =@t", contents=contents, unpacks=True) == "a =1; d/; etc/"


def test_an_archive_with_names_of_removed_things_is_refused(tmp_path: Path) -> None:
    contents = {"t": archive_of("d/; d/.wh.a =1")}
    with pytest.raises(InvalidParameter, match="no name can begin with"):
        play(tmp_path, "t", "/", context="t =@t", contents=contents, unpacks=True)


def test_a_bomb_of_zeros_takes_no_space(tmp_path: Path) -> None:
    bomb = gzip.compress(archive_of("a =@zeros", {"zeros": bytes(64 << 20)}))
    play(tmp_path, "t", "/", context="t =@t", contents={"t": bomb}, unpacks=True)
    status = (tmp_path / "work/upper/a").stat()
    assert (status.st_size, status.st_blocks * 512 < 8 << 20) == (64 << 20, True)


def test_a_sparse_file_stays_sparse(tmp_path: Path) -> None:
    play(tmp_path, "a", "/b", context="a =@zeros", contents={"zeros": bytes(64 << 20) + b"end"})
    status = (tmp_path / "work/upper/b").stat()
    assert (status.st_size, status.st_blocks * 512 < 8 << 20) == ((64 << 20) + 3, True)


def test_a_source_that_is_a_pipe_of_an_image_is_refused_and_below_a_folder_copied(tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match="neither file nor folder"):
        play(tmp_path, "p", "/x", stage="d/; p |")
    (tmp_path / "again").mkdir()
    assert play(tmp_path / "again", "d", "/x", stage="d/; d/p | 640") == "etc/; x/; x/p | 640"


@pytest.mark.parametrize("name", ["a\0b", "../../etc/passwd", "/../etc/passwd", "x/../../etc/passwd"])
def test_a_word_that_leaves_the_context_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter):
        play(tmp_path, name, "/x")


def test_a_word_of_a_thousand_stars_takes_no_time(tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match="no source files"):
        play(tmp_path, "*a" * 1000, "/x", context=f"{'a' * 200} =1")


def test_modes_of_an_instruction_are_for_files_and_folders(tmp_path: Path) -> None:
    listing = play(tmp_path, "d", "/x/y", context="d/ 700; d/e/; d/e/f 4755 =1; d/l -> e", mode=0o640)
    assert listing == "etc/; x/; x/y/ 640; x/y/e/ 640; x/y/e/f 640 =1; x/y/l -> e"


def test_capabilities_of_programs_are_kept(tmp_path: Path) -> None:
    store = LayerStore(tmp_path / "layers")
    base, stage = layer(store, "etc/"), layer(store, "s/; s/a 755 3:4 =1")
    capability = bytes.fromhex("0100000200040000000000000000000000000000")
    os.setxattr(stage / "s/a", "security.capability", capability)
    (tmp_path / "work").mkdir()
    with stage_tree([stage]) as tree:
        sources = find_sources(tree, ["s/a"], instruction_text="COPY")
        upper = copy_layer([base], sources, destination="/b", workdir="/", staging=tmp_path / "work")
    assert os.getxattr(upper / "b", "security.capability") == capability


def test_only_what_is_written_and_the_folders_above_it_are_in_the_layer(tmp_path: Path) -> None:
    image = "usr/; usr/bin/; usr/bin/ls =1; usr/lib/; etc/; etc/a =2"
    play(tmp_path, "a", "/usr/bin/a", image=image)
    assert listing_of([tmp_path / "work/upper"]) == "usr/; usr/bin/; usr/bin/a =1"
    (tmp_path / "again").mkdir()
    play(tmp_path / "again", "d", "/usr", context="d/", image=image)
    assert listing_of([tmp_path / "again/work/upper"]) == ""


def test_the_top_of_the_image_stays_as_it_is(tmp_path: Path) -> None:
    store = LayerStore(tmp_path / "layers")
    base = layer(store, "etc/")
    base.chmod(0o711)
    os.chown(base, 3, 4)
    (tmp_path / "work").mkdir()
    with stage_tree([layer(store, "a =1")]) as tree:
        sources = find_sources(tree, ["a"], instruction_text="COPY")
        status = copy_layer([base], sources, destination="/", workdir="/", staging=tmp_path / "work").stat()
    assert (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) == (0o711, 3, 4)


def test_the_layer_can_be_stored_and_its_archive_makes_the_same_image(tmp_path: Path) -> None:
    image = "t/; t/a/; t/a/old =1; t/b =2; t/l -> /etc; etc/; etc/f =3"
    context = "d/; d/a =new; d/b/; d/b/n =1; d/h =5; d/i == d/h; d/l/; d/l/x 4755 =6"
    listing = play(tmp_path, "d", "/t", context=context, image=image)
    store, other = LayerStore(tmp_path / "layers"), LayerStore(tmp_path / "other")
    adopted = store.adopt(tmp_path / "work/upper")
    assert listing_of([layer(store, image), store.path(adopted.diff_id)]) == listing
    with store.open_tar(adopted.diff_id) as archive:
        again = other.unpack(archive, expected=adopted.diff_id)
    assert listing_of([layer(other, image), other.path(again.diff_id)]) == listing


def test_globs_and_folders_may_be_as_deep_as_paths(tmp_path: Path) -> None:
    deep = "/".join("d" * 300)
    context = "; ".join(f"{deep[: 2 * depth + 1]}/" for depth in range(300))
    listing = play(tmp_path, "/".join("*" * 300), "/x/", context=f"{context}; {deep}/f =1")
    assert listing == "etc/; x/; x/f =1"


def test_an_image_from_scratch_can_be_copied_to(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    with stage_tree([layer(LayerStore(tmp_path / "layers"), "a =1")]) as tree:
        sources = find_sources(tree, ["a"], instruction_text="COPY")
        assert listing_of([copy_layer([], sources, destination="/b/", workdir="/", staging=tmp_path / "work")]) == "b/; b/a =1"


def test_nothing_stays_open_or_mounted_whatever_happens(tmp_path: Path) -> None:
    play(tmp_path, "a", "/b")
    before = open_descriptors(), Path("/proc/self/mountinfo").read_text().count("\n")
    for number in range(3):
        (tmp_path / str(number)).mkdir()
        with pytest.raises(EngineError):
            play(tmp_path / str(number), "a", "/etc/x/y", image="etc/; etc/x =1")
        (tmp_path / f"good{number}").mkdir()
        play(tmp_path / f"good{number}", "a", "/b", stage="a =2")
    assert (open_descriptors(), Path("/proc/self/mountinfo").read_text().count("\n")) == before


def open_descriptors() -> int:
    for thread in threading.enumerate():
        if thread.name in ("read ahead", "trash"):
            thread.join()
    return len(list(Path("/proc/self/fd").iterdir()))
