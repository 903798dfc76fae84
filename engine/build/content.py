"""What sources hold: their walk, the hash that the cache goes by, and texts of heredocs as sources.

A key tells names, kinds, modes, owners as they will be, targets of links, attributes and content; never times. Writes nothing
but heredocs into a folder of its own.
"""

import contextlib
import hashlib
import os
import posixpath
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from engine.build.sources import Source, Sources
from engine.build.tree import folder_tree
from engine.errors import Fault, InvalidParameter, reason_of
from engine.storage.file_copy import read_xattrs
from engine.storage.pack import Found, PathTooLongError, walk

Owner = tuple[int, int]
_CHUNK_BYTES = 1 << 20
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_COPIED = frozenset({stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK, stat.S_IFIFO})


def walk_source(source: Source, folder_fd: int) -> Iterator[Found]:
    """Yield what is copied of an open folder, each folder before what is in it; device nodes and sockets are left out.

    Raises InvalidParameter for folders nested too deeply, OSError.
    """
    excludes = source.excludes

    def is_left_out(path: str, _: os.stat_result) -> bool:
        return excludes.excludes(path) and not excludes.can_reinclude_below(path)

    try:
        for found in walk(folder_fd, skip=is_left_out, is_strict=True):
            if stat.S_IFMT(found.status.st_mode) in _COPIED and not excludes.excludes(found.path):
                yield found
    except PathTooLongError:
        raise InvalidParameter(f"folders of {source.path[:200]!r} are nested too deeply to be copied") from None


def content_key(sources: Sources, *, owner: Owner | None = None, mode: int | None = None, unpacks: bool = False) -> str:
    """Return ``file:``, ``dir:`` or ``multi:`` and a hash of what the sources hold and how it will be written.

    ``owner``, ``mode`` and ``unpacks`` as for ``copy_layer``. Raises InvalidParameter, Fault.
    """
    kind = ("dir" if sources.items[0].is_folder else "file") if len(sources) == 1 else "multi"
    hasher = _Hasher(owner, mode)
    hasher.add_fields(unpacks, len(sources))
    try:
        for source in sources.items:
            hasher.add_source(source)
    except OSError as error:
        raise Fault(f"cannot read what is to be copied: {reason_of(error)}") from error
    return f"{kind}:{hasher.result()}"


class _Hasher:
    def __init__(self, owner: Owner | None, mode: int | None) -> None:
        self._all = hashlib.sha256()
        self._owner = owner
        self._mode = mode
        self._keeps_owners = False
        self._links: dict[tuple[int, int], str] = {}
        self._buffer = memoryview(bytearray(_CHUNK_BYTES))

    def result(self) -> str:
        return self._all.hexdigest()

    def add_fields(self, *fields: object) -> None:
        """Each with its length, so that no two lists of fields read the same."""
        for field in fields:
            raw = os.fsencode(str(field))
            self._all.update(b"%d:%s" % (len(raw), raw))

    def add_source(self, source: Source) -> None:
        """Take in a file or all that is copied of a folder."""
        self._keeps_owners = source.tree.keeps_owners
        self._links.clear()
        self.add_fields(source.is_folder, source.parents, source.can_be_unpacked)
        if source.is_folder:
            with source.tree.folder(source.path) as folder:
                for found in walk_source(source, folder):
                    self._add(found)
            return
        above, name = posixpath.split(source.path)
        with source.tree.folder(above) as folder:
            self._add(Found(source.name, name, folder, os.stat(name, dir_fd=folder, follow_symlinks=False)))

    def _add(self, found: Found) -> None:
        status = found.status
        kind = stat.S_IFMT(status.st_mode)
        uid, gid = self._owner or ((status.st_uid, status.st_gid) if self._keeps_owners else (0, 0))
        permissions = stat.S_IMODE(status.st_mode) if self._mode is None or kind == stat.S_IFLNK else self._mode
        self.add_fields(found.path, kind, permissions, uid, gid)
        if kind == stat.S_IFLNK:
            self.add_fields(os.readlink(found.name, dir_fd=found.folder))
        elif kind == stat.S_IFREG:
            self._add_file(found)

    def _add_file(self, found: Found) -> None:
        identity = (found.status.st_dev, found.status.st_ino)
        if found.status.st_nlink > 1:
            if (first := self._links.get(identity)) is not None:
                self.add_fields("link", first)
                return
            self._links[identity] = found.path
        descriptor = os.open(found.name, _FILE, dir_fd=found.folder)
        try:
            xattrs = sorted(read_xattrs(descriptor).items())
            self.add_fields(found.status.st_size, *(f"{name}={value.hex()}" for name, value in xattrs))
            self._all.update(self._content(descriptor))
        finally:
            os.close(descriptor)

    def _content(self, descriptor: int) -> bytes:
        hasher = hashlib.sha256()
        while size := os.readv(descriptor, [self._buffer]):
            hasher.update(self._buffer[:size])
        return hasher.digest()


@contextlib.contextmanager
def inline_sources(contents: Mapping[str, bytes], staging: Path) -> Iterator[Sources]:
    """Lend texts of heredocs as files of their names; ``staging`` is an empty folder. Raises InvalidParameter, Fault."""
    try:
        for name, content in contents.items():
            (staging / _plain_name(name)).write_bytes(content)
            (staging / name).chmod(0o644)
    except OSError as error:
        raise Fault(f"cannot keep a text of the Dockerfile: {reason_of(error)}") from error
    with folder_tree(staging) as tree:
        yield Sources(tuple(Source(tree, name, name, is_folder=False, can_be_unpacked=False) for name in contents))


def _plain_name(name: str) -> str:
    if name in ("", ".", "..") or "/" in name or "\0" in name or len(os.fsencode(name)) > 255:
        raise InvalidParameter(f"{name[:80]!r} cannot be the name of a file")
    return name
