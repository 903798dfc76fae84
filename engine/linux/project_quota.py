"""Project ids of files and their quotas: FS_IOC_FSGETXATTR and FS_IOC_FSSETXATTR (ioctl_fsgetxattr(2)), quotactl_fd(2).

The calls are the same on XFS and ext4. Each takes an open folder of the file system.
"""

import ctypes
import errno
import fcntl
import struct
from typing import NamedTuple

from engine.linux.libc import syscall

_QUOTACTL_FD = 443
_GETXATTR, _SETXATTR = 0x801C581F, 0x401C5820
_INHERIT = 0x200
_FSXATTR = struct.Struct("=IIII12x")  # flags, extent size, number of extents, project id
_PROJECTS = 2
_GETQUOTA, _SETQUOTA, _GETNEXTQUOTA, _GETSTATE = 0x800007, 0x800008, 0x800009, 0x5805
_QUOTA = struct.Struct("=8QII")  # blocks hard, soft, bytes used, inodes hard, soft, used, two times, what is valid, id
_BLOCK_LIMITS, _INODE_LIMITS = 1, 4
_BLOCK_BYTES = 1024
_STATE_BYTES = 80
_ENFORCED = 0x20
_ABSENT = frozenset({errno.ENOENT, errno.ESRCH})
_UNSUPPORTED = frozenset({errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.ENOTTY, errno.EPERM, errno.ENOTBLK, errno.ENODEV})


class Quota(NamedTuple):
    """What is used, and the hard limits; 0 means none."""

    project: int
    used_bytes: int
    inodes: int
    limit_bytes: int
    limit_inodes: int


def project_of(fd: int) -> int:
    """Return the project id of an open file or folder. Raises OSError."""
    return int(_FSXATTR.unpack(fcntl.ioctl(fd, _GETXATTR, bytes(_FSXATTR.size)))[3])


def set_project(fd: int, project: int, *, inherits: bool) -> None:
    """Count an open folder for a project; with ``inherits`` all that is made in it from now on, too. Raises OSError."""
    found = bytearray(fcntl.ioctl(fd, _GETXATTR, bytes(_FSXATTR.size)))
    (flags,) = struct.unpack_from("=I", found)
    struct.pack_into("=I", found, 0, flags | _INHERIT if inherits else flags & ~_INHERIT)
    struct.pack_into("=I", found, 12, project)
    fcntl.ioctl(fd, _SETXATTR, bytes(found))


def are_enforced(fd: int) -> bool:
    """Whether limits of projects hold on the file system. Raises OSError."""
    state = ctypes.create_string_buffer(_STATE_BYTES)
    try:
        _quotactl(fd, _GETSTATE, 0, state)
    except OSError as error:
        if error.errno in _UNSUPPORTED | _ABSENT:
            return False
        raise
    return bool(struct.unpack_from("=H", state.raw, 2)[0] & _ENFORCED)


def quota_of(fd: int, project: int) -> Quota:
    """Return what a project uses and may use; one that was never used has zeros. Raises OSError."""
    try:
        return _read(fd, _GETQUOTA, project)._replace(project=project)
    except OSError as error:
        if error.errno in _ABSENT:
            return Quota(project, 0, 0, 0, 0)
        raise


def next_quota(fd: int, project: int) -> Quota | None:
    """Return the first one from an id on that the kernel knows of. Raises OSError."""
    try:
        return _read(fd, _GETNEXTQUOTA, project)
    except OSError as error:
        if error.errno in _ABSENT:
            return None
        raise


def limit_project(fd: int, project: int, *, limit_bytes: int, limit_inodes: int) -> None:
    """Set the hard limits of a project, in whole blocks of 1 KiB; 0 takes one away. Raises OSError."""
    blocks = -(-limit_bytes // _BLOCK_BYTES)
    data = _QUOTA.pack(blocks, 0, 0, limit_inodes, 0, 0, 0, 0, _BLOCK_LIMITS | _INODE_LIMITS, 0)
    _quotactl(fd, _SETQUOTA, project, ctypes.create_string_buffer(data, _QUOTA.size))


def _read(fd: int, command: int, project: int) -> Quota:
    data = ctypes.create_string_buffer(_QUOTA.size)
    _quotactl(fd, command, project, data)
    hard, _, used, inodes_hard, _, inodes, _, _, _, found = _QUOTA.unpack(data.raw)
    return Quota(found, used, inodes, hard * _BLOCK_BYTES, inodes_hard)


def _quotactl(fd: int, command: int, project: int, data: "ctypes.Array[ctypes.c_char]") -> None:
    syscall(_QUOTACTL_FD, fd, command << 8 | _PROJECTS, project, ctypes.byref(data), subject="quotactl_fd")
