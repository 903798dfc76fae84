"""How much a folder that others write to holds: a figure to show, not a limit."""

import contextlib
import os
from collections.abc import Iterator

from engine.storage.tree import Parts, Tree

_MAX_DEPTH = 256
_BLOCK_BYTES = 512  # the unit of st_blocks, whatever the filesystem's is


def bytes_below(folder_fd: int) -> int:
    """Return the bytes of all files, each inode once, holes not counted.

    Safe while containers write: no symbolic link is followed. What vanishes meanwhile or is nested absurdly deep is not counted.
    """
    sizes: dict[int, int] = {}
    for status in _files_below(Tree(folder_fd)):
        sizes[status.st_ino] = min(status.st_size, status.st_blocks * _BLOCK_BYTES)
    return sum(sizes.values())


def _files_below(tree: Tree) -> Iterator[os.stat_result]:
    waiting: list[Parts] = [()]
    while waiting:
        parts = waiting.pop()
        with contextlib.suppress(OSError), tree.existing_folder(parts) as folder, os.scandir(folder) as entries:
            for entry in entries:
                if not entry.is_dir(follow_symlinks=False):
                    yield entry.stat(follow_symlinks=False)
                elif len(parts) < _MAX_DEPTH:
                    waiting.append((*parts, entry.name))
