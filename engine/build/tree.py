"""A tree that COPY and ADD take files from: the context's folder, or the layers of an image, which are then one folder.

Read by descriptors only, beneath its top; nobody changes it meanwhile. Knows no patterns and writes nothing.
"""

import contextlib
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from engine.errors import InvalidParameter
from engine.storage.detached import open_inside, readable_layers, resolve

_NODE = os.O_PATH | os.O_NOFOLLOW
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY


class SourceTree:
    """``keeps_owners``: files of an image keep theirs, files of a context become root's."""

    def __init__(self, root_fd: int, *, keeps_owners: bool) -> None:
        self.root_fd = root_fd
        self.keeps_owners = keeps_owners

    def resolve(self, path: str) -> str:
        """Return where a path leads, links followed inside the tree; ``""`` is the top. Raises InvalidParameter."""
        return resolve(self.root_fd, path)

    def status(self, path: str) -> os.stat_result | None:
        """Return what is at a resolved path; None for nothing."""
        try:
            node = open_inside(self.root_fd, path, _NODE)
        except (FileNotFoundError, NotADirectoryError):
            return None
        try:
            return os.fstat(node)
        finally:
            os.close(node)

    @contextlib.contextmanager
    def folder(self, path: str) -> Iterator[int]:
        """Open a folder at a resolved path. Raises OSError."""
        descriptor = open_inside(self.root_fd, path, _FOLDER)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    @contextlib.contextmanager
    def file(self, path: str) -> Iterator[int]:
        """Open a regular file at a resolved path. Raises InvalidParameter for anything else, OSError."""
        descriptor = open_inside(self.root_fd, path, _FILE)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise InvalidParameter(f"{path[:200]!r} is no regular file")
            yield descriptor
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def folder_tree(folder: Path, *, keeps_owners: bool = False) -> Iterator[SourceTree]:
    """Lend a folder of the engine's own as a source."""
    descriptor = os.open(folder, _FOLDER | os.O_CLOEXEC)
    try:
        yield SourceTree(descriptor, keeps_owners=keeps_owners)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def stage_tree(layers: Sequence[Path]) -> Iterator[SourceTree]:
    """Lend an image or stage as a source; layers base first."""
    with readable_layers(layers) as root:
        yield SourceTree(root, keeps_owners=True)
