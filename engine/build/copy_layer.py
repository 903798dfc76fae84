"""One COPY or ADD as a layer: sources written into an overlay of the image, whose upper is then all that has changed.

Every step goes by descriptors of that overlay, which has no path, and links lead nowhere but inside of it. What stands where
something is written is removed first, as with Docker's classic builder; a folder that is there keeps what else it holds. Ids on
disk are the container's own. Reads no Dockerfile and knows no cache.
"""

import contextlib
import errno
import os
import posixpath
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from engine.build.placing import Dress, place_folder, place_node
from engine.build.sources import Source, Sources
from engine.build.target import Target, new_upper, open_target
from engine.errors import Fault, InvalidParameter, reason_of
from engine.storage.bounds import bounded
from engine.storage.compression import decompressed, read_ahead
from engine.storage.insert import Options, insert
from engine.storage.pack import Found
from engine.storage.tar_digest import MOST_BYTES
from engine.storage.tar_source import TarSource
from engine.storage.untar import WHITEOUT_PREFIX

_FAILS_OF_THE_HOST = frozenset({errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.EROFS})


def copy_layer(
    lowers: Sequence[Path],
    sources: Sources,
    *,
    destination: str,
    workdir: str,
    owner: tuple[int, int] | None = None,
    mode: int | None = None,
    unpacks: bool = False,
    staging: Path,
    instruction_text: str = "COPY",
) -> Path:
    """Write the sources on top of the layers (base first) and return the upper, in ``staging``, an empty folder on their disk.

    Without ``owner`` files of a context are root's and those of an image keep theirs; ``mode`` is for files and folders alike.
    ``unpacks``: archives are written as what they hold. Raises InvalidParameter, Fault; what is half done stays in ``staging``.
    """
    wanted = _absolute(destination, workdir)
    if len(sources) > 1 and not wanted.endswith("/"):
        raise InvalidParameter(
            f"When using {instruction_text} with more than one source file, the destination must be a directory and end with a /"
        )
    upper = new_upper(lowers, staging)
    try:
        with open_target(lowers, upper, staging) as target:
            copy = _Copy(target, wanted, Dress(owner, mode), unpacks=unpacks)
            for source in sources.items:
                copy.add(source)
    except (InvalidParameter, Fault) as error:
        raise type(error)(f"{instruction_text} failed: {error.message}") from error
    except OSError as error:
        kind = Fault if error.errno in _FAILS_OF_THE_HOST else InvalidParameter
        raise kind(f"{instruction_text} failed: cannot write {destination[:200]!r}: {reason_of(error)}") from error
    return upper


def _absolute(destination: str, workdir: str) -> str:
    """A slash at the end stays, since it means a folder; so does a lone dot."""
    if "\0" in destination:
        raise InvalidParameter("a destination cannot hold the character NUL")
    is_folder = destination.endswith("/") or destination in ("", ".")
    path = posixpath.normpath(posixpath.join("/", workdir, destination)).lstrip("/")
    return f"/{path}/" if is_folder and path else f"/{path}"


class _Copy:
    def __init__(self, target: Target, destination: str, dress: Dress, *, unpacks: bool) -> None:
        self._target = target
        self._destination = target.resolve(destination)
        self._is_folder = destination.endswith("/")
        self._dress = dress
        self._unpacks = unpacks

    def add(self, source: Source) -> None:
        """Write one source, where those before it may have made the destination a folder."""
        place = posixpath.join(self._destination, source.parents) if source.parents else self._destination
        if source.is_folder:
            self._add_folder(source, place)
        elif self._unpacks and source.can_be_unpacked and _is_archive(source):
            self._unpack(source, place)
        else:
            if self._is_folder or source.parents or self._target.is_folder(place):
                place = posixpath.join(place, source.name)
            self._add_file(source, place)

    def _add_folder(self, source: Source, place: str) -> None:
        with source.tree.folder(source.path) as reader:
            self._target.make_folders(place, last_owner=self._dress.owner, last_mode=self._dress.mode)
            with self._target.folder(place) as writer:
                place_folder(source, reader, writer, self._dress)

    def _add_file(self, source: Source, place: str) -> None:
        above, name = posixpath.split(place)
        if not name:
            raise InvalidParameter("a file cannot be written over the folder /")
        owner = self._dress.owner or (0, 0)
        self._target.make_folders(above, owner=owner, last_owner=owner)
        folder_of, own_name = posixpath.split(source.path)
        with source.tree.folder(folder_of) as reader, self._target.folder(above) as writer:
            status = os.stat(own_name, dir_fd=reader, follow_symlinks=False)
            place_node(Found(name, own_name, reader, status), writer, name, self._dress.of(source.tree))

    def _unpack(self, source: Source, place: str) -> None:
        self._target.make_folders(place)
        options = Options(owner=self._dress.owner, stays_below=True, refused_prefix=WHITEOUT_PREFIX, is_bounded=True)
        with _stream(source) as stream, self._target.folder(place) as writer, read_ahead(decompressed(stream)) as blocks:
            insert(TarSource(bounded(blocks, MOST_BYTES, _too_long)), writer, options)


def _too_long() -> InvalidParameter:
    return InvalidParameter(f"an archive is longer than {MOST_BYTES >> 30} GiB")


def _is_archive(source: Source) -> bool:
    """Told by content, as with dockerd: whatever begins with the header of a tar, compressed or not."""
    with _stream(source) as stream:
        try:
            return TarSource(decompressed(stream)).header() is not None
        except InvalidParameter:
            return False


@contextlib.contextmanager
def _stream(source: Source) -> Iterator[BinaryIO]:
    with source.tree.file(source.path) as descriptor, open(descriptor, "rb", closefd=False) as stream:
        yield stream
