"""Trees as tar streams, read back by Python's own reader and by ours."""

import io
import os
import tarfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from engine.storage.pack import Packer, PathTooLongError, walk
from engine.storage.tar import read_entries
from engine.storage.tar_source import TarSource
from engine.storage.tar_write import Member, header, padded


def pack(folder: Path) -> bytes:
    """The whole folder, through a file so that nothing has to read meanwhile."""
    root = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    output = os.memfd_create("tar")
    packer = Packer(output)
    for found in walk(root):
        packer.add(found, found.path)
    packer.finish()
    os.lseek(output, 0, os.SEEK_SET)
    with open(output, "rb") as file:
        os.close(root)
        return file.read()


def names(data: bytes) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return [info.name + ("/" if info.isdir() else "") for info in archive]


def test_members_come_by_name_and_folders_before_what_is_in_them(tmp_path: Path) -> None:
    for path in ("b/c", "b/a", "a"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(path)
    assert names(pack(tmp_path)) == ["a", "b/", "b/a", "b/c"]


def test_equal_trees_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        for file in ("x", "y") if name == "one" else ("y", "x"):
            (tmp_path / name / file).write_text(file)
            os.utime(tmp_path / name / file, (5, 5))
    assert pack(tmp_path / "one") == pack(tmp_path / "two")


@pytest.mark.parametrize("size", [0, 1, 511, 512, 513, 2**17, 2**17 + 1, 3 * 2**20 + 7])
def test_content_of_any_size_is_whole(tmp_path: Path, size: int) -> None:
    data = os.urandom(size)
    (tmp_path / "f").write_bytes(data)
    (tmp_path / "g").write_bytes(b"after")
    with tarfile.open(fileobj=io.BytesIO(pack(tmp_path))) as archive:
        assert [archive.extractfile(info).read() for info in archive] == [data, b"after"]  # type: ignore[union-attr]  # both are files


def test_links_pipes_and_long_and_strange_names_are_kept(tmp_path: Path) -> None:
    long = "n" * 200
    (tmp_path / long).write_text("x")
    os.link(tmp_path / long, tmp_path / "z")
    (tmp_path / "s").symlink_to("l" * 150)
    os.mkfifo(tmp_path / "p")
    (tmp_path / "ümlaut").write_text("u")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff")).write_text("no text")
    found = {entry.name: entry for entry in read_entries(TarSource(iter([pack(tmp_path)])))}
    assert (found["z"].kind, found["z"].link, found["s"].link, found["p"].kind) == ("1", long, "l" * 150, "6")
    assert {"ümlaut", "\udcff"} <= set(found)


def test_a_name_that_takes_many_files_does_not_take_many_descriptors(tmp_path: Path) -> None:
    for number in range(50):
        (tmp_path / str(number)).mkdir()
    pack(tmp_path)
    assert open_below(tmp_path) == []


def open_below(folder: Path) -> list[str]:
    """What this process has open there; threads that empty a trash of an earlier test have theirs elsewhere."""
    found = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            found.append(str(descriptor.readlink()))
    return [path for path in found if Path(path).is_relative_to(folder)]


def test_folders_nested_deeper_than_a_path_are_refused(tmp_path: Path) -> None:
    folder = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    for _ in range(25):
        os.mkdir("d" * 200, dir_fd=folder)
        below = os.open("d" * 200, os.O_RDONLY | os.O_DIRECTORY, dir_fd=folder)
        os.close(folder)
        folder = below
    os.close(folder)
    with pytest.raises(PathTooLongError):
        pack(tmp_path)


@pytest.mark.parametrize(
    ("field", "value"),
    [("uid", 2**31), ("gid", 3_000_000), ("mtime", -5), ("mtime", 2**34), ("name", "ä" * 60), ("link", "x" * 101)],
)
def test_values_that_a_plain_header_cannot_say_stand_in_a_record(field: str, value: int | str) -> None:
    fields: dict[str, Any] = {field: value}
    member = Member("n", 0o120777)._replace(**fields)
    (entry,) = read_entries(TarSource(iter([header(member), padded(b"")])))
    found = entry.mtime_ns // 10**9 if field == "mtime" else getattr(entry, field)
    assert found == value


def test_large_sizes_stand_in_a_record() -> None:
    block = header(Member("n", 0o100644, size=2**40))
    assert tarfile.TarInfo.frombuf(block[-512:], "utf-8", "strict").size == 0
    assert b"size=1099511627776\n" in block
