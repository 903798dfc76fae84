"""How much an archive or a folder may hold: files and folders, parts of their paths, letters of all paths together.

Lists of paths are held in memory and walked by the kernel, so neither may grow with what somebody packs into a few bytes.
"""

from collections.abc import Callable, Iterator

from engine.errors import InvalidParameter

# The largest layers that are built have some hundred thousand. Folders that nobody lists count as well.
MOST_ENTRIES = 1_000_000
MOST_STEPS = 20 * MOST_ENTRIES  # components of all paths: resolving a deep one takes a millisecond
MOST_LETTERS = 1 << 27


class Bounds:
    """Counts what one archive or folder holds; ``what`` is how messages call it."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._entries, self._steps, self._letters = 0, 0, 0

    def add(self, path: str) -> None:
        """Count one more entry. Raises InvalidParameter."""
        self._entries += 1
        self._steps += path.count("/") + 1
        self._letters += len(path)
        if self._entries > MOST_ENTRIES:
            raise InvalidParameter(f"{self._what} holds more than {MOST_ENTRIES} files and folders")
        if self._steps > MOST_STEPS:
            raise InvalidParameter(f"{self._what} holds too many files in folders that are nested too deeply")
        if self._letters > MOST_LETTERS:
            raise InvalidParameter(f"{self._what} holds paths of more than {MOST_LETTERS} letters in all")


def bounded(blocks: Iterator[bytes], most: int, refusal: Callable[[], Exception]) -> Iterator[bytes]:
    """Pass on so many bytes at most."""
    for block in blocks:
        most -= len(block)
        if most < 0:
            raise refusal()
        yield block
