"""Decompression of zstd through the system's libzstd; a host without it gets a clear refusal. Compresses nothing."""

import ctypes
import ctypes.util
from functools import cache

from engine.errors import InvalidParameter

# Frames may ask for any window; all levels but the last (`zstd --ultra -22`) keep to this, and a tenant has several streams.
_WINDOW_LOG_MAX = 26
_D_WINDOW_LOG_MAX = 100


_OUTPUT_BYTES = 1 << 20


class _Input(ctypes.Structure):
    """ZSTD_inBuffer. The field keeps the bytes alive, without the cycles of references that ``ctypes.cast`` makes."""

    _fields_ = (("data", ctypes.c_char_p), ("size", ctypes.c_size_t), ("position", ctypes.c_size_t))


class _Output(ctypes.Structure):
    """ZSTD_outBuffer."""

    _fields_ = (("data", ctypes.c_void_p), ("size", ctypes.c_size_t), ("position", ctypes.c_size_t))


@cache
def _library() -> ctypes.CDLL | None:
    try:
        library = ctypes.CDLL("libzstd.so.1")
    except OSError:
        return None
    library.ZSTD_createDCtx.restype = ctypes.c_void_p
    library.ZSTD_freeDCtx.argtypes = [ctypes.c_void_p]
    library.ZSTD_DCtx_setParameter.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_int]
    library.ZSTD_DCtx_setParameter.restype = ctypes.c_size_t
    library.ZSTD_decompressStream.argtypes = [ctypes.c_void_p, ctypes.POINTER(_Output), ctypes.POINTER(_Input)]
    library.ZSTD_decompressStream.restype = ctypes.c_size_t
    library.ZSTD_isError.argtypes = [ctypes.c_size_t]
    library.ZSTD_getErrorName.argtypes = [ctypes.c_size_t]
    library.ZSTD_getErrorName.restype = ctypes.c_char_p
    return library


def is_available() -> bool:
    """Whether the host has the library; it is loaded then, for whoever is about to change its root."""
    return _library() is not None


class ZstdFrames:
    """What the frames of one stream share: they may be tiny and many."""

    def __init__(self) -> None:
        library = _library()
        if library is None:
            raise InvalidParameter("cannot read zstd here: install libzstd (package libzstd1) or send gzip")
        self._library = library
        self._output = ctypes.create_string_buffer(_OUTPUT_BYTES)
        self._context = library.ZSTD_createDCtx()
        library.ZSTD_DCtx_setParameter(self._context, _D_WINDOW_LOG_MAX, _WINDOW_LOG_MAX)

    def __del__(self) -> None:
        if context := getattr(self, "_context", None):
            self._library.ZSTD_freeDCtx(context)

    def next_frame(self) -> "ZstdDecompressor":
        """Begin the next one; only the last one that was begun may be used."""
        return ZstdDecompressor(self)

    def step(self, source: bytes, room: int) -> tuple[bytes, int, bool]:
        """Return what came out, how much was used up, and whether the frame is done. Raises OSError for damaged input."""
        taken = _Input(source, len(source), 0)
        target = _Output(ctypes.addressof(self._output), min(room, _OUTPUT_BYTES), 0)
        is_done = False
        while target.position < target.size and not is_done:
            before = (target.position, taken.position)
            left = self._library.ZSTD_decompressStream(self._context, ctypes.byref(target), ctypes.byref(taken))
            if self._library.ZSTD_isError(left):
                raise OSError(self._library.ZSTD_getErrorName(left).decode())
            is_done = left == 0
            if before == (target.position, taken.position):
                break
        return ctypes.string_at(self._output, target.position), taken.position, is_done


class ZstdDecompressor:
    """Reads one frame; same interface as ``bz2.BZ2Decompressor``. Raises OSError for damaged input."""

    def __init__(self, frames: ZstdFrames) -> None:
        self._frames = frames
        self._pending = b""
        self.eof = False
        self.unused_data = b""

    @property
    def needs_input(self) -> bool:
        return not self._pending

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        """Return at most ``max_length`` bytes (no limit of its own: 1 MiB)."""
        source = self._pending + data
        plain, used, self.eof = self._frames.step(source, max_length if max_length > 0 else _OUTPUT_BYTES)
        rest = source[used:]
        self._pending, self.unused_data = (b"", rest) if self.eof else (rest, b"")
        return plain
