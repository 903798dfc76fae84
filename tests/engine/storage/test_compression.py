"""Streams are expanded by what they are, in bounded blocks, and damage is told from content."""

import bz2
import ctypes
import gzip
import io
import lzma
import os
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable, Iterator

import pytest

from engine.errors import InvalidParameter
from engine.storage import compression
from engine.storage.compression import BLOCK_BYTES, compressed, decompressed, observed, read_ahead

CONTENT = b"".join(b"%06d some layer content\n" % number for number in range(120_000))


def zstd(content: bytes) -> bytes:
    """Compress with the system's library, which is what the engine reads with as well."""
    library = ctypes.CDLL("libzstd.so.1")
    library.ZSTD_compressBound.restype = library.ZSTD_compress.restype = ctypes.c_size_t
    library.ZSTD_compressBound.argtypes = [ctypes.c_size_t]
    library.ZSTD_compress.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int]
    room = library.ZSTD_compressBound(len(content))
    target = ctypes.create_string_buffer(room)
    length = library.ZSTD_compress(target, room, content, len(content), 3)
    return target.raw[:length]


FORMS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstd,
}
each_form = pytest.mark.parametrize("compress", FORMS.values(), ids=FORMS.keys())


class Trickle(io.RawIOBase):
    """A stream that gives less than it is asked for, as sockets do."""

    def __init__(self, content: bytes, piece: int) -> None:
        self._inner, self._piece = io.BytesIO(content), piece

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # the base's Buffer cannot be sliced
        data = self._inner.read(min(self._piece, len(buffer)))
        buffer[: len(data)] = data
        return len(data)


def expand(raw: bytes) -> bytes:
    blocks = list(decompressed(io.BytesIO(raw)))
    assert max(map(len, blocks), default=0) <= BLOCK_BYTES
    return b"".join(blocks)


@each_form
def test_a_compressed_stream_is_expanded(compress: Callable[[bytes], bytes]) -> None:
    assert expand(compress(CONTENT)) == CONTENT


@each_form
def test_concatenated_streams_are_one(compress: Callable[[bytes], bytes]) -> None:
    assert expand(compress(b"first ") + compress(b"") + compress(b"second")) == b"first second"


@each_form
def test_zero_padding_after_the_end_is_passed_over(compress: Callable[[bytes], bytes]) -> None:
    assert expand(compress(CONTENT) + bytes(3 << 20)) == CONTENT


@each_form
def test_a_stream_cut_short_is_refused(compress: Callable[[bytes], bytes]) -> None:
    raw = compress(CONTENT)
    for length in (7, len(raw) // 2, len(raw) - 1):
        with pytest.raises(InvalidParameter, match="damaged"):
            expand(raw[:length])


@each_form
def test_a_damaged_stream_is_refused(compress: Callable[[bytes], bytes]) -> None:
    raw = bytearray(compress(CONTENT))
    raw[len(raw) // 2] ^= 0xFF
    raw[len(raw) // 2 + 9] ^= 0xFF
    # Damage may also cut a frame short or leave a wrong content where the format has no checksum; it never ends otherwise.
    try:
        assert expand(bytes(raw)) != CONTENT
    except InvalidParameter as error:
        assert "damaged" in error.message


@each_form
def test_garbage_after_the_end_is_refused(compress: Callable[[bytes], bytes]) -> None:
    with pytest.raises(InvalidParameter, match="damaged"):
        expand(compress(CONTENT) + b"garbage that is no member")


@each_form
def test_a_bomb_expands_in_bounded_blocks(compress: Callable[[bytes], bytes]) -> None:
    total = 0
    for block in decompressed(io.BytesIO(compress(bytes(64 << 20)))):
        assert len(block) <= BLOCK_BYTES
        total += len(block)
    assert total == 64 << 20


@pytest.mark.parametrize("content", [b"", b"x", b"\x1f", b"plain text", CONTENT])
def test_a_plain_stream_passes_as_it_is(content: bytes) -> None:
    assert expand(content) == content


@each_form
@pytest.mark.parametrize("piece", [1, 3, 4099])
def test_a_stream_may_trickle(compress: Callable[[bytes], bytes], piece: int) -> None:
    content = CONTENT[:20_000]
    stream = io.BufferedReader(Trickle(compress(content), piece), 1)
    assert b"".join(decompressed(stream)) == content


def test_reading_ahead_changes_neither_order_nor_content() -> None:
    sums: list[bytes] = []
    with read_ahead(observed(iter([b"a", b"bc", b"d"]), sums.append)) as blocks:
        assert list(blocks) == [b"a", b"bc", b"d"]
    assert sums == [b"a", b"bc", b"d"]


def test_a_failure_while_reading_ahead_reaches_the_reader() -> None:
    def failing() -> Iterator[bytes]:
        yield b"a"
        raise zlib.error("torn")

    with read_ahead(failing()) as blocks:
        assert next(blocks) == b"a"
        with pytest.raises(zlib.error, match="torn"):
            next(blocks)


def test_a_reader_that_gives_up_leaves_no_thread() -> None:
    before = threading.active_count()
    with pytest.raises(KeyError), read_ahead(iter([b"x"] * 1000)) as blocks:
        next(blocks)
        raise KeyError
    assert threading.active_count() == before


def test_what_is_compressed_is_the_same_each_time_however_it_comes() -> None:
    content = CONTENT * 40
    once = list(compressed(iter([content])))
    again = b"".join(compressed(content[at : at + 1000] for at in range(0, len(content), 1000)))
    assert gzip.decompress(b"".join(once)) == gzip.decompress(again) == content
    assert b"".join(once) == b"".join(compressed(iter([content])))
    assert b"".join(once)[4:8] == bytes(4)  # the time
    assert gzip.decompress(b"".join(compressed(iter([])))) == b""


def test_a_long_content_is_compressed_in_bounded_blocks() -> None:
    blocks = list(compressed(os.urandom(BLOCK_BYTES) for _ in range(8)))
    assert len(blocks) >= 8
    assert max(map(len, blocks)) < 2 * BLOCK_BYTES


@pytest.mark.parametrize("raw", [gzip.compress(CONTENT), gzip.compress(CONTENT) + gzip.compress(CONTENT)])
def test_a_machine_without_the_quick_library_reads_and_writes_the_same(monkeypatch: pytest.MonkeyPatch, raw: bytes) -> None:
    monkeypatch.setattr(compression, "igzip_lib", None)
    monkeypatch.setattr(compression, "isal_zlib", None)
    assert expand(raw) == gzip.decompress(raw)
    assert expand(b"".join(compressed(iter([CONTENT])))) == CONTENT
    with pytest.raises(InvalidParameter, match="damaged"):
        expand(raw[:-1])


@each_form
def test_members_that_are_many_and_tiny_take_no_memory(compress: Callable[[bytes], bytes]) -> None:
    """In a process of its own, since only the most that one has ever taken can be read."""
    script = (
        "import io, resource, sys; from engine.storage.compression import decompressed\n"
        "raw = sys.stdin.buffer.read(); most = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "list(decompressed(io.BytesIO(raw[: len(raw) // 100]))); before = most()\n"
        "list(decompressed(io.BytesIO(raw))); print(most() - before)"
    )
    ran = subprocess.run([sys.executable, "-c", script], input=compress(b"") * 20_000, stdout=subprocess.PIPE, check=True)
    assert int(ran.stdout) < 64 << 10


def test_a_stream_that_asks_for_much_memory_is_refused() -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 192 << 20, "preset": 0}]
    with pytest.raises(InvalidParameter, match="xz stream"):
        expand(lzma.compress(b"x", filters=filters))
    assert expand(lzma.compress(b"x", preset=9)) == b"x"
    frame_of_128_mib = b"\x28\xb5\x2f\xfd\x00" + bytes([17 << 3]) + b"\x01\x00\x00"
    with pytest.raises(InvalidParameter, match="zstd stream"):
        expand(frame_of_128_mib)
    assert expand(b"\x28\xb5\x2f\xfd\x00" + bytes([16 << 3]) + b"\x09\x00\x00x") == b"x"
