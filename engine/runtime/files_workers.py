"""Workers on the files of containers, as the supervisor sees them: made on request, reaped when they end.

Each is a fork that takes the root of one container as its own (``files_worker``), serves one request and ends. Its pipes are the
daemon's; the supervisor keeps nothing but the process. Part of the supervisor: standard library and no typing at run time.
"""

from __future__ import annotations

import contextlib
import os

from engine.linux import pidfd as pidfds
from engine.linux.mount import MOUNT_ATTR_NODEV, MOUNT_ATTR_NOEXEC, MOUNT_ATTR_NOSUID, MOUNT_ATTR_RDONLY, mount_setattr, open_tree
from engine.linux.namespaces import clone3
from engine.runtime import files_worker
from engine.runtime import reactor as events
from engine.runtime.control_groups import open_membership
from engine.runtime.descriptors import Descriptors
from engine.runtime.overlay import mount_overlay
from engine.runtime.rootfs import host_id, open_bind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from engine.core.files import FilesSpec
    from engine.runtime.reactor import Reactor
    from engine.runtime.rootfs import MountCache

_SIGKILL = 9
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class FilesWorkers:
    """All workers that run; none outlives the daemon that asked for it."""

    def __init__(self, reactor: Reactor) -> None:
        self._reactor = reactor
        self._pidfds: set[int] = set()

    def start(self, spec: FilesSpec, *, container_pidfd: int, cache: MountCache, data: int, report: int) -> int:
        """Start one; answers its pidfd, which stays ours. Raises OSError with nothing left behind."""
        with Descriptors() as childs:
            end = _prepare(spec, container_pidfd, cache, childs)._replace(data=data, report=report)
            membership = open_membership(spec["cgroup_join"], childs)
            pid, pidfd = clone3(0, cgroup_fd=membership.into)
            if pid == 0:
                files_worker.run(spec, end._replace(tasks=tuple(membership.tasks)))
        self._watch(pidfd)
        return pidfd

    def fds(self) -> list[int]:
        """What another version of this supervisor gets, for ``resume``."""
        return list(self._pidfds)

    def resume(self, fds: list[int]) -> None:
        """Look after the workers of a former version."""
        for pidfd in fds:
            self._watch(pidfd)

    def _watch(self, pidfd: int) -> None:
        self._pidfds.add(pidfd)
        self._reactor.add(pidfd, events.IN, lambda _: self._on_end(pidfd))

    def end_all(self) -> None:
        """Kill all: nobody would read what they write."""
        for pidfd in self._pidfds:
            with contextlib.suppress(ProcessLookupError):
                pidfds.send_signal(pidfd, _SIGKILL)

    def _on_end(self, pidfd: int) -> None:
        with contextlib.suppress(ChildProcessError):
            os.waitid(os.P_PIDFD, pidfd, os.WEXITED | os.WNOHANG)
        self._reactor.remove(pidfd)
        self._pidfds.discard(pidfd)
        os.close(pidfd)


def _prepare(spec: FilesSpec, container_pidfd: int, cache: MountCache, opened: Descriptors) -> files_worker.WorkerEnd:
    """Make what takes the host's rights: detached mounts and descriptors of layers."""
    end = files_worker.WorkerEnd(supervisor_pid=os.getpid(), program=_read_program(spec["seccomp"]))
    if spec["view"] == "running":
        return end._replace(container_pidfd=container_pidfd)
    if spec["view"] == "layer":
        lowers = [opened.add(os.open(path, _DIRECTORY)) for path in reversed(spec["rootfs"]["lower"])]
        return end._replace(rootfs_fd=opened.add(_open_layer(spec["rootfs"]["upper"])), lowers=tuple(lowers))
    userns_fd = cache.userns(spec["ids"])
    rootfs_fd = opened.add(mount_overlay(spec["rootfs"], userns_fd=userns_fd, root_uid=host_id(spec["ids"], 0)))
    binds = []
    for bind in spec["binds"]:
        binds.append(open_bind(bind, userns_fd=userns_fd))
        opened.add(binds[-1].mount_fd)
    return end._replace(userns_fd=userns_fd, rootfs_fd=rootfs_fd, binds=tuple(binds))


def _open_layer(path: str) -> int:
    """The writable layer as it lies on disk, as a detached mount that nobody can write through."""
    mount_fd = open_tree(path)
    attributes = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC
    try:
        mount_setattr(mount_fd, attributes=attributes, private=True)
    except OSError:
        os.close(mount_fd)
        raise
    return mount_fd


def _read_program(path: str) -> bytes:
    if not path:
        return b""
    with open(path, "rb") as file:
        return file.read()
