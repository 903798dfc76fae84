"""Content and attributes of open files: from one to another, and which attributes go along. Knows no names, owners or modes."""

import errno
import os
from collections.abc import Mapping

# All other attributes are the overlay's own, labels of another system, or would act on the host.
_ACL, DEFAULT_ACL = "system.posix_acl_access", "system.posix_acl_default"
ACLS = (_ACL, DEFAULT_ACL)
_XATTRS = ("security.capability", *ACLS)
_XATTR_PREFIX, _XATTR_REFUSED = "user.", "user.overlay."
_UNSUPPORTED = frozenset({errno.ENOTSUP})
_CHUNK_BYTES = 2**24
_SMALL_BYTES = 2**17  # quicker by hand than by looking for holes


def copy_content(reader: int, writer: int) -> None:
    """Fill a new file. Holes stay holes, so that a sparse file does not fill the disk."""
    end, offset = os.fstat(reader).st_size, 0
    if end <= _SMALL_BYTES and os.write(writer, os.pread(reader, end, 0)) == end:
        return
    os.ftruncate(writer, end)
    while offset < end:
        try:
            offset = os.lseek(reader, offset, os.SEEK_DATA)
            until = os.lseek(reader, offset, os.SEEK_HOLE)
        except OSError as error:
            if error.errno == errno.ENXIO:  # nothing but a hole is left
                return
            raise
        os.lseek(writer, offset, os.SEEK_SET)
        while offset < until:
            sent = os.sendfile(writer, reader, offset, min(until - offset, _CHUNK_BYTES))
            if sent == 0:
                return
            offset += sent


def read_xattrs(source: int) -> dict[str, bytes]:
    """Return the attributes that a file keeps wherever it goes."""
    return {name: os.getxattr(source, name) for name in os.listxattr(source) if _is_kept(name)}


def copy_xattrs(source: int, target: int) -> None:
    """Give one file the attributes of another, as ``set_xattrs`` does."""
    set_xattrs(target, read_xattrs(source))


def set_xattrs(target: int, xattrs: Mapping[str, bytes], *, refusals: frozenset[int] = _UNSUPPORTED) -> None:
    """Set those that a file keeps wherever it goes. Raises OSError but for ``refusals``.

    Not every file system keeps them; a file without is better than none, as in moby.
    """
    for name, value in xattrs.items():
        if not _is_kept(name):
            continue
        try:
            os.setxattr(target, name, value)
        except OSError as error:
            if error.errno not in refusals:
                raise


def remove_acls(target: int | str) -> None:
    """Take away what a folder has handed down to a new file in it. Raises OSError."""
    for name in ACLS:
        try:
            os.removexattr(target, name)
        except OSError as error:
            if error.errno not in (errno.ENODATA, errno.ENOTSUP, errno.EACCES):  # the last: a file hands nothing down
                raise


def _is_kept(name: str) -> bool:
    return name in _XATTRS or (name.startswith(_XATTR_PREFIX) and not name.startswith(_XATTR_REFUSED))
