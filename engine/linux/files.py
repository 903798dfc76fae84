"""openat2(2), close_range(2), and which kernel file system a descriptor lies on."""

import ctypes
import os

from engine.linux.libc import CLOSE_RANGE, OPENAT2, call, syscall

RESOLVE_NO_XDEV = 0x01
RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_BENEATH = 0x08
RESOLVE_IN_ROOT = 0x10

CGROUP2_SUPER_MAGIC = 0x63677270
DEVPTS_SUPER_MAGIC = 0x1CD1
PID_FS_MAGIC = 0x50494446
TMPFS_MAGIC = 0x01021994

_LAST_FD = 0xFFFFFFFF
_CLOSE_RANGE_CLOEXEC = 4


class _OpenHow(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


def openat2(directory_fd: int, path: str, flags: int, *, resolve: int, mode: int = 0) -> int:
    """openat2(2), close-on-exec; symbolic links are followed as ``resolve`` allows. Raises OSError."""
    how = _OpenHow(flags | os.O_CLOEXEC, mode, resolve)
    return syscall(OPENAT2, directory_fd, os.fsencode(path), ctypes.byref(how), ctypes.sizeof(how), subject=path)


def close_range(first: int, last: int = _LAST_FD) -> None:
    """Close all descriptors from ``first`` to ``last``, both included."""
    if first <= last:
        syscall(CLOSE_RANGE, first, last, 0)


def keep_from_programs(first: int) -> None:
    """Make all descriptors from ``first`` on close-on-exec, those of libraries too. Raises OSError on a kernel before 5.11."""
    syscall(CLOSE_RANGE, first, _LAST_FD, _CLOSE_RANGE_CLOEXEC)


def close_all_but(kept: list[int]) -> None:
    """Close every descriptor except the given ones."""
    first = 0
    for fd in sorted(kept):
        close_range(first, fd - 1)
        first = fd + 1
    close_range(first)


def filesystem_magic(fd: int) -> int:
    """``f_type`` of fstatfs(2): its first long on 64-bit machines; the structure is at most 128 bytes."""
    buffer = (ctypes.c_long * 16)()
    call("fstatfs", fd, ctypes.byref(buffer), subject=fd)
    return int(buffer[0])
