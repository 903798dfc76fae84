"""Streams of bytes as iterators of blocks: decompression told by magic number, gzip, hashing, reading ahead in a thread.

No block is larger than BLOCK_BYTES, whatever a compressed stream claims to expand to.
"""

import bz2
import contextlib
import lzma
import queue
import threading
import zlib
from collections.abc import Callable, Iterator
from typing import Protocol, cast

from engine.errors import InvalidParameter
from engine.storage.zstd import ZstdFrames

try:  # two to four times as fast as zlib, but made for few kinds of processors
    from isal import igzip_lib, isal_zlib
except ImportError:
    igzip_lib = isal_zlib = None  # type: ignore[assignment, unused-ignore]  # the stubs know no machine without

BLOCK_BYTES = 1 << 20
_GZIP = 31  # zlib's word for it
_XZ_MEMORY_BYTES = 72 << 20  # `xz -9` takes 65 MiB, and a tenant has several streams
_COMPRESSED_BYTES = 1 << 17
_BLOCKS_AHEAD = 4


class Readable(Protocol):
    """All that is needed of a stream."""

    def read(self, size: int, /) -> bytes: ...


class Decompressor(Protocol):
    """What bz2 and lzma offer alike; one object reads one stream or member."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class _ZlibDecompressor:
    """zlib's object behind the interface of the others."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(wbits=_GZIP)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, max(max_length, 0))


def _gzip_decompressor() -> Decompressor:
    return igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP) if igzip_lib else _ZlibDecompressor()


_DAMAGED: tuple[type[Exception], ...] = (zlib.error, lzma.LZMAError, OSError, EOFError)
if igzip_lib:
    _DAMAGED = (*_DAMAGED, cast("type[Exception]", igzip_lib.IsalError))  # its stub says that this is an instance
_Make = Callable[[], Decompressor]
# For each stream something that makes a decompressor for each of its members.
_MAGIC: tuple[tuple[bytes, str, Callable[[], _Make]], ...] = (
    (b"\x1f\x8b", "gzip", lambda: _gzip_decompressor),
    (b"BZh", "bzip2", lambda: bz2.BZ2Decompressor),
    (b"\xfd7zXZ\x00", "xz", lambda: lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY_BYTES)),
    (b"\x28\xb5\x2f\xfd", "zstd", lambda: ZstdFrames().next_frame),
)


def decompressed(stream: Readable) -> Iterator[bytes]:
    """Yield the plain content of a stream, compressed or not. Raises InvalidParameter where it is damaged or cut short."""
    head = b""
    while len(head) < 6 and (more := stream.read(BLOCK_BYTES)):
        head += more
    blocks = _raw_blocks(stream, head)
    for magic, name, open_stream in _MAGIC:
        if head.startswith(magic):
            return _expand(_cut(blocks), name, open_stream())
    return blocks


def _raw_blocks(stream: Readable, head: bytes) -> Iterator[bytes]:
    block = head
    while block:
        yield block
        block = stream.read(BLOCK_BYTES)


def _cut(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Each end of a member copies what is left of its block, and members may be tiny."""
    for block in blocks:
        for at in range(0, len(block), _COMPRESSED_BYTES):
            yield block[at : at + _COMPRESSED_BYTES]


def _expand(blocks: Iterator[bytes], name: str, make: _Make) -> Iterator[bytes]:
    try:
        yield from _members(blocks, make)
    except _DAMAGED as error:
        raise InvalidParameter(f"the {name} stream is damaged: {error or 'it ends too early'}") from error


def _members(blocks: Iterator[bytes], make: _Make) -> Iterator[bytes]:
    """Concatenated members make one stream; zero padding after the last is allowed, as gzip itself does."""
    data = next(blocks, b"")
    while data:
        member = make()
        while not member.eof:
            if block := member.decompress(data, BLOCK_BYTES):
                yield block
            data = b""
            if member.needs_input and not member.eof and not (data := next(blocks, b"")):
                raise EOFError("it ends too early")
        data = member.unused_data.lstrip(b"\0")
        while not data and (block := next(blocks, b"")):
            data = block.lstrip(b"\0")


class Compressor(Protocol):
    """What zlib's objects offer."""

    def compress(self, data: bytes | bytearray, /) -> bytes: ...
    def flush(self) -> bytes: ...


def compressor(window_bits: int = zlib.MAX_WBITS) -> Compressor:
    """Return the quickest one; its format, zlib's own if not said otherwise, is as zlib says it."""
    library = isal_zlib or zlib
    found: Compressor = library.compressobj(1, wbits=window_bits)
    return found


def compressed(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield a gzip stream in blocks of some size. The same content gives the same bytes on the same machine: no time is kept."""
    packer = compressor(_GZIP)
    waiting = bytearray()
    for block in blocks:
        for at in range(0, len(block), BLOCK_BYTES):
            waiting += packer.compress(block[at : at + BLOCK_BYTES])
            if len(waiting) >= _COMPRESSED_BYTES:
                yield bytes(waiting)
                waiting.clear()
    yield bytes(waiting + packer.flush())


def observed(blocks: Iterator[bytes], observe: Callable[[bytes], object]) -> Iterator[bytes]:
    """Show each block to a hash (or counter) on its way."""
    for block in blocks:
        observe(block)
        yield block


@contextlib.contextmanager
def read_ahead(blocks: Iterator[bytes]) -> Iterator[Iterator[bytes]]:
    """Work through ``blocks`` in a thread, a few blocks ahead: inflating and hashing leave the interpreter's lock."""
    ready: queue.Queue[bytes | BaseException | None] = queue.Queue(_BLOCKS_AHEAD)
    stopped = threading.Event()
    pump = threading.Thread(target=_pump, args=(blocks, ready, stopped), name="read ahead", daemon=True)
    pump.start()
    try:
        yield _taken(ready)
    finally:
        stopped.set()
        while pump.is_alive():
            with contextlib.suppress(queue.Empty):
                ready.get(timeout=0.01)
        pump.join()


def _pump(blocks: Iterator[bytes], ready: "queue.Queue[bytes | BaseException | None]", stopped: threading.Event) -> None:
    try:
        for block in blocks:
            if stopped.is_set():
                return
            ready.put(block)
        ready.put(None)
    except BaseException as error:  # noqa: BLE001, RUF100 - raised again by the reader
        ready.put(error)


def _taken(ready: "queue.Queue[bytes | BaseException | None]") -> Iterator[bytes]:
    while (item := ready.get()) is not None:
        if isinstance(item, BaseException):
            raise item
        yield item
