"""The flags of files that chattr(1) shows: FS_IOC_GETFLAGS and FS_IOC_SETFLAGS, ioctl_iflags(2)."""

import errno
import fcntl
import struct

_GETFLAGS, _SETFLAGS = 0x80086601, 0x40086602
_SECRM, _UNRM, _SYNC, _NODUMP, _NOATIME, _DIRSYNC, _TOPDIR = 0x1, 0x2, 0x8, 0x40, 0x80, 0x10000, 0x20000
# What the owner of a file may set, and what shows or slows things later.
_CLEARED = _SECRM | _UNRM | _SYNC | _NODUMP | _NOATIME | _DIRSYNC | _TOPDIR
_CASEFOLD = 0x40000000
_FLAGS = struct.Struct("l")
_NONE = frozenset({errno.ENOTTY, errno.EOPNOTSUPP, errno.EINVAL})


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
