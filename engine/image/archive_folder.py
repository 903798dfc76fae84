"""A spooled archive: files by their path in it, never one outside of it, never more of one in memory than is sane."""

import contextlib
import json
import os
import posixpath
import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, BinaryIO

from engine.core.digests import hex_of, is_digest, sha256_of
from engine.errors import InvalidParameter
from engine.storage.tree import Tree, split_path

_MAX_DOCUMENT_BYTES = 4 << 20
# `docker save` once wrote a layer that two images share as a link from one folder to the other.
_MAX_LINKS = 4


class ArchiveFolder:
    """Raises InvalidParameter for whatever is missing or not what it should be."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def has(self, path: str) -> bool:
        """Whether there is a file."""
        try:
            with self.open(path):
                return True
        except InvalidParameter:
            return False

    @contextlib.contextmanager
    def open(self, path: str) -> Iterator[BinaryIO]:
        """Open a file for reading."""
        root_fd = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            descriptor = _open_file(root_fd, path, _MAX_LINKS)
        except (OSError, ValueError) as error:
            raise InvalidParameter(f"the archive has no file {path[:200]!r}") from error
        finally:
            os.close(root_fd)
        with os.fdopen(descriptor, "rb", buffering=0) as file:
            yield file

    def document(self, path: str) -> bytes:
        """Read a small file whole."""
        with self.open(path) as file:
            size = os.fstat(file.fileno()).st_size
            if size > _MAX_DOCUMENT_BYTES:
                raise InvalidParameter(f"{path!r} of the archive is {size} bytes long, at most {_MAX_DOCUMENT_BYTES} are read")
            return b"".join(iter(lambda: file.read(_MAX_DOCUMENT_BYTES), b""))

    def json(self, path: str) -> Any:
        """Read a small JSON file."""
        return parse_json(self.document(path), path)

    def blob(self, digest: str) -> bytes:
        """Read a small blob of an OCI layout and verify it."""
        raw = self.document(blob_path(digest))
        if sha256_of(raw) != digest:
            raise InvalidParameter(f"blob {digest} of the archive does not have that digest")
        return raw

    def opener(self, path: str) -> "_Opener":
        """Return what opens a file later."""
        return _Opener(self, path)


class _Opener:
    def __init__(self, folder: ArchiveFolder, path: str) -> None:
        self._folder = folder
        self._path = path

    def __call__(self) -> AbstractContextManager[BinaryIO]:
        return self._folder.open(self._path)


def blob_path(digest: object) -> str:
    """Return where an OCI layout keeps a blob."""
    if not isinstance(digest, str) or not is_digest(digest):
        raise InvalidParameter(f"the archive names a blob by {str(digest)[:100]!r}, which is not a sha256 digest")
    return f"blobs/sha256/{hex_of(digest)}"


def parse_json(raw: bytes, name: str) -> Any:
    """Read JSON. Raises InvalidParameter."""
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise InvalidParameter(f"{name!r} of the archive is not JSON: {error}") from error


def _open_file(root_fd: int, path: str, links: int) -> int:
    parts = split_path(path)
    if not parts:
        raise FileNotFoundError(path)
    with Tree(root_fd).existing_folder(parts[:-1]) as folder:
        status = os.stat(parts[-1], dir_fd=folder, follow_symlinks=False)
        if stat.S_ISREG(status.st_mode):
            return os.open(parts[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
        if not stat.S_ISLNK(status.st_mode) or not links:
            raise FileNotFoundError(path)
        target = os.readlink(parts[-1], dir_fd=folder)
    # Taken as text; a target that climbs past the top keeps its ".." and is refused.
    return _open_file(root_fd, posixpath.normpath(posixpath.join(*parts[:-1], target)), links - 1)
