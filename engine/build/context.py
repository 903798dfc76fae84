"""The context of a build: the request's archive, spooled into a staging folder as it is, less what .dockerignore leaves out.

Files are root's, names mean nothing (``.wh.x`` is a file), links are kept and lead nowhere but inside, device nodes and pipes are
left out. The Dockerfile and .dockerignore can be read even if they are left out. Parses no Dockerfile.
"""

import contextlib
import os
import posixpath
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from engine.build.tree import SourceTree, folder_tree
from engine.core.dockerignore import Ignore, parse_dockerignore
from engine.errors import Fault, InvalidParameter, NotFound, reason_of
from engine.storage.bounds import bounded
from engine.storage.compression import decompressed, read_ahead
from engine.storage.insert import Options, insert, remove
from engine.storage.pack import PathTooLongError, walk
from engine.storage.tar_digest import MOST_BYTES
from engine.storage.tar_source import TarSource

DOCKERFILE = "Dockerfile"
IGNORE_FILE = ".dockerignore"
_MOST_BYTES = 4 << 20  # of a file that is read whole
_COPIED = frozenset({stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK})


class BuildContext:
    """``tree`` is what COPY and ADD see. Made by ``open_context``."""

    def __init__(self, tree: SourceTree, dockerfile: str) -> None:
        self.tree = tree
        self._name = dockerfile
        self._kept: dict[str, bytes] = {}

    @property
    def dockerfile(self) -> bytes:
        """The Dockerfile, called so in lower case too. Raises InvalidParameter."""
        for name in (self._name, self._name.lower()) if self._name == DOCKERFILE else (self._name,):
            with contextlib.suppress(NotFound):
                return self.read(name)
        raise InvalidParameter(f"Cannot locate specified Dockerfile: {self._name[:200]}")

    def read(self, path: str) -> bytes:
        """Return a small file of the context. Raises NotFound, InvalidParameter."""
        wanted = _plain(path)
        if wanted in self._kept:
            return self._kept[wanted]
        resolved = self.tree.resolve(wanted)
        if self.tree.status(resolved) is None:
            raise NotFound(f"no such file in the build context: {path[:200]}")
        with self.tree.file(resolved) as descriptor:
            if os.fstat(descriptor).st_size > _MOST_BYTES:
                raise InvalidParameter(f"{path[:200]} of the build context is larger than {_MOST_BYTES} bytes")
            return os.pread(descriptor, _MOST_BYTES, 0)

    def apply_ignore_file(self) -> None:
        """Remove what is to be left out, the Dockerfile's own list going before that of the context."""
        for name in (self._name, self._name.lower()):
            with contextlib.suppress(NotFound, InvalidParameter):  # whoever asks for it is told
                self._kept.setdefault(_plain(name), self.read(name))
        for name in (f"{self._name}{IGNORE_FILE}", IGNORE_FILE):
            with contextlib.suppress(NotFound):
                self._kept[_plain(name)] = text = self.read(name)
                _remove_ignored(self.tree.root_fd, parse_dockerignore(text))
                return


def _plain(name: str) -> str:
    return posixpath.normpath(name).lstrip("/")


@contextlib.contextmanager
def open_context(stream: BinaryIO, staging: Path, *, dockerfile: str = DOCKERFILE) -> Iterator[BuildContext]:
    """Read the archive (plain, gzip, bzip2, xz or zstd) into ``staging``, an empty folder, and lend it as a context. Blocking.

    Raises InvalidParameter for a bad archive, Fault for a failing disk. The folder is its owner's to remove.
    """
    with folder_tree(staging) as tree:
        try:
            with read_ahead(decompressed(_AsItComes(stream))) as blocks:
                options = Options(owner=(0, 0), stays_below=True, is_bounded=True)
                insert(TarSource(bounded(blocks, MOST_BYTES, _too_long)), tree.root_fd, options)
            context = BuildContext(tree, dockerfile or DOCKERFILE)
            _remove_special(tree.root_fd)
            context.apply_ignore_file()
        except PathTooLongError:
            raise InvalidParameter("folders of the build context are nested too deeply") from None
        except OSError as error:
            raise Fault(f"cannot keep the build context: {reason_of(error)}") from error
        yield context


def _too_long() -> InvalidParameter:
    return InvalidParameter(f"the build context is longer than {MOST_BYTES >> 30} GiB")


class _AsItComes:
    """Gives what is there instead of waiting for more: the client packs one file while another is written here."""

    def __init__(self, stream: BinaryIO) -> None:
        self.read: Callable[[int], bytes] = getattr(stream, "read1", stream.read)


def _remove_special(root_fd: int) -> None:
    for found in walk(root_fd, is_strict=True):
        if stat.S_IFMT(found.status.st_mode) not in _COPIED:
            os.unlink(found.name, dir_fd=found.folder)


def _remove_ignored(root_fd: int, ignore: Ignore) -> None:
    """Remove what is left out. A folder of which something may stay is kept while it is not empty."""
    doubtful: list[str] = []
    removed = ""

    def is_gone(path: str, _: os.stat_result) -> bool:
        return path == removed  # asked of the last one only

    for found in walk(root_fd, skip=is_gone, is_strict=True):
        if not ignore.excludes(found.path):
            continue
        if stat.S_ISDIR(found.status.st_mode) and ignore.can_reinclude_below(found.path):
            doubtful.append(found.path)
            continue
        remove(found.folder, found.name)
        removed = found.path
    for path in reversed(doubtful):
        with contextlib.suppress(OSError):
            os.rmdir(path, dir_fd=root_fd)
