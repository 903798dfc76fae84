"""The child's half of a container's mounts: into the rootfs, then everything that stands in it.

Runs in the container's own namespaces as its root. The rootfs is entered before anything is attached in it, so a hostile link in
an image can lead nowhere but inside; links of /proc, the one kind that could still lead out, are never followed.
"""

import os
import stat
from contextlib import suppress
from typing import NamedTuple

from engine.core.launch import LaunchSpec, TmpfsSpec
from engine.linux.files import RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS, openat2
from engine.linux.fscontext import new_mount
from engine.linux.mount import (
    AT_FDCWD,
    MNT_DETACH,
    MOUNT_ATTR_NODEV,
    MOUNT_ATTR_NOEXEC,
    MOUNT_ATTR_NOSUID,
    MOUNT_ATTR_RDONLY,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_PRIVATE,
    MS_REC,
    mount,
    mount_setattr,
    move_mount,
    open_tree,
    pivot_root,
    umount2,
)
from engine.runtime import steps
from engine.runtime.control_groups import MOUNT_POINT
from engine.runtime.paths import resolve_inside
from engine.runtime.rootfs import AttachedMount

_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_DEVICE_LINKS = {
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
    "core": "/proc/kcore",
    "ptmx": "pts/ptmx",
}
_DEVICES_PATH = "/dev/.devices"
_LOCKED = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC


class Prepared(NamedTuple):
    """What the supervisor made: detached mounts."""

    rootfs_fd: int
    devpts_fd: int
    binds: list[AttachedMount]
    cgroups: list[AttachedMount]
    proc_fd: int = -1  # these five only where the container's own root could not make them
    shared_memory_fd: int = -1
    queues_fd: int = -1
    devices_fd: int = -1
    sysfs_fd: int = -1
    views: tuple[AttachedMount, ...] = ()  # of files in /proc

    def fds(self) -> list[int]:
        made = (self.proc_fd, self.shared_memory_fd, self.queues_fd, self.devices_fd, self.sysfs_fd)
        single = (self.rootfs_fd, self.devpts_fd, *made)
        return [*(fd for fd in single if fd >= 0), *(entry.mount_fd for entry in (*self.binds, *self.cgroups, *self.views))]


def build(spec: LaunchSpec, prepared: Prepared, *, terminal_fd: int) -> None:
    """Make the rootfs the root of the calling process and put in place what the specification asks for. ``finish`` follows."""
    steps.reach("filesystems")
    kernel = _kernel_mounts(spec, prepared)
    devices = [AttachedMount(open_tree(f"/dev/{name}"), f"/dev/{name}") for name in _DEVICES]
    steps.reach("pivot")
    _enter(prepared.rootfs_fd)
    steps.reach("attach")
    _attach_kernel(kernel, devices, terminal_fd)
    _attach_views(prepared.views)
    _attach_cgroups(prepared.cgroups)
    if prepared.devices_fd >= 0:
        _attach_devices(prepared.devices_fd, [device["target"] for device in spec.get("devices", [])])
    _attach_users(prepared.binds, spec["tmpfs"])


def _kernel_mounts(spec: LaunchSpec, prepared: Prepared) -> list[AttachedMount]:
    """In the order in which they are attached: what stands in another comes after it."""
    sysfs = _LOCKED if spec.get("writable_kernel") else _LOCKED | MOUNT_ATTR_RDONLY
    mounts = [
        (prepared.proc_fd if prepared.proc_fd >= 0 else new_mount("proc", _LOCKED), "/proc"),
        (prepared.sysfs_fd if prepared.sysfs_fd >= 0 else new_mount("sysfs", sysfs), "/sys"),
        (new_mount("tmpfs", MOUNT_ATTR_NOSUID, mode="755", size="65536k"), "/dev"),
        (prepared.devpts_fd, "/dev/pts"),
        (prepared.queues_fd if prepared.queues_fd >= 0 else new_mount("mqueue", _LOCKED), "/dev/mqueue"),
    ]
    if spec.get("shared_memory", True):
        own_fd = prepared.shared_memory_fd
        fd = own_fd if own_fd >= 0 else new_mount("tmpfs", _LOCKED, mode="1777", size=str(spec["shm_bytes"]))
        mounts.append((fd, "/dev/shm"))  # noqa: S108 - a mount point
    return [AttachedMount(*entry) for entry in mounts]


def finish(spec: LaunchSpec) -> None:
    """Set what interfaces take their values from, so they must be there, then close what the command must not change."""
    steps.reach("sysctls")
    _write_sysctls(spec["sysctls"])
    steps.reach("masks")
    _protect(spec["masked_paths"], spec["readonly_paths"])
    if spec["rootfs"]["readonly"]:
        _set_readonly("/")


def _enter(rootfs_fd: int) -> None:
    """Stack the rootfs on the host's root, change roots in place, and let the host's tree go with all that is below it."""
    mount(None, "/", None, MS_REC | MS_PRIVATE)
    move_mount(rootfs_fd, "/")
    os.fchdir(rootfs_fd)
    pivot_root(".", ".")
    umount2(".", MNT_DETACH)
    os.chdir("/")


def _attach_kernel(kernel: list[AttachedMount], devices: list[AttachedMount], terminal_fd: int) -> None:
    for top in ("/proc", "/sys", "/dev"):
        if os.path.islink(top):
            raise steps.LaunchError(f"attach: {top} of the image is a symbolic link, make it a directory", step="attach")
    for entry in (*kernel, *devices):
        _attach_in_own(entry)
    for name, target in _DEVICE_LINKS.items():
        os.symlink(target, f"/dev/{name}")
    if terminal_fd >= 0:
        _attach_in_own(AttachedMount(open_tree("", directory_fd=terminal_fd), "/dev/console"))


def _attach_views(views: tuple[AttachedMount, ...]) -> None:
    """In the proc that was attached a moment ago, where no image has a say. A kernel may be built without one of these files."""
    for entry in views:
        with suppress(FileNotFoundError):
            move_mount(entry.mount_fd, entry.target)
        os.close(entry.mount_fd)


def _attach_cgroups(cgroups: list[AttachedMount]) -> None:
    """One tree at its place, or several below a read-only folder."""
    if not os.path.isdir(MOUNT_POINT):
        return
    together = any(entry.target != MOUNT_POINT for entry in cgroups)
    if together:
        mount("tmpfs", MOUNT_POINT, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=755,size=64k")
    for entry in cgroups:
        _attach(entry)
    if together:
        _set_readonly(MOUNT_POINT)


def _attach_devices(devices_fd: int, targets: list[str]) -> None:
    """Each node by itself at its place, which may open devices unlike all others; the file system they stand in goes again."""
    _attach_in_own(AttachedMount(devices_fd, _DEVICES_PATH))
    for index, target in enumerate(targets):
        _refuse_place(resolve_inside(target, directory=False), target)
        _attach(AttachedMount(open_tree(f"{_DEVICES_PATH}/{index}"), target))
    umount2(_DEVICES_PATH, MNT_DETACH)
    os.rmdir(_DEVICES_PATH)


def _refuse_place(path: str, target: str) -> None:
    """Nothing may be put over /proc: what the kernel says must be true."""
    if path in ("/", "/proc") or path.startswith("/proc/"):
        raise steps.LaunchError(f"attach: cannot mount over {path} (wanted at {target}), choose another place", step="attach")


def _attach_users(binds: list[AttachedMount], tmpfs: list[TmpfsSpec]) -> None:
    """Outer ones first, so that none covers another."""
    wanted = [*binds, *(AttachedMount(_new_tmpfs(entry), entry["target"]) for entry in tmpfs)]
    for entry in sorted(wanted, key=lambda entry: entry.target.count("/")):
        path = resolve_inside(entry.target, directory=_is_directory(entry.mount_fd))
        _refuse_place(path, entry.target)
        _attach(AttachedMount(entry.mount_fd, path), asked=entry.target)


def _new_tmpfs(spec: TmpfsSpec) -> int:
    flags = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | (0 if spec["exec"] else MOUNT_ATTR_NOEXEC)
    flags |= MOUNT_ATTR_RDONLY if spec.get("readonly", False) else 0
    return new_mount("tmpfs", flags, **dict(option.split("=", 1) for option in spec["options"].split(",") if option))


def _attach_in_own(entry: AttachedMount) -> None:
    """Attach where no image has a say: at the root, where links have been ruled out, and in the mounts made a moment ago."""
    if _is_directory(entry.mount_fd):
        with suppress(FileExistsError):
            os.mkdir(entry.target, 0o755)
    else:
        os.close(os.open(entry.target, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o644))
    move_mount(entry.mount_fd, entry.target)
    os.close(entry.mount_fd)


def _attach(entry: AttachedMount, *, asked: str = "") -> None:
    """Attach at a path that is made when missing, without following any link.

    What a user ``asked`` for is looked at again when it is open: another container may change links in a volume they share.
    """
    path = resolve_inside(entry.target, directory=_is_directory(entry.mount_fd))
    target_fd = openat2(AT_FDCWD, path, os.O_PATH, resolve=RESOLVE_NO_SYMLINKS)
    try:
        if asked:
            _refuse_place(os.readlink(f"/proc/self/fd/{target_fd}"), asked)
        move_mount(entry.mount_fd, target_fd)
    except OSError as error:
        raise OSError(error.errno, error.strerror, entry.target) from None
    finally:
        os.close(target_fd)
        os.close(entry.mount_fd)


def _write_sysctls(sysctls: dict[str, str]) -> None:
    """Only those of the container's own namespaces can be written by its root; the kernel refuses the others."""
    for name, value in sysctls.items():
        with open("/proc/sys/" + name.replace(".", "/"), "w") as file:
            file.write(value)


def _protect(masked: list[str], readonly: list[str]) -> None:
    for path in masked:
        _mask(path)
    for path in readonly:
        target_fd = _open_existing(path)
        if target_fd >= 0:
            clone_fd = open_tree("", directory_fd=target_fd, recursive=True)
            mount_setattr(clone_fd, attributes=MOUNT_ATTR_RDONLY, recursive=True)
            move_mount(clone_fd, target_fd)
            os.close(clone_fd)
            os.close(target_fd)


def _mask(path: str) -> None:
    """A file is covered by /dev/null, a directory by an empty read-only one; what is not there needs no cover."""
    target_fd = _open_existing(path)
    if target_fd < 0:
        return
    cover_fd = new_mount("tmpfs", _LOCKED | MOUNT_ATTR_RDONLY, size="4k") if _is_directory(target_fd) else open_tree("/dev/null")
    move_mount(cover_fd, target_fd)
    os.close(cover_fd)
    os.close(target_fd)


def _open_existing(path: str) -> int:
    try:
        return openat2(AT_FDCWD, path, os.O_PATH, resolve=RESOLVE_NO_MAGICLINKS)
    except (FileNotFoundError, NotADirectoryError):
        return -1


def _set_readonly(path: str) -> None:
    fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    mount_setattr(fd, attributes=MOUNT_ATTR_RDONLY)
    os.close(fd)


def _is_directory(fd: int) -> bool:
    return stat.S_ISDIR(os.fstat(fd).st_mode)
