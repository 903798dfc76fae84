"""Mounts by the old and the new interface: mount(2), pivot_root(2), open_tree(2), move_mount(2), mount_setattr(2)."""

import ctypes
import os

from engine.linux.libc import MOUNT_SETATTR, MOVE_MOUNT, OPEN_TREE, PIVOT_ROOT, call, syscall

AT_FDCWD = -100
AT_SYMLINK_NOFOLLOW = 0x100
AT_EMPTY_PATH = 0x1000
AT_RECURSIVE = 0x8000

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_NOATIME = 1024
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18
MS_SLAVE = 1 << 19

MNT_DETACH = 2

MOUNT_ATTR_RDONLY = 0x01
MOUNT_ATTR_NOSUID = 0x02
MOUNT_ATTR_NODEV = 0x04
MOUNT_ATTR_NOEXEC = 0x08
MOUNT_ATTR_IDMAP = 0x100000

_OPEN_TREE_CLONE = 1
_MOVE_MOUNT_F_EMPTY_PATH = 0x04
_MOVE_MOUNT_T_EMPTY_PATH = 0x40


class _MountAttr(ctypes.Structure):
    _fields_ = (
        ("attr_set", ctypes.c_uint64),
        ("attr_clr", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns_fd", ctypes.c_uint64),
    )


def mount(source: str | None, target: str, filesystem: str | None, flags: int = 0, data: str | None = None) -> None:
    """mount(2). Raises OSError naming the target."""
    texts = [None if text is None else os.fsencode(text) for text in (source, target, filesystem, data)]
    call("mount", *texts[:3], flags, texts[3], subject=target)


def umount2(target: str, flags: int = 0) -> None:
    """umount2(2). Raises OSError naming the target."""
    call("umount2", os.fsencode(target), flags, subject=target)


def pivot_root(new_root: str, put_old: str) -> None:
    """pivot_root(2). Raises OSError."""
    syscall(PIVOT_ROOT, os.fsencode(new_root), os.fsencode(put_old), subject=new_root)


def open_tree(path: str, *, directory_fd: int = AT_FDCWD, recursive: bool = False, follow: bool = True) -> int:
    """A detached clone of the mount at ``path`` (with an empty path: at ``directory_fd``), as a descriptor."""
    flags = _OPEN_TREE_CLONE | os.O_CLOEXEC | (AT_RECURSIVE if recursive else 0) | (0 if path else AT_EMPTY_PATH)
    flags |= 0 if follow else AT_SYMLINK_NOFOLLOW
    return syscall(OPEN_TREE, directory_fd, os.fsencode(path), flags, subject=path or directory_fd)


def move_mount(mount_fd: int, target: str | int) -> None:
    """Attach a detached mount at a path, or at the place that a descriptor stands for."""
    if isinstance(target, int):
        flags = _MOVE_MOUNT_F_EMPTY_PATH | _MOVE_MOUNT_T_EMPTY_PATH
        syscall(MOVE_MOUNT, mount_fd, b"", target, b"", flags, subject=target)
    else:
        syscall(MOVE_MOUNT, mount_fd, b"", AT_FDCWD, os.fsencode(target), _MOVE_MOUNT_F_EMPTY_PATH, subject=target)


def mount_setattr(
    mount_fd: int, *, attributes: int = 0, private: bool = False, userns_fd: int = 0, recursive: bool = False
) -> None:
    """Change a mount by descriptor. ``userns_fd`` counts with MOUNT_ATTR_IDMAP only."""
    value = _MountAttr(attributes, 0, MS_PRIVATE if private else 0, userns_fd)
    flags = AT_EMPTY_PATH | (AT_RECURSIVE if recursive else 0)
    syscall(MOUNT_SETATTR, mount_fd, b"", flags, ctypes.byref(value), ctypes.sizeof(value), subject=mount_fd)
