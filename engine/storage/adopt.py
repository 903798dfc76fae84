"""The upper folder of an overlay becomes a layer where it lies: its tar is hashed and its recipe written, no file is copied.

What lies there afterwards is exactly what unpacking that tar would give, as another tenant may come by the same tar: whatever
has no place in a tar is removed. A container wrote the folder and may be hostile, but none of its processes lives any more.
Knows nothing of the store.
"""

import contextlib
import os
import stat
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

from engine.core.layers import EMPTY_LAYER
from engine.errors import EngineError, Fault, InvalidParameter, reason_of
from engine.linux.inode_flags import clear_flags
from engine.storage.bounds import Bounds
from engine.storage.differences import ACLS, Change, Scan, as_it_lies, pack_change, pack_changes, pack_upper
from engine.storage.folder_times import FolderTimes
from engine.storage.pack import Found, Packer, PathTooLongError, walk
from engine.storage.recipe import RecipeWriter
from engine.storage.tar_digest import TarDigest
from engine.storage.tar_source import BLOCK
from engine.storage.tar_write import Member, header
from engine.storage.tree import OPAQUE_XATTR, OPEN_FOLDER, is_whiteout, open_below, split_path
from engine.storage.untar import WHITEOUT_PREFIX

_PIECE_BYTES = 1 << 20
_SECOND_NS = 10**9


class UnfitError(Exception):
    """The folder holds something that its tar will say differently; the tar has to be unpacked."""


class Adopted(NamedTuple):
    """``size`` counts the bytes of the files, each once."""

    tar: TarDigest
    size: int


def adopt_tree(upper: int, lowers: Sequence[int], recipe: RecipeWriter) -> Adopted:
    """Make an open folder a layer. ``lowers`` are topmost first; without any, all that lies there is the layer's.

    Raises UnfitError, InvalidParameter, Fault; the folder is half done then.
    """
    try:
        return _adopt(upper, lowers, recipe)
    except (OSError, PathTooLongError) as error:
        raise adoption_error(error) from error


def adoption_error(error: Exception) -> EngineError:
    """Return what to tell of a folder that cannot be packed."""
    if isinstance(error, PathTooLongError):
        return InvalidParameter("folders of the layer are nested more deeply than a path can be long")
    return Fault(f"cannot read the files of the layer: {reason_of(error) if isinstance(error, OSError) else error}")


def _adopt(upper: int, lowers: Sequence[int], recipe: RecipeWriter) -> Adopted:
    tar, bounds = TarDigest(), Bounds("the layer")
    with FolderTimes(upper) as times, Scan(lowers) as scan:
        packer = _AdoptingPacker(recipe, tar)
        for found in walk(upper, is_strict=True):
            bounds.add(found.path)
            if found.name.startswith(WHITEOUT_PREFIX) or _is_linked_node(found):
                raise UnfitError
            listed = list(scan.visit(found)) if lowers else [as_it_lies(found)]
            for change in listed:
                if not tar.size:
                    packer.add_folder(upper, ".")
                    times.add((), _whole_seconds(os.fstat(upper)))
                _settle(change, packer, times)
            if not any(change.found is found for change in listed) and not stat.S_ISDIR(found.status.st_mode):
                os.unlink(found.name, dir_fd=found.folder)
        packer.finish()
        scan.finish()
        _remove_folders(upper, scan.unchanged)
        times.apply()
    if tar.diff_id == EMPTY_LAYER:
        _make_plain(upper)
    return Adopted(tar, packer.size)


def _is_linked_node(found: Found) -> bool:
    """Several names of one link or pipe are as many in a tar."""
    mode = found.status.st_mode
    return found.status.st_nlink > 1 and (stat.S_ISLNK(mode) or stat.S_ISFIFO(mode))


def _settle(change: Change, packer: "_AdoptingPacker", times: FolderTimes) -> None:
    """Write one change, and leave on disk what its tar says of it."""
    packer.keeps_opaque = change.is_opaque
    pack_change(packer, change)
    found = change.found
    if found is None or is_whiteout(found.status):
        return
    mode = found.status.st_mode
    if stat.S_ISDIR(mode):
        times.add(split_path(found.path), _whole_seconds(found.status))
    elif stat.S_ISSOCK(mode) or stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
        os.unlink(found.name, dir_fd=found.folder)
    else:
        if not stat.S_ISREG(mode):
            _strip_node(found)
        time_ns = _whole_seconds(found.status)
        os.utime(found.name, ns=(time_ns, time_ns), dir_fd=found.folder, follow_symlinks=False)


def _whole_seconds(status: os.stat_result) -> int:
    return status.st_mtime_ns // _SECOND_NS * _SECOND_NS


def _strip_node(found: Found) -> None:
    """Links and pipes have no attributes in a tar. There is no call for them by descriptor."""
    path = f"/proc/self/fd/{found.folder}/{found.name}"
    for name in os.listxattr(path, follow_symlinks=False):
        os.removexattr(path, name, follow_symlinks=False)


def _remove_folders(upper: int, paths: list[str]) -> None:
    """Remove what the overlay copied up and nobody changed: it is empty by now. Those inside come first."""
    for path in sorted(paths, key=len, reverse=True):
        *above, name = split_path(path)
        parent = open_below(upper, tuple(above))
        try:
            os.rmdir(name, dir_fd=parent)
        finally:
            os.close(parent)


def _make_plain(folder: int) -> None:
    """A layer without members says nothing of its top."""
    os.fchown(folder, 0, 0)
    os.fchmod(folder, 0o755)
    for name in os.listxattr(folder):
        os.removexattr(folder, name)
    os.utime(folder, ns=(0, 0))


class _AdoptingPacker(Packer):
    """Writes the tar to a hash and a recipe, and removes attributes that it has no place for."""

    def __init__(self, recipe: RecipeWriter, tar: TarDigest) -> None:
        super().__init__(-1, further_xattrs=ACLS, is_strict=True)
        self.size = 0
        self.keeps_opaque = False
        self._recipe = recipe
        self._tar = tar

    def _write(self, data: bytes) -> None:
        self._tar.observe(data)
        self._recipe.text(data)

    def _flush(self) -> None:
        pass

    def _write_file(self, descriptor: int, member: Member) -> None:
        self._write(header(member))
        if not member.size:
            return
        self._tar.expect(member.size)
        self._recipe.file(member.name)
        self._recipe.content(0, member.size)
        for at in range(0, member.size, _PIECE_BYTES):
            piece = os.pread(descriptor, min(_PIECE_BYTES, member.size - at), at)
            if len(piece) < min(_PIECE_BYTES, member.size - at):
                raise Fault("a file of the layer changes while it is read")
            self._tar.observe(piece)
        self._write(bytes(-member.size % BLOCK))
        self.size += member.size

    def _read_xattrs(self, descriptor: int) -> dict[str, bytes]:
        wanted = super()._read_xattrs(descriptor)
        for name in os.listxattr(descriptor):
            if name not in wanted and not (name == OPAQUE_XATTR and self.keeps_opaque):
                os.removexattr(descriptor, name)
        if not clear_flags(descriptor):
            raise UnfitError
        return wanted


class PackedUpper:
    """The tar of an upper folder as a stream, for where it cannot be adopted. A context; reading raises what packing raises."""

    def __init__(self, upper: int, lowers: Sequence[int]) -> None:
        self._folders = upper, lowers
        self._source, self._target = os.pipe2(os.O_CLOEXEC)
        self._pool = ThreadPoolExecutor(1, "pack")
        self._work: Future[None] = self._pool.submit(self._pack)

    def __enter__(self) -> "PackedUpper":
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._source)
        self._pool.shutdown()

    def read(self, size: int) -> bytes:
        """Raises InvalidParameter, Fault."""
        data = os.read(self._source, size)
        if not data:
            try:
                self._work.result()
            except (OSError, PathTooLongError) as error:
                raise adoption_error(error) from error
        return data

    def _pack(self) -> None:
        upper, lowers = self._folders
        try:
            if lowers:
                pack_changes(upper, lowers, self._target)
            else:
                pack_upper(upper, self._target)
        finally:
            os.close(self._target)


@contextlib.contextmanager
def opened(paths: Sequence[os.PathLike[str]]) -> Iterator[list[int]]:
    """Open folders of the host. Raises OSError."""
    with contextlib.ExitStack() as stack:
        folders = []
        for path in paths:
            folders.append(os.open(path, OPEN_FOLDER))
            stack.callback(os.close, folders[-1])
        yield folders
