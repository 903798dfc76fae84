"""The content of an archive's file into an open new one. Knows nothing of names, owners or modes."""

import os
from collections.abc import Callable

from engine.storage.tar import Entry
from engine.storage.tar_source import TarSource

_PAGE_BYTES = 4096


def fill_file(descriptor: int, source: TarSource, entry: Entry, tell_extent: Callable[[int, int], None] | None = None) -> None:
    """Write what the archive holds next; holes take no place. ``tell_extent`` hears offset and length before each part.

    Raises OSError, and InvalidParameter for an archive that ends too early.
    """
    has_holes = entry.extents is not None
    for offset, length in entry.extents if entry.extents is not None else ((0, entry.size),):
        if tell_extent is not None and length:
            tell_extent(offset, length)
        for piece in source.content(length):
            if _is_hole(piece):
                has_holes = True
            else:
                _write(descriptor, piece, offset)
            offset += len(piece)  # noqa: PLW2901 - the extent is being consumed
    if has_holes:
        os.ftruncate(descriptor, entry.size if entry.extents is None else entry.real_size)


def _is_hole(piece: bytes) -> bool:
    """Zeros by the page need no place: an archive of nothing else, or of a sparse file, fills no disk."""
    return len(piece) >= _PAGE_BYTES and piece[0] == piece[-1] == 0 and not piece.strip(b"\0")


def _write(descriptor: int, data: bytes, offset: int) -> None:
    written = 0
    while written < len(data):
        written += os.pwrite(descriptor, data[written:] if written else data, offset + written)
