"""Layers that are made to hurt: refused or contained, with nothing outside written, and time, memory and disk bounded.

Names and links that lead outside are in ``test_untar``, malformed headers in ``test_tar``; here is what takes a whole store.
"""

import gzip
import io
import os
import resource
import stat
import subprocess
import sys
import tarfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.errors import InvalidParameter
from engine.storage import tar_digest, untar
from engine.storage.layers import LayerStore
from engine.storage.trash import Trash
from tests.engine.storage.tar_archives import (
    END,
    archive,
    folder,
    hard_link,
    header,
    member,
    names_in,
    padded,
    symlink,
)
from tests.engine.storage.test_compression import zstd

pytestmark = pytest.mark.requires_root


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LayerStore]:
    """Whatever happens nothing is left half done, and nothing beside the store is touched."""
    (tmp_path / "secret").write_text("untouched")
    trash = Trash(tmp_path / "layers/trash")
    store = LayerStore(tmp_path / "layers", trash)
    try:
        yield store
        assert (tmp_path / "secret").read_text() == "untouched"
        assert names_in(tmp_path) == ["layers", "secret"]
        assert names_in(tmp_path / "layers/staging") == []
    finally:
        # What is nested deeper than calls can be only the trash can remove.
        store.release([diff_id for name in names_in(tmp_path / "layers") for diff_id in [f"sha256:{name}"] * 9])
        store.collect([])
        trash.empty()


class Endless(io.RawIOBase):
    """A stream that is made as it is read, so that a test needs no more memory than the engine."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        if not self._rest:
            self._rest = next(self._pieces, b"")
        data, self._rest = self._rest[:size], self._rest[size:]
        return data


def refused(store: LayerStore, raw: bytes, text: str) -> None:
    with pytest.raises(InvalidParameter, match=text):
        store.unpack(io.BytesIO(raw))


def size_field(number: int) -> bytes:
    return b"%011o\0" % number


def packed_zeros(count: int) -> bytes:
    """A file of so many MiB of zeros, compressed piece by piece."""
    packer = zlib.compressobj(wbits=31)
    parts = [packer.compress(header(b"zeros", size=size_field(count << 20)))]
    parts += [packer.compress(bytes(1 << 20)) for _ in range(count)]
    return b"".join([*parts, packer.compress(END), packer.flush()])


def test_zeros_that_were_packed_small_take_no_place(store: LayerStore) -> None:
    raw = packed_zeros(256)
    assert len(raw) < 1 << 20
    layer = store.unpack(io.BytesIO(raw))
    assert layer.size == 256 << 20
    assert (store.path(layer.diff_id) / "zeros").stat().st_blocks < 1000
    assert (store.path(layer.diff_id).parent / "tar.recipe").stat().st_size < 1000


@pytest.mark.parametrize("pack", [gzip.compress, zstd, bytes], ids=["gzip", "zstd", "plain"])
@pytest.mark.parametrize("place", ["a file", "behind the end", "a header's content", "a whiteout"])
def test_a_stream_that_expands_beyond_all_layers_is_refused(
    store: LayerStore, monkeypatch: pytest.MonkeyPatch, pack: Callable[[bytes], bytes], place: str
) -> None:
    monkeypatch.setattr(tar_digest, "MOST_BYTES", 32 << 20)
    zeros = bytes(33 << 20)
    name, kind = {"a header's content": (b"g", b"g"), "a whiteout": (b".wh.x", b"0")}.get(place, (b"f", b"0"))
    head = END if place == "behind the end" else header(name, kind=kind, size=size_field(len(zeros)))
    refused(store, pack(head + zeros + END), "longer than")


@pytest.mark.parametrize("pack", [gzip.compress, zstd])
def test_a_bomb_takes_little_memory(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    """In a process of its own, whose memory can be told from that of the test."""
    raw = pack(header(b"zeros", size=size_field(300 << 20)) + bytes(300 << 20) + END)
    program = (
        "import sys, pathlib, resource; from engine.storage.layers import LayerStore;"
        " store = LayerStore(pathlib.Path(sys.argv[1]));"
        " before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss;"
        " store.unpack(sys.stdin.buffer);"
        " print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    done = subprocess.run([sys.executable, "-c", program, tmp_path], input=raw, check=True, stdout=subprocess.PIPE)
    assert int(done.stdout) < 40 << 10


def test_more_entries_than_any_layer_has_are_refused(store: LayerStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(untar, "MOST_ENTRIES", 100)
    store.unpack(io.BytesIO(archive([member(f"f{number}") for number in range(100)])))
    refused(store, archive([member(f"f{number}") for number in range(101)]), "more than 100 files and folders")
    refused(store, archive([member("f") for number in range(101)]), "more than 100 files and folders")


def test_folders_that_nobody_lists_count_as_well(store: LayerStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(untar, "MOST_ENTRIES", 1000)
    refused(store, archive([member(f"{number}" + "/d" * 300 + "/f") for number in range(10)]), "more than 1000 files and folders")


def test_the_memory_for_many_entries_is_bounded(tmp_path: Path) -> None:
    """Thousands of folders with long names, which all wait for their times, and as many that replace each other."""
    program = (
        "import sys, pathlib, resource; from engine.storage.layers import LayerStore;"
        " store = LayerStore(pathlib.Path(sys.argv[1]));"
        " before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss;"
        " layer = store.unpack(sys.stdin.buffer);"
        " tar = store.open_tar(layer.diff_id); stream = tar.__enter__();"
        " size = sum(map(len, iter(lambda: stream.read(1 << 20), b'')));"
        " assert size == store.tar_size(layer.diff_id);"
        " print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    child = subprocess.Popen([sys.executable, "-c", program, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdin is not None
    for number in range(10_000):
        child.stdin.write(header(b"some/folder/with/a/long/name/%d/" % (number % 2500) + b"n" * 60, kind=b"5"))
        child.stdin.write(header(b"f", size=size_field(1)) + padded(b"x"))
    child.stdin.write(END)
    out, _ = child.communicate()
    assert child.returncode == 0
    assert int(out) < 25 << 10


def test_thousands_of_nested_folders_are_made_in_time(store: LayerStore) -> None:
    """Each folder is one step from the one before; walking from the top each time would be millions of steps."""
    names = ["/".join("d" * depth) for depth in range(1, 2001)]
    before = resource.getrusage(resource.RUSAGE_THREAD)
    layer = store.unpack(io.BytesIO(archive([folder(name) for name in names])))
    after = resource.getrusage(resource.RUSAGE_THREAD)
    assert (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime) < 20
    with store.open_tar(layer.diff_id) as tar:
        assert tar.read() == archive([folder(name) for name in names])


def test_deep_paths_cannot_be_asked_for_without_end(store: LayerStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(untar, "MOST_STEPS", 1000)
    store.unpack(io.BytesIO(archive([member("d/" * 99 + f"f{number}") for number in range(10)])))
    refused(store, archive([member("d/" * 99 + f"f{number}") for number in range(11)]), "nested too deeply")
    refused(store, archive([member("d/f"), *(hard_link(f"l{number}", "d/" * 300 + "f") for number in range(4))]), "archive")


def test_long_names_and_records_are_bounded_together(store: LayerStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.storage.tar.MOST_HEADER_BYTES", 1 << 20)
    files = [member(f"f{number}", pax={"comment": "x" * (1 << 18)}) for number in range(5)]
    refused(store, archive(files), "long names and records")


def test_a_path_that_is_too_long_for_the_kernel_at_once_can_be_read_again(store: LayerStore) -> None:
    name = "/".join(["é" * 120] * 30)
    raw = archive([member(name, b"x" * 600), member(name, b"y" * 600)])
    assert len(name.encode()) > 4096
    layer = store.unpack(io.BytesIO(raw))
    with store.open_tar(layer.diff_id) as tar:
        assert tar.read() == raw


def test_a_node_with_the_number_of_a_whiteout_hides_nothing(store: LayerStore) -> None:
    layer = store.unpack(io.BytesIO(archive([member("etc/passwd", kind=tarfile.CHRTYPE, device=(0, 0)), member("f")])))
    assert names_in(store.path(layer.diff_id)) == ["f"]


def test_whiteouts_reach_nothing_above(store: LayerStore) -> None:
    for name in ("../.wh.secret", ".wh...", "a/../../.wh.secret", ".wh..", ".wh."):
        refused(store, archive([folder("a"), member(name)]), "archive")
    layer = store.unpack(
        io.BytesIO(archive([member("a/f", b"x"), member(".wh.a"), member("/.wh.secret"), member("a/b/.wh..wh..opq")]))
    )
    files = store.path(layer.diff_id)
    assert names_in(files) == ["a", "secret"]
    assert stat.S_ISCHR((files / "secret").lstat().st_mode)
    assert (files / "a/f").read_bytes() == b"x"


def test_hard_links_in_a_ring_are_refused(store: LayerStore) -> None:
    refused(store, archive([hard_link("a", "b"), hard_link("b", "a")]), "no file of this layer|No such file")
    refused(store, archive([member("a/x", b"x"), hard_link("a", "a/x")]), "leads to itself")
    layer = store.unpack(io.BytesIO(archive([member("a", b"x"), hard_link("b", "a"), hard_link("a", "b"), hard_link("b", "a")])))
    assert {(store.path(layer.diff_id) / name).read_bytes() for name in "ab"} == {b"x"}


def test_a_file_that_is_replaced_by_its_own_links_leads_nowhere(store: LayerStore) -> None:
    members = [
        member("f", b"x" * 100),
        *(item for n in range(50) for item in (hard_link(f"l{n}", "f"), member("f", b"%d" % n * 99))),
    ]
    raw = archive([*members, symlink("f", "/etc/passwd"), member("f", b"last")])
    layer = store.unpack(io.BytesIO(raw))
    with store.open_tar(layer.diff_id) as tar:
        assert tar.read() == raw


def test_what_a_layer_replaces_of_itself_is_bounded(store: LayerStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.storage.recipe._MOST_MOVES", 10)
    store.unpack(io.BytesIO(archive([member("f", b"x") for _ in range(11)])))
    refused(store, archive([member("f", b"x") for _ in range(12)]), "replaces more than 10 of its own files")


def test_an_old_sparse_map_without_end_is_refused(store: LayerStore) -> None:
    pairs = (b"%011o\0" % 0) * 42 + b"\1" + bytes(7)
    head = bytearray(header(b"s", kind=b"S"))
    head[482] = 1
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    with pytest.raises(InvalidParameter, match="parts"):
        store.unpack(Endless(iter([bytes(head), *[pairs * 1000] * 20])))


SPARSE = {
    "overlapping": (["2", "0", "5", "3", "5"], "100", 10),
    "exabytes long": (["1", "0", "10"], str(2**60), 10),
    "exabytes away": (["1", str(2**60), "10"], str(2**61), 10),
    "more than there is": (["1", "0", str(2**40)], str(2**41), 10),
    "a million parts": (["1000000"], "100", 10),
    "negative": (["1", "-5", "10"], "100", 10),
}


@pytest.mark.parametrize(("numbers", "real_size", "stored"), SPARSE.values(), ids=SPARSE.keys())
def test_a_sparse_map_that_cannot_be_is_refused(store: LayerStore, numbers: list[str], real_size: str, stored: int) -> None:
    pax = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "s", "GNU.sparse.realsize": real_size}
    table = padded("".join(f"{number}\n" for number in numbers).encode())
    refused(store, archive([member("s", table + b"x" * stored, pax=pax)]), "archive")


@pytest.mark.parametrize("size", [b"\x80" + bytes(3) + b"\xff" * 8, b"\x80" + b"\x7f" * 11, b"\xff" * 12, b"77777777777\0"])
def test_a_size_that_no_file_has_is_refused(store: LayerStore, size: bytes) -> None:
    refused(store, header(b"f", size=size) + b"x" * 2000, "archive")


@pytest.mark.parametrize(
    "pax",
    [
        {"path": "a\0b"},
        {"linkpath": "a\0b"},
        {"size": "9" * 30},
        {"path": "x" * 2_000_000},
        {"SCHILY.xattr.user.a": "x" * 900_000},
    ],
)
def test_records_that_cannot_be_are_refused(store: LayerStore, pax: dict[str, str]) -> None:
    refused(
        store,
        archive([member("f", kind=tarfile.SYMTYPE if "linkpath" in pax else tarfile.REGTYPE, link="x", pax=pax)]),
        "archive",
    )


def test_global_records_cannot_pile_up(store: LayerStore) -> None:
    """They are passed over, and kept nowhere but in the recipe."""
    pieces = (header(b"g", kind=b"g", size=size_field(1 << 19)) + bytes(1 << 19) for _ in range(40))
    layer = store.unpack(Endless(iter([*pieces, END])))
    assert names_in(store.path(layer.diff_id)) == []


DAMAGE = {
    "cut gzip": gzip.compress(archive([member("f", os.urandom(5000))]))[:-3000],
    "gzip with a wrong sum": gzip.compress(archive([member("f", b"x")]))[:-8] + b"wrong" + bytes(3),
    "gzip with garbage behind": gzip.compress(archive([member("f", b"x")])) + b"garbage",
    "half a second member": gzip.compress(archive([member("f", b"x")])) + gzip.compress(b"x" * 1000)[:-9],
    "cut zstd": zstd(archive([member("f", os.urandom(5000))]))[:-3000],
    "zstd with garbage behind": zstd(archive([member("f", b"x")])) + b"garbage",
    "only a magic number": b"\x1f\x8b",
    "an empty gzip": gzip.compress(b""),
}


@pytest.mark.parametrize("raw", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_stream_is_refused(store: LayerStore, raw: bytes) -> None:
    refused(store, raw, "damaged|archive")


def test_a_stream_of_many_members_is_one_layer(store: LayerStore) -> None:
    raw = archive([member("f", os.urandom(50_000))])
    packed = b"".join(gzip.compress(raw[at : at + 999]) for at in range(0, len(raw), 999))
    layer = store.unpack(io.BytesIO(packed))
    assert store.unpack(io.BytesIO(raw)) == layer


def test_empty_members_without_end_are_taken_one_after_the_other(store: LayerStore) -> None:
    raw = gzip.compress(b"") * 20_000 + gzip.compress(archive([member("f", b"x")]))
    store.unpack(io.BytesIO(raw))
