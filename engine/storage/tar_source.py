"""Bytes of a tar stream, counted: headers in blocks, content exactly as long as announced. Knows no field of a header."""

from collections.abc import Callable, Iterator

from engine.errors import InvalidParameter

BLOCK = 512
_END = bytes(BLOCK)


class TarSource:
    """Cuts an iterator of blocks (of any size) into what the reader of an archive asks for."""

    def __init__(self, blocks: Iterator[bytes], record: Callable[[bytes], None] | None = None) -> None:
        """``record`` is shown every byte in order but those that ``content`` yields."""
        self._blocks = blocks
        self._record = record or _forget
        self._buffer = b""
        self._at = 0
        self._padding = 0
        self._is_begun = False
        self.left = 0  # bytes of the present entry that nobody has taken

    def header(self) -> bytes | None:
        """Return the next header block, its checksum verified; None at the end, having read all that follows."""
        block = self._take(BLOCK)
        self._record(block)
        if not block and not self._is_begun:
            raise InvalidParameter("the archive is empty")
        self._is_begun = True
        if not block or block == _END:
            self._drain()
            return None
        if len(block) < BLOCK:
            raise InvalidParameter("the archive ends in the middle of a header")
        _check_sum(block)
        return block

    def begin(self, size: int) -> None:
        """Announce the content of an entry."""
        self.left, self._padding = size, -size % BLOCK

    def end(self) -> None:
        """Skip what is left of the entry's content."""
        while self.left:
            piece = self._some(self.left)
            self._record(piece)
            self.left -= len(piece)
        if self._padding:  # missing at the end of what the docker command sends for a Dockerfile of its standard input
            self._record(self._take(self._padding))

    def skip_content(self, size: int) -> None:
        """Pass over content without use."""
        if size < 0:
            raise InvalidParameter(f"an entry of the archive is {size} bytes long")
        self.begin(size)
        self.end()

    def content(self, size: int) -> Iterator[bytes]:
        """Yield the next ``size`` bytes of the entry's content in pieces, which are not recorded."""
        if size > self.left:
            raise InvalidParameter("a sparse file of the archive maps more bytes than it has")
        while size:
            piece = self._some(size)
            size -= len(piece)
            self.left -= len(piece)
            yield piece

    def content_exactly(self, size: int) -> bytes:
        """Return the next ``size`` bytes of the entry's content, recorded; for small sizes."""
        data = b"".join(self.content(size))
        self._record(data)
        return data

    def exactly(self, size: int) -> bytes:
        """Return ``size`` bytes outside of an entry's content."""
        data = self._take(size)
        self._record(data)
        if len(data) < size:
            raise InvalidParameter("the archive ends too early")
        return data

    def _some(self, limit: int) -> bytes:
        if self._at >= len(self._buffer) and not self._refill():
            raise InvalidParameter("the archive ends in the middle of a file")
        piece = self._buffer[self._at : self._at + limit]
        self._at += len(piece)
        return piece

    def _take(self, size: int) -> bytes:
        end = self._at + size
        if end <= len(self._buffer):
            data = self._buffer[self._at : end]
            self._at = end
            return data
        parts = []
        while size and (self._at < len(self._buffer) or self._refill()):
            parts.append(self._some(size))
            size -= len(parts[-1])
        return b"".join(parts)

    def _refill(self) -> bool:
        self._buffer, self._at = next(self._blocks, b""), 0
        return bool(self._buffer)

    def _drain(self) -> None:
        # The diff id is the hash of the whole stream, with whatever padding its writer added.
        self._record(self._buffer[self._at :])
        for block in self._blocks:
            self._record(block)
        self._buffer, self._at = b"", 0


def _forget(_: bytes) -> None:
    pass


def _check_sum(block: bytes) -> None:
    try:
        stated = int(block[148:156].strip(b" \0") or b"0", 8)
    except ValueError:
        raise InvalidParameter("this is not a tar archive: its first header has no checksum") from None
    plain = sum(block) - sum(block[148:156]) + 8 * ord(" ")
    # Some old writers summed signed characters.
    if stated != plain and stated != plain - 256 * sum(byte > 127 for byte in block[:148] + block[156:]):
        raise InvalidParameter("this is not a tar archive, or it is damaged: a header has the wrong checksum")
