"""The supervisor's half of a container's mounts: what takes the host's rights is made here, detached, and attached by the child.

Id maps, bind sources, devpts, the view of the cgroups; the overlay has its own file. Nothing here has a path on the host.
"""

import errno
import os
import signal
import stat
from typing import NamedTuple

from engine.core.launch import BindSpec, CgroupSpec, DeviceSpec, IdMapping
from engine.linux.bpf import load_device_program
from engine.linux.files import RESOLVE_BENEATH, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_XDEV, openat2
from engine.linux.fscontext import new_mount
from engine.linux.mount import (
    AT_FDCWD,
    MOUNT_ATTR_IDMAP,
    MOUNT_ATTR_NODEV,
    MOUNT_ATTR_NOEXEC,
    MOUNT_ATTR_NOSUID,
    MOUNT_ATTR_RDONLY,
    mount_setattr,
    open_tree,
)
from engine.linux.namespaces import CLONE_NEWUSER, clone3, open_namespace, write_id_maps
from engine.runtime.control_groups import MOUNT_POINT, is_version_2
from engine.runtime.descriptors import Descriptors
from engine.runtime.device_rules import device_program
from engine.runtime.waiting_room import waiting_room

_TTY_GROUP = 5  # of every distribution; devpts gives new terminals to it
_CACHED_MAPS = 128
_DEVICES_OF_ALL = frozenset({(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0)})  # null, zero, full, random, urandom, tty
_MOST_TERMINALS = 256  # of one container; the host has 4096 by default, and keeps 1024 of them for itself


class AttachedMount(NamedTuple):
    """A detached mount and where in the container it goes."""

    mount_fd: int
    target: str


class MountCache:
    """What launches share: user namespaces that carry an id map, since making one takes a process, and the device rules.

    Nothing of a container is held.
    """

    def __init__(self) -> None:
        waiting_room()  # takes a moment, which no container should wait for
        self._device_program = -1
        self._userns: dict[tuple[tuple[int, int, int], ...], int] = {}

    def userns(self, ids: list[IdMapping]) -> int:
        """A user namespace with this map, owned by the cache."""
        key = tuple(as_tuples(ids))
        found = self._userns.pop(key, -1)
        if found < 0:
            if len(self._userns) >= _CACHED_MAPS:
                os.close(self._userns.pop(next(iter(self._userns))))
            found = _make_userns(list(key))
        self._userns[key] = found  # the most recently used one comes last
        return found

    def device_program(self) -> int:
        """The device rules in the kernel, owned by the cache. Raises OSError."""
        if self._device_program < 0:
            self._device_program = load_device_program(device_program())
        return self._device_program

    def close(self) -> None:
        if self._device_program >= 0:
            os.close(self._device_program)
            self._device_program = -1
        for fd in self._userns.values():
            os.close(fd)
        self._userns.clear()


def as_tuples(ids: list[IdMapping]) -> list[tuple[int, int, int]]:
    """(inside, outside, length) as the kernel takes them."""
    return [(entry["container"], entry["host"], entry["length"]) for entry in ids]


def host_id(ids: list[IdMapping], inside: int) -> int:
    """The host's number of a container's id, -1 when it has none."""
    for entry in ids:
        if entry["container"] <= inside < entry["container"] + entry["length"]:
            return entry["host"] + inside - entry["container"]
    return -1


def open_mapped(path: str, *, userns_fd: int) -> int:
    """A detached, private, id-mapped clone of a directory or file."""
    return _open_detached(path, MOUNT_ATTR_IDMAP | MOUNT_ATTR_NODEV, userns_fd=userns_fd)


def open_bind(spec: BindSpec, *, userns_fd: int) -> AttachedMount:
    """The source of a bind mount, detached from the host."""
    if spec.get("of_engine"):
        return AttachedMount(_open_of_engine(spec["source"], userns_fd=userns_fd), spec["target"])
    attributes = MOUNT_ATTR_NODEV | (MOUNT_ATTR_RDONLY if spec["readonly"] else 0)
    if not spec["idmapped"]:
        return AttachedMount(_open_detached(spec["source"], attributes, recursive=True), spec["target"])
    attributes |= MOUNT_ATTR_IDMAP
    if subpath := spec.get("subpath", ""):
        mount_fd = _open_beneath(spec["source"], subpath, attributes, userns_fd=userns_fd)
    else:
        mount_fd = _open_source(spec["source"], attributes, userns_fd=userns_fd, recursive=spec.get("recursive", False))
    return AttachedMount(mount_fd, spec["target"])


def _open_source(path: str, attributes: int, *, userns_fd: int, recursive: bool) -> int:
    """With the mounts below it where all of them can be id-mapped; such as /proc cannot, and then the source comes alone.

    A source of the host's that takes no id map itself is shown with the host's owners, of whom the container has none.
    """
    if not recursive:
        return _open_detached(path, attributes, userns_fd=userns_fd)
    for is_whole in (True, False):
        try:
            return _open_detached(path, attributes, userns_fd=userns_fd, recursive=is_whole)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.EPERM):
                raise
    mount_fd = _open_detached(path, attributes & ~(MOUNT_ATTR_IDMAP | MOUNT_ATTR_NODEV) | MOUNT_ATTR_NOSUID, recursive=True)
    if not _is_device_of_all(mount_fd):
        mount_setattr(mount_fd, attributes=MOUNT_ATTR_NODEV, recursive=True)
    return mount_fd


def _is_device_of_all(fd: int) -> bool:
    """Whether a file is a device that no container is without: ``-v /dev/null:/etc/x`` empties a file of an image."""
    found = os.fstat(fd)
    return stat.S_ISCHR(found.st_mode) and (os.major(found.st_rdev), os.minor(found.st_rdev)) in _DEVICES_OF_ALL


def _open_of_engine(path: str, *, userns_fd: int) -> int:
    """What can only be read, and by anybody, is shown with foreign owners where its file system takes no id map."""
    attributes = MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID | MOUNT_ATTR_RDONLY
    try:
        return _open_detached(path, attributes | MOUNT_ATTR_IDMAP, userns_fd=userns_fd, follow=False)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EPERM):
            raise
    return _open_detached(path, attributes, follow=False)


def _open_beneath(path: str, subpath: str, attributes: int, *, userns_fd: int) -> int:
    """A part of a volume. Containers may change links on the way at any time: the kernel walks, and never out of the volume."""
    volume_fd = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        part_fd = openat2(volume_fd, subpath, os.O_PATH, resolve=RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV)
    except OSError as error:
        raise OSError(error.errno, f"{error.strerror} (subpath of a volume)", subpath) from None
    finally:
        os.close(volume_fd)
    try:
        return _open_detached("", attributes, userns_fd=userns_fd, directory_fd=part_fd)
    finally:
        os.close(part_fd)


def mount_devpts(ids: list[IdMapping]) -> int:
    """A new devpts instance that belongs to the container's root; made here so that the first terminal can be opened at once."""
    group = host_id(ids, _TTY_GROUP)
    options = {"mode": "620", "ptmxmode": "666"} | ({"gid": str(group)} if group >= 0 else {})
    with waiting_room():  # an instance made where the host's own is made may take from what is kept for the host
        mount_fd = new_mount("devpts", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, max=str(_MOST_TERMINALS), **options)
    root = host_id(ids, 0)
    with Descriptors() as opened:
        opened.add(mount_fd)
        for path in (f"/proc/self/fd/{mount_fd}", f"/proc/self/fd/{mount_fd}/ptmx"):
            os.chown(path, root, root)
        opened.let_go()
    return mount_fd


def mount_devices(devices: list[DeviceSpec], ids: list[IdMapping]) -> int:
    """A small file system with the nodes, named by their place in the list, which belong to the container's root.

    Nodes of the host's own tree could not be opened by it: their owner is the host's root, and devtmpfs takes no id map.
    """
    mount_fd = new_mount("tmpfs", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, mode="755", size="64k", nr_inodes=str(len(devices) + 1))
    root = host_id(ids, 0)
    with Descriptors() as opened:
        opened.add(mount_fd)
        for index, node in enumerate(devices):
            path = f"/proc/self/fd/{mount_fd}/{index}"
            kind = stat.S_IFBLK if node["kind"] == "b" else stat.S_IFCHR
            os.mknod(path, kind | 0o600, os.makedev(node["major"], node["minor"]))
            os.chmod(path, node["mode"])
            os.chown(path, root, root)
        opened.let_go()
    return mount_fd


def open_cgroup_view(spec: CgroupSpec, opened: Descriptors, *, writable: bool) -> list[AttachedMount]:
    """The container's own cgroups under the names their hierarchies have on the host."""
    locked = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC
    view = []
    for directory in spec["join"]:
        if directory.startswith(f"{MOUNT_POINT}/"):
            hierarchy = directory[len(MOUNT_POINT) + 1 :].partition("/")[0]
            is_open = writable or (spec.get("delegated", False) and is_version_2(directory))
            mount_fd = opened.add(_open_detached(directory, locked if is_open else locked | MOUNT_ATTR_RDONLY))
            view.append(AttachedMount(mount_fd, MOUNT_POINT if spec["version"] == 2 else f"{MOUNT_POINT}/{hierarchy}"))
    return view


def _open_detached(
    path: str,
    attributes: int,
    *,
    userns_fd: int = 0,
    recursive: bool = False,
    directory_fd: int = AT_FDCWD,
    follow: bool = True,
) -> int:
    mount_fd = open_tree(path, recursive=recursive, directory_fd=directory_fd, follow=follow)
    try:
        mount_setattr(mount_fd, attributes=attributes, private=True, userns_fd=userns_fd, recursive=recursive)
    except OSError as error:
        os.close(mount_fd)
        raise OSError(error.errno, f"{error.strerror} (setting its mount attributes)", path) from None
    return mount_fd


def _make_userns(mappings: list[tuple[int, int, int]]) -> int:
    """A user namespace is made by a process in it; the descriptor keeps it alive when that process is gone."""
    pid, pidfd = clone3(CLONE_NEWUSER)
    if pid == 0:
        try:
            signal.pause()
        finally:
            os._exit(0)
    try:
        write_id_maps(pid, mappings)
        return open_namespace(pid, "user")
    finally:
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        os.waitid(os.P_PIDFD, pidfd, os.WEXITED)
        os.close(pidfd)
