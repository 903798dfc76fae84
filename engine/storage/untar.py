"""Writes the entries of a layer's tar into a folder, as the upper of an overlay would hold them; or those of plain files.

Trusts nothing in the archive. Whiteouts become what overlayfs understands (OCI image specification, "Whiteouts"; kernel
documentation, filesystems/overlayfs). Must run as root of the host, on a folder that nobody else writes to.
"""

import contextlib
import errno
import os
import stat

from engine.errors import EngineError, Fault, InvalidParameter
from engine.storage import tar
from engine.storage.bounds import MOST_ENTRIES, MOST_STEPS
from engine.storage.file_copy import DEFAULT_ACL, remove_acls, set_xattrs
from engine.storage.folder_times import FolderTimes
from engine.storage.recipe import RecipeWriter
from engine.storage.tar_fill import fill_file
from engine.storage.tar_source import TarSource
from engine.storage.trash import remove_tree
from engine.storage.tree import OPAQUE_XATTR, Parts, Tree, hide, is_whiteout, split_path, status_of

WHITEOUT_PREFIX = ".wh."
OPAQUE_NAME = ".wh..wh..opq"
_RESERVED_PREFIX = ".wh..wh."
_MOST_FILE_BYTES = 1 << 44  # holes included; what ext4 can hold
_MAX_ID = 2**32 - 2
_CREATE_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
# What a hostile or foreign archive can provoke; everything else is the host's failure.
_ARCHIVE_ERRORS = frozenset(
    {
        *(errno.E2BIG, errno.EEXIST, errno.EFBIG, errno.EINVAL, errno.EISDIR, errno.ELOOP, errno.EMLINK),
        *(errno.ENAMETOOLONG, errno.ENOENT, errno.ENOTDIR, errno.ERANGE, errno.EXDEV),
    }
)


def extract(
    source: TarSource, root_fd: int, recipe: RecipeWriter | None = None, kept_fd: int = -1, *, plain_ids: int | None = None
) -> int:
    """Write all entries below ``root_fd`` and return the bytes of their files.

    With a ``recipe``, which ``source`` shows the other bytes to, files that a later entry replaces move to the folder
    ``kept_fd``. Raises InvalidParameter for an archive that cannot be unpacked, Fault where the disk fails. What is half done
    stays. With ``plain_ids`` it is no layer but a tree of files: no name is a whiteout, and an owner beyond so many ids is root.
    """
    name = "its end"
    with contextlib.ExitStack() as stack:
        times = stack.enter_context(FolderTimes(root_fd))
        extraction = _Extraction(root_fd, source, times, recipe, kept_fd, plain_ids=plain_ids)
        stack.callback(extraction.tree.close)
        try:
            for entry in tar.read_entries(source):
                name = entry.name
                extraction.add(entry)
            times.apply()
        except (OSError, ValueError) as error:
            raise _translated(error, name) from error
    return extraction.size


class _Extraction:
    def __init__(
        self,
        root_fd: int,
        source: TarSource,
        times: FolderTimes,
        recipe: RecipeWriter | None,
        kept_fd: int,
        *,
        plain_ids: int | None = None,
    ) -> None:
        self.size = 0
        # What no entry tells must be the same whenever and for whomever the layer is unpacked first.
        times.add((), 0)
        self.tree = Tree(root_fd, remove_tree if recipe is None else self._keep, tell_made=lambda parts: times.add(parts, 0))
        self._entries = self._steps = 0
        self._hands_down = False  # some folder gives what is made in it rights that no entry of the archive names
        self._source = source
        self._times = times
        self._recipe = recipe
        self._kept_fd = kept_fd
        self._plain_ids = plain_ids
        self._parts: Parts = ()
        # Device nodes are left out: the host's root mounts the overlay, so one in an image could open the host's device.
        # A container has its own /dev, and cannot make device nodes either.
        self._writers = {
            tar.FILE: self._file,
            tar.FOLDER: self._folder,
            tar.SYMLINK: self._symlink,
            tar.HARD_LINK: self._hard_link,
            tar.FIFO: self._fifo,
        }

    def add(self, entry: tar.Entry) -> None:
        parts = self._parts = split_path(entry.name)
        self._entries += 1
        self._steps += len(parts)
        if self._entries + self.tree.made > MOST_ENTRIES:
            raise InvalidParameter(f"the archive holds more than {MOST_ENTRIES} files and folders")
        if self._steps > MOST_STEPS:
            raise InvalidParameter("the archive holds too many files in folders that are nested too deeply")
        if entry.uid > _MAX_ID or entry.gid > _MAX_ID:
            raise InvalidParameter(f"the archive gives {entry.name!r} the owner {entry.uid}:{entry.gid}, which cannot be")
        if self._plain_ids is not None and max(entry.uid, entry.gid) >= self._plain_ids:
            entry.uid = entry.gid = 0
        if not parts:
            self._root(entry)
        elif self._plain_ids is None and parts[-1].startswith(WHITEOUT_PREFIX):
            self._whiteout(parts)
        elif (writer := self._writers.get(entry.kind)) is not None:
            writer(entry, parts, self.tree.folder(parts[:-1]))

    def _keep(self, parent: int, name: str) -> None:
        """Make room for the present entry, but keep what is needed to give back the archive."""
        mode = os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode
        if self._recipe is None or not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            os.unlink(name, dir_fd=parent)
        else:
            os.rename(name, self._recipe.move(self._parts), src_dir_fd=parent, dst_dir_fd=self._kept_fd)

    def _root(self, entry: tar.Entry) -> None:
        if entry.kind != tar.FOLDER:
            raise InvalidParameter(f"the archive's root is not a folder: {entry.name!r}")
        self._dress(self.tree.root_fd, entry)
        self._times.add((), entry.mtime_ns)

    def _folder(self, entry: tar.Entry, parts: Parts, parent: int) -> None:
        descriptor = self.tree.make_folder(parent, parts[-1], 0o700)
        try:
            self._dress(descriptor, entry)
        finally:
            os.close(descriptor)
        self._times.add(parts, entry.mtime_ns)

    def _file(self, entry: tar.Entry, parts: Parts, parent: int) -> None:
        if max(entry.size, entry.real_size) > _MOST_FILE_BYTES:
            raise InvalidParameter(f"the archive holds a file of {entry.real_size} bytes: {entry.name!r}")
        descriptor = self.tree.replace(parent, parts[-1], lambda: os.open(parts[-1], _CREATE_FILE, 0o600, dir_fd=parent))
        try:
            if self._recipe is not None and entry.size:
                self._recipe.file("/".join(parts))
            fill_file(descriptor, self._source, entry, self._recipe.content if self._recipe is not None else None)
            self._dress(descriptor, entry)
            os.utime(descriptor, ns=(entry.mtime_ns, entry.mtime_ns))
        finally:
            os.close(descriptor)
        self.size += entry.size

    def _dress(self, descriptor: int, entry: tar.Entry) -> None:
        if self._hands_down:
            remove_acls(descriptor)
        self._hands_down = self._hands_down or DEFAULT_ACL in entry.xattrs
        os.fchown(descriptor, entry.uid, entry.gid)
        os.fchmod(descriptor, entry.mode)  # after the owner, whose change clears set-user-id
        set_xattrs(descriptor, entry.xattrs)

    def _symlink(self, entry: tar.Entry, parts: Parts, parent: int) -> None:
        self.tree.replace(parent, parts[-1], lambda: os.symlink(entry.link, parts[-1], dir_fd=parent))
        self._dress_node(parts[-1], parent, entry)

    def _fifo(self, entry: tar.Entry, parts: Parts, parent: int) -> None:
        self.tree.replace(parent, parts[-1], lambda: os.mkfifo(parts[-1], 0o600, dir_fd=parent))
        if self._hands_down:
            remove_acls(f"/proc/self/fd/{parent}/{parts[-1]}")
        self._dress_node(parts[-1], parent, entry)
        os.chmod(parts[-1], entry.mode, dir_fd=parent)  # after the owner, as above

    def _dress_node(self, name: str, parent: int, entry: tar.Entry) -> None:
        os.chown(name, entry.uid, entry.gid, dir_fd=parent, follow_symlinks=False)
        os.utime(name, ns=(entry.mtime_ns, entry.mtime_ns), dir_fd=parent, follow_symlinks=False)

    def _hard_link(self, entry: tar.Entry, parts: Parts, parent: int) -> None:
        target = split_path(entry.link)
        self._steps += len(target)
        if not target or target == parts[: len(target)] or parts == target[: len(parts)]:
            raise InvalidParameter(f"the hard link {entry.name!r} of the archive leads to itself")
        with self.tree.existing_folder(target[:-1]) as folder:
            was = status_of(folder, target[-1])
            if was is None or stat.S_ISDIR(was.st_mode) or is_whiteout(was):
                raise FileNotFoundError(errno.ENOENT, f"a hard link leads to {entry.link!r}, which is no file of this layer")
            self.tree.replace(parent, parts[-1], lambda: _link(folder, target[-1], parent, parts[-1]))

    def _whiteout(self, parts: Parts) -> None:
        parent, name = self.tree.folder(parts[:-1]), parts[-1]
        hidden = name.removeprefix(WHITEOUT_PREFIX)
        if name == OPAQUE_NAME:
            os.setxattr(parent, OPAQUE_XATTR, b"y")
        elif hidden in ("", ".", ".."):
            raise InvalidParameter(f"the archive holds a whiteout of nothing: {'/'.join(parts)!r}")
        elif not name.startswith(_RESERVED_PREFIX):  # those are the bookkeeping of an old storage driver
            hide(parent, hidden)


def _link(folder: int, target: str, parent: int, name: str) -> None:
    os.link(target, name, src_dir_fd=folder, dst_dir_fd=parent, follow_symlinks=False)


def _translated(error: OSError | ValueError, name: str) -> EngineError:
    reason = error.strerror if isinstance(error, OSError) else str(error)
    if isinstance(error, ValueError) or error.errno in _ARCHIVE_ERRORS:
        return InvalidParameter(f"cannot unpack {name[:200]!r} of the archive: {reason}")
    return Fault(f"cannot write {name[:200]!r} of the archive: {reason}")
