"""The key of what is copied: the same for the same, another for whatever would make another layer; times do not count."""

import io
import os
from contextlib import ExitStack
from pathlib import Path

import pytest

from engine.build.content import content_key, inline_sources
from engine.build.context import open_context
from engine.build.copy_layer import copy_layer
from engine.build.sources import Sources, find_sources
from engine.errors import InvalidParameter
from tests.engine.build.trees import archive_of, listing_of

pytestmark = pytest.mark.requires_root

TREE = "d/; d/a =1; d/b 600 =2; d/e/ 700; d/l -> a; f =3"


def key(
    folder: Path, tree: str, *words: str, owner: tuple[int, int] | None = None, mode: int | None = None, unpacks: bool = False
) -> str:
    folder.mkdir()
    with open_context(io.BytesIO(archive_of(tree)), folder) as context:
        sources = find_sources(context.tree, words or ["d"], instruction_text="COPY")
        return content_key(sources, owner=owner, mode=mode, unpacks=unpacks)


def test_the_same_content_has_the_same_key_at_any_time_and_of_any_owner_in_the_context(tmp_path: Path) -> None:
    first = key(tmp_path / "1", TREE)
    again = tmp_path / "2"
    again.mkdir()
    with open_context(io.BytesIO(archive_of(TREE.replace("=1", "7:8 =1"))), again) as context:
        os.utime(again / "d/a", (1, 1))
        assert content_key(find_sources(context.tree, ["d"], instruction_text="COPY")) == first


def test_what_is_not_named_does_not_count(tmp_path: Path) -> None:
    assert key(tmp_path / "1", TREE) == key(tmp_path / "2", TREE.replace("=3", "=4"))


@pytest.mark.parametrize(
    "change",
    [
        ("d/a =1", "d/a =x"),
        ("d/a =1", "d/a 755 =1"),
        ("d/a =1", "d/c =1"),
        ("d/a =1", "d/a =12"),
        ("d/a =1; d/b 600 =2", "d/a =12; d/b 600 ="),
        ("d/e/ 700", "d/e/"),
        ("d/e/ 700", "d/e/ 700; d/e/x/"),
        ("d/e/ 700", "d/e 700 ="),
        ("-> a", "-> b"),
        ("d/l -> a", "d/l == d/a"),
    ],
    ids=str,
)
def test_a_change_makes_another_key(change: tuple[str, str], tmp_path: Path) -> None:
    assert change[0] in TREE
    assert key(tmp_path / "1", TREE) != key(tmp_path / "2", TREE.replace(*change))


def test_owner_mode_and_unpacking_make_another_key(tmp_path: Path) -> None:
    keys = {
        key(tmp_path / "1", TREE),
        key(tmp_path / "2", TREE, owner=(1, 1)),
        key(tmp_path / "3", TREE, mode=0o640),
        key(tmp_path / "4", TREE, unpacks=True),
    }
    assert len(keys) == 4


def test_a_key_says_what_it_is_of(tmp_path: Path) -> None:
    assert key(tmp_path / "1", TREE, "f").startswith("file:")
    assert key(tmp_path / "2", TREE, "d").startswith("dir:")
    assert key(tmp_path / "3", TREE, "d", "f").startswith("multi:")
    assert key(tmp_path / "4", TREE, "d", "f") != key(tmp_path / "5", TREE, "f", "d")


def test_the_name_of_a_file_counts_since_a_folder_takes_it(tmp_path: Path) -> None:
    assert key(tmp_path / "1", "a =1", "a") != key(tmp_path / "2", "b =1", "b")


@pytest.mark.parametrize(
    ("excludes", "left"),
    [(["*.txt"], "d/e/; d/e/b.txt =2; d/e/c =3"), (["**/*.txt"], "d/e/; d/e/c =3"), (["e"], "d/a.txt =1")],
)
def test_excluded_files_neither_count_nor_are_copied(excludes: list[str], left: str, tmp_path: Path) -> None:
    (tmp_path / "context").mkdir()
    (tmp_path / "work").mkdir()
    tree = "d/; d/a.txt =1; d/e/; d/e/b.txt =2; d/e/c =3"
    with open_context(io.BytesIO(archive_of(tree)), tmp_path / "context") as context:
        sources = find_sources(context.tree, ["d"], instruction_text="COPY", excludes=excludes)
        assert content_key(sources) == key(tmp_path / "2", f"d/; {left}")
        upper = copy_layer([], sources, destination="/d", workdir="/", staging=tmp_path / "work")
        assert listing_of([upper]) == f"d/; {left}"


@pytest.mark.parametrize(
    ("words", "left"),
    [
        (["d/e/a"], "x/; x/d/; x/d/e/; x/d/e/a =1"),
        (["d/./e/a"], "x/; x/e/; x/e/a =1"),
        (["d/e"], "x/; x/d/; x/d/e/; x/d/e/a =1"),
        (["*/*/a", "f"], "x/; x/d/; x/d/e/; x/d/e/a =1; x/f =2"),
    ],
)
def test_parents_of_sources_are_kept_where_that_is_asked_for(words: list[str], left: str, tmp_path: Path) -> None:
    (tmp_path / "context").mkdir()
    (tmp_path / "work").mkdir()
    with open_context(io.BytesIO(archive_of("d/; d/e/; d/e/a =1; f =2")), tmp_path / "context") as context:
        sources = find_sources(context.tree, words, instruction_text="COPY", keeps_parents=True)
        upper = copy_layer([], sources, destination="/x/", workdir="/", staging=tmp_path / "work")
        assert listing_of([upper]) == left


def test_texts_of_the_dockerfile_are_files_beside_others(tmp_path: Path) -> None:
    for name in ("context", "inline", "work"):
        (tmp_path / name).mkdir()
    with ExitStack() as stack:
        context = stack.enter_context(open_context(io.BytesIO(archive_of("a 600 =1")), tmp_path / "context"))
        texts = stack.enter_context(inline_sources({"EOF": b"hello", "z.sh": b"#!"}, tmp_path / "inline"))
        sources = find_sources(context.tree, ["a"], instruction_text="COPY") + texts
        assert content_key(sources) != content_key(sources + texts) != content_key(Sources())
        upper = copy_layer([], sources, destination="/x/", workdir="/", staging=tmp_path / "work", owner=(3, 4))
        assert listing_of([upper]) == "x/ 3:4; x/EOF 3:4 =hello; x/a 600 3:4 =1; x/z.sh 3:4 =#!"


@pytest.mark.parametrize("name", ["../a", "/etc/passwd", "..", "", "a\0", "a" * 256])
def test_a_text_with_an_impossible_name_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match="cannot be the name of a file"), inline_sources({name: b""}, tmp_path):
        pass


def test_thousands_of_files_are_hashed_and_copied(tmp_path: Path) -> None:
    for name in ("context", "work"):
        (tmp_path / name).mkdir()
    for folder in range(4):
        (tmp_path / f"context/{folder}").mkdir()
        for number in range(1000):
            os.close(os.open(tmp_path / f"context/{folder}/{number}", os.O_CREAT | os.O_WRONLY, 0o644))
    with open_context(io.BytesIO(archive_of("a =1")), tmp_path / "context") as context:
        sources = find_sources(context.tree, ["."], instruction_text="COPY")
        assert content_key(sources).startswith("dir:")
        upper = copy_layer([], sources, destination="/", workdir="/", staging=tmp_path / "work")
    assert sum(len(files) for _, _, files in os.walk(upper)) == 4_001
