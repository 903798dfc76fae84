"""The mounts of a container that does not run, made for one process alone: they go when it ends.

For a process in the container's user namespace and in a mount namespace of its own. The kernel's file systems are left out.
"""

from __future__ import annotations

import os
import stat

from engine.linux.files import RESOLVE_NO_SYMLINKS, openat2
from engine.linux.mount import (
    AT_FDCWD,
    MNT_DETACH,
    MOUNT_ATTR_RDONLY,
    MS_PRIVATE,
    MS_REC,
    mount,
    mount_setattr,
    move_mount,
    pivot_root,
    umount2,
)
from engine.runtime.paths import resolve_inside

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.runtime.rootfs import AttachedMount


def enter_mounts(rootfs_fd: int, binds: Sequence[AttachedMount], *, readonly: bool) -> None:
    """Make the rootfs the root of the calling process, with ``binds`` in it, and let the host's tree go. Raises OSError."""
    mount(None, "/", None, MS_REC | MS_PRIVATE)
    move_mount(rootfs_fd, "/")
    os.fchdir(rootfs_fd)
    pivot_root(".", ".")
    umount2(".", MNT_DETACH)
    os.chdir("/")
    for bind in sorted(binds, key=lambda entry: entry.target.count("/")):  # outer ones first, so that none covers another
        _attach(bind)
    if readonly:
        root_fd = os.open("/", os.O_PATH | os.O_CLOEXEC)
        mount_setattr(root_fd, attributes=MOUNT_ATTR_RDONLY)
        os.close(root_fd)


def _attach(bind: AttachedMount) -> None:
    """Attach at a path that is made when missing, as a start would, without following any link."""
    path = resolve_inside(bind.target, directory=stat.S_ISDIR(os.fstat(bind.mount_fd).st_mode))
    target_fd = openat2(AT_FDCWD, path, os.O_PATH, resolve=RESOLVE_NO_SYMLINKS)
    try:
        move_mount(bind.mount_fd, target_fd)
    finally:
        os.close(target_fd)
