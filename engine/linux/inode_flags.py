"""The flags of files that chattr(1) shows: FS_IOC_GETFLAGS and FS_IOC_SETFLAGS, ioctl_iflags(2)."""

import errno
import fcntl
import os
import struct
from pathlib import Path

_GETFLAGS, _SETFLAGS = 0x80086601, 0x40086602
_SECRM, _UNRM, _SYNC, _NODUMP, _NOATIME, _DIRSYNC, _TOPDIR = 0x1, 0x2, 0x8, 0x40, 0x80, 0x10000, 0x20000
# What the owner of a file may set, and what shows or slows things later.
_CLEARED = _SECRM | _UNRM | _SYNC | _NODUMP | _NOATIME | _DIRSYNC | _TOPDIR
_CASEFOLD = 0x40000000
_NOCOW = 0x800000
_FLAGS = struct.Struct("l")
_NONE = frozenset({errno.ENOTTY, errno.EOPNOTSUPP, errno.EINVAL})
_REFUSED = _NONE | {errno.EPERM, errno.EACCES, errno.ENOSYS}


def clear_flags(descriptor: int) -> bool:
    """Take away what an owner has set on an open file or folder; False where a folder's names ignore case, which stays so.

    Raises OSError.
    """
    try:
        (flags,) = _FLAGS.unpack(fcntl.ioctl(descriptor, _GETFLAGS, bytes(_FLAGS.size)))
    except OSError as error:
        if error.errno in _NONE:
            return True
        raise
    if flags & _CLEARED:
        fcntl.ioctl(descriptor, _SETFLAGS, _FLAGS.pack(flags & ~_CLEARED))
    return not flags & _CASEFOLD


def spread_folders(path: Path) -> None:
    """Have ext4 put each folder that is made in this one where most of the disk is free, with all that will be in it.

    Else new files come to lie where others have just been removed, and there ext4 looks, for each, at all inodes that were given
    back within the last minutes before it finds one to take: a tree takes several times as long. Does nothing elsewhere.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        (flags,) = _FLAGS.unpack(fcntl.ioctl(descriptor, _GETFLAGS, bytes(_FLAGS.size)))
        if not flags & _TOPDIR:
            fcntl.ioctl(descriptor, _SETFLAGS, _FLAGS.pack(flags | _TOPDIR))
    except OSError as error:
        if error.errno not in _REFUSED:
            raise
    finally:
        os.close(descriptor)


def forgo_copies(descriptor: int) -> None:
    """Have btrfs overwrite an empty file's blocks in place from now on instead of writing each anew. Does nothing elsewhere."""
    try:
        (flags,) = _FLAGS.unpack(fcntl.ioctl(descriptor, _GETFLAGS, bytes(_FLAGS.size)))
        fcntl.ioctl(descriptor, _SETFLAGS, _FLAGS.pack(flags | _NOCOW))
    except OSError as error:
        if error.errno not in _REFUSED:
            raise
