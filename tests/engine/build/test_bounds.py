"""Contexts, archives and trees made to hurt: small to send, endless to unpack or to remember."""

import io
import tarfile
from pathlib import Path

import pytest

from engine.build.content import content_key
from engine.build.context import open_context
from engine.build.copy_layer import copy_layer
from engine.build.sources import find_sources
from engine.errors import InvalidParameter
from engine.storage import bounds
from engine.storage.layers import LayerStore
from tests.engine.build.trees import archive_of

pytestmark = pytest.mark.requires_root

HOSTILE = {
    "more entries than any folder has": ([f"f{number}" for number in range(120)], "more than 100 files and folders"),
    "one name again and again": (["f"] * 120, "more than 100 files and folders"),
    "folders that nobody lists": (["/".join("d" * 120)], "nested too deeply"),
    "deep paths": (["/".join("d" * 40) + f"/f{number}" for number in range(10)], "nested too deeply"),
    "long paths": ([f"{'n' * 200}{number}" for number in range(30)], "letters in all"),
}


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, most in {"MOST_ENTRIES": 100, "MOST_STEPS": 300, "MOST_LETTERS": 5000}.items():
        monkeypatch.setattr(bounds, name, most)


def packed(names: list[str]) -> bytes:
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w") as archive:
        for name in names:
            archive.addfile(tarfile.TarInfo(name))
    return output.getvalue()


@pytest.mark.parametrize(("names", "message"), HOSTILE.values(), ids=HOSTILE)
def test_a_context_without_measure_is_refused(tmp_path: Path, names: list[str], message: str) -> None:
    with pytest.raises(InvalidParameter, match=message), open_context(io.BytesIO(packed(names)), tmp_path):
        pytest.fail("it was taken")


@pytest.mark.parametrize(("names", "message"), HOSTILE.values(), ids=HOSTILE)
def test_an_archive_that_add_unpacks_has_the_same_bounds(tmp_path: Path, names: list[str], message: str) -> None:
    with pytest.raises(InvalidParameter, match=message):
        add(tmp_path, packed(names))


def test_archives_and_contexts_that_expand_beyond_all_disks_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add(tmp_path, packed(["f"]))
    monkeypatch.setattr("engine.build.copy_layer.MOST_BYTES", 4096)
    (tmp_path / "again").mkdir()
    with pytest.raises(InvalidParameter, match="an archive is longer than"):
        add(tmp_path / "again", packed(["f"]))
    monkeypatch.setattr("engine.build.context.MOST_BYTES", 4096)
    with pytest.raises(InvalidParameter, match="context is longer than"), open_context(io.BytesIO(packed(["f"])), tmp_path):
        pytest.fail("it was taken")


def test_a_folder_without_measure_is_not_copied_and_is_no_layer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("context", "work"):
        (tmp_path / name).mkdir()
    with open_context(io.BytesIO(packed([f"d/f{number}" for number in range(80)])), tmp_path / "context") as context:
        sources = find_sources(context.tree, ["d"], instruction_text="COPY")
        monkeypatch.setattr(bounds, "MOST_ENTRIES", 60)
        with pytest.raises(InvalidParameter, match="more than 60 files"):
            copy_layer([], sources, destination="/x/", workdir="/", staging=tmp_path / "work")
    with pytest.raises(InvalidParameter, match="the layer holds more than 60"):
        LayerStore(tmp_path / "layers").adopt(tmp_path / "context" / "d")


def test_names_that_are_left_out_are_not_remembered(tmp_path: Path) -> None:
    """A folder that is left out is not looked into, those beside it are."""
    archive = archive_of("out/ ; out/f =1; outside =2; in/ ; in/out =3; .dockerignore =out")
    with open_context(io.BytesIO(archive), tmp_path) as context:
        assert sorted(path.name for path in tmp_path.rglob("*")) == [".dockerignore", "in", "out", "outside"]
        assert context.read("in/out") == b"3"


def add(folder: Path, archive: bytes) -> Path:
    for name in ("context", "work"):
        (folder / name).mkdir()
    with open_context(io.BytesIO(archive_of("a.tar =@a", {"a": archive})), folder / "context") as context:
        sources = find_sources(context.tree, ["a.tar"], instruction_text="ADD")
        content_key(sources, unpacks=True)
        return copy_layer([], sources, destination="/x/", workdir="/", unpacks=True, staging=folder / "work")
