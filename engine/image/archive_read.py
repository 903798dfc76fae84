"""Reads an archive of images in one pass: layers are stored as they come, since nothing tells beforehand where they belong.

What becomes of a layer is its taker's; what is neither layer nor document is passed over. Bounded in memory, whatever comes.
"""

from collections.abc import Callable, Iterator
from typing import Protocol

from engine.errors import InvalidParameter
from engine.image.archive_files import MAX_DOCUMENT_BYTES, ArchiveFiles, link_target
from engine.storage import tar
from engine.storage.compression import decompressed, read_ahead
from engine.storage.layers import Layer
from engine.storage.tar_source import BLOCK, TarSource
from engine.storage.tree import split_path

_MOST_MEMBERS = 100_000
_MOST_LAYERS = 4096  # each costs the disk a moment, however short it is
_COMPRESSED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd")
_ZEROS = bytes(1 << 20)


class Content:
    """What a member holds, to be read once."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = b""

    def peek(self, size: int) -> bytes:
        """Return the beginning, which stays to be read."""
        while len(self._rest) < size and (piece := next(self._pieces, b"")):
            self._rest += piece
        return self._rest[:size]

    def read(self, size: int = -1, /) -> bytes:
        """Return up to ``size`` bytes, empty at the end."""
        piece = self._rest or next(self._pieces, b"")
        taken = piece if size < 0 else piece[:size]
        self._rest = piece[len(taken) :]
        return taken


TakeLayer = Callable[[str, Content, int], Layer]
"""Stores the layer of a member, by its path and size, or raises InvalidParameter."""


class _Reads(Protocol):
    def read(self, size: int, /) -> bytes: ...


def read_archive(stream: _Reads, take_layer: TakeLayer) -> ArchiveFiles:
    """Read an archive, compressed or not, to its end. Raises InvalidParameter, Fault."""
    reading = _Reading(take_layer)
    name = "its beginning"
    try:
        with read_ahead(decompressed(stream)) as blocks:
            source = TarSource(blocks)
            for entry in tar.read_entries(source):
                name = entry.name
                reading.member(source, entry)
    except ValueError as error:
        raise InvalidParameter(f"the archive is damaged at {name[:200]!r}: {error}") from error
    return reading.files


class _Reading:
    def __init__(self, take_layer: TakeLayer) -> None:
        self.files = ArchiveFiles()
        self._take_layer = take_layer
        self._members = 0
        self._layers = 0

    def member(self, source: TarSource, entry: tar.Entry) -> None:
        self._members += 1
        if self._members > _MOST_MEMBERS:
            raise InvalidParameter(f"the archive has more than {_MOST_MEMBERS} members, no archive of images is so large")
        path = "/".join(split_path(entry.name))
        self.files.forget(path)
        if entry.kind in (tar.SYMLINK, tar.HARD_LINK):
            self.files.add_link(path, link_target(path, entry.link, is_hard=entry.kind == tar.HARD_LINK))
        elif entry.kind == tar.FILE:
            self._file(path, entry, Content(_pieces(source, entry)))

    def _file(self, path: str, entry: tar.Entry, content: Content) -> None:
        size = entry.size if entry.extents is None else entry.real_size
        head = content.peek(BLOCK)
        if _is_layer(head):
            self._layer(path, content, size)
        elif path.endswith(".json") or head.lstrip()[:1] in (b"{", b"["):
            if size > MAX_DOCUMENT_BYTES:
                self.files.add_bad(path, _too_long(path, size))
            else:
                self.files.add_document(path, b"".join(iter(content.read, b"")))

    def _layer(self, path: str, content: Content, size: int) -> None:
        self._layers += 1
        if self._layers > _MOST_LAYERS:
            raise InvalidParameter(f"the archive has more than {_MOST_LAYERS} layers")
        try:
            self.files.add_layer(path, self._take_layer(path, content, size))
        except InvalidParameter as error:  # it matters only if something names it
            self.files.add_bad(path, error)


def _is_layer(head: bytes) -> bool:
    """Whether a member looks like a tar, compressed or not; an empty one begins with a block of zeros."""
    return head.startswith(_COMPRESSED) or (len(head) == BLOCK and (_is_header(head) or not any(head)))


def _is_header(block: bytes) -> bool:
    """Whether the checksum of a tar's header holds."""
    stated = block[148:156].strip(b" \0")
    is_octal = stated.isdigit() and not stated.strip(b"01234567")
    return is_octal and int(stated, 8) == sum(block) - sum(block[148:156]) + 8 * ord(" ")


def _too_long(path: str, size: int) -> InvalidParameter:
    return InvalidParameter(f"{path[:200]!r} of the archive is {size} bytes long, at most {MAX_DOCUMENT_BYTES} are read")


def _pieces(source: TarSource, entry: tar.Entry) -> Iterator[bytes]:
    """Yield what a member holds, holes of a sparse one as zeros."""
    at = 0
    for offset, length in entry.extents if entry.extents is not None else ((0, entry.size),):
        yield from _hole(offset - at)
        yield from source.content(length)
        at = offset + length
    yield from _hole((entry.size if entry.extents is None else entry.real_size) - at)


def _hole(size: int) -> Iterator[bytes]:
    while size > 0:
        yield _ZEROS[:size]
        size -= len(_ZEROS)
