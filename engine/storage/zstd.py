"""Decompression of zstd through the system's libzstd; a host without it gets a clear refusal. Compresses nothing."""

import ctypes
import ctypes.util
from functools import cache

from engine.errors import InvalidParameter

# Frames may ask for any window; this is what the zstd program itself allows by default (2**27).
_WINDOW_LOG_MAX = 27
_D_WINDOW_LOG_MAX = 100


class _Buffer(ctypes.Structure):
    """ZSTD_inBuffer and ZSTD_outBuffer have the same layout."""

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
    library.ZSTD_decompressStream.argtypes = [ctypes.c_void_p, ctypes.POINTER(_Buffer), ctypes.POINTER(_Buffer)]
    library.ZSTD_decompressStream.restype = ctypes.c_size_t
    library.ZSTD_isError.argtypes = [ctypes.c_size_t]
    library.ZSTD_getErrorName.argtypes = [ctypes.c_size_t]
    library.ZSTD_getErrorName.restype = ctypes.c_char_p
    return library


def is_available() -> bool:
    """Whether the host has the library; it is loaded then, for whoever is about to change its root."""
    return _library() is not None


class ZstdDecompressor:
    """Reads one frame; same interface as ``bz2.BZ2Decompressor``. Raises OSError for damaged input."""

    def __init__(self) -> None:
        library = _library()
        if library is None:
            raise InvalidParameter("cannot read zstd here: install libzstd (package libzstd1) or send gzip")
        self._library = library
        self._context = library.ZSTD_createDCtx()
        library.ZSTD_DCtx_setParameter(self._context, _D_WINDOW_LOG_MAX, _WINDOW_LOG_MAX)
        self._pending = b""
        self.eof = False
        self.unused_data = b""

    def __del__(self) -> None:
        if context := getattr(self, "_context", None):
            self._library.ZSTD_freeDCtx(context)

    @property
    def needs_input(self) -> bool:
        return not self._pending

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        """Return at most ``max_length`` bytes (no limit of its own: 1 MiB)."""
        source = self._pending + data
        room = max_length if max_length > 0 else 1 << 20
        output = ctypes.create_string_buffer(room)
        target = _Buffer(ctypes.cast(output, ctypes.c_void_p), room, 0)
        taken = _Buffer(ctypes.cast(ctypes.c_char_p(source), ctypes.c_void_p), len(source), 0)
        self._step(target, taken)
        rest = source[taken.position :]
        self._pending, self.unused_data = (b"", rest) if self.eof else (rest, b"")
        return output.raw[: target.position]

    def _step(self, target: _Buffer, taken: _Buffer) -> None:
        """Run until output is full, input used up, or the frame is done (which is what 0 means)."""
        while target.position < target.size and not self.eof:
            before = (target.position, taken.position)
            left = self._library.ZSTD_decompressStream(self._context, ctypes.byref(target), ctypes.byref(taken))
            if self._library.ZSTD_isError(left):
                raise OSError(self._library.ZSTD_getErrorName(left).decode())
            self.eof = left == 0
            if before == (target.position, taken.position):
                return
