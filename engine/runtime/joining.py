"""A first process that shares namespaces with another container, made through a helper. Part of the supervisor.

The way into another user namespace is one way, so a helper takes it: a fork of the supervisor with the same table of descriptors,
so that what it opens is the supervisor's. Its child is the supervisor's child too. What belongs to the shared namespaces and can
only be had by the host's root, or in the other's mount namespace, the helper opens before: /dev/shm and the message queues.
"""

from __future__ import annotations

import os
import select
import signal
import struct
from typing import NamedTuple

from engine.linux.files import RESOLVE_NO_MAGICLINKS, TMPFS_MAGIC, filesystem_magic, openat2
from engine.linux.fscontext import new_mount
from engine.linux.mount import AT_FDCWD, MOUNT_ATTR_NODEV, MOUNT_ATTR_NOEXEC, MOUNT_ATTR_NOSUID, mount_setattr, open_tree
from engine.linux.namespaces import (
    CLONE_FILES,
    CLONE_NEWIPC,
    CLONE_NEWNET,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWUSER,
    clone3,
    open_namespace,
    setns,
)
from engine.linux.pidfd import pidfd_open
from engine.linux.prctl import PR_SET_DUMPABLE, prctl
from engine.linux.process_title import clear_command_line
from engine.runtime.descriptors import Descriptors
from engine.runtime.steps import LaunchError, describe
from engine.runtime.supervised import identify

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.core.launch import JoinSpec, NamespacesSpec

_LOCKED = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC
_SHARED_MEMORY = "/dev/shm"  # noqa: S108 - a mount point
_RESULT = struct.Struct("=ii")
_PATIENCE_MS = 10_000
_MESSAGE_BYTES = 1000


class Shared(NamedTuple):
    """Detached mounts of the shared ipc namespace, -1 where the container has its own."""

    shared_memory_fd: int = -1
    queues_fd: int = -1

    def fds(self) -> list[int]:
        return [fd for fd in self if fd >= 0]


def open_shared(namespaces: NamespacesSpec, opened: Descriptors) -> Shared:
    """What a container needs of the ipc namespace that it shares with the host or another. Raises OSError, LaunchError."""
    if "ipc" in namespaces["host"]:
        shared_memory_fd = opened.add(open_tree(_SHARED_MEMORY))
        mount_setattr(shared_memory_fd, attributes=_LOCKED, private=True)
        return Shared(shared_memory_fd, opened.add(new_mount("mqueue", _LOCKED)))
    if "ipc" not in namespaces:
        return Shared()
    with Descriptors() as targets:
        target = _open(namespaces["ipc"], targets)
        fds = _in_helper(lambda: _open_of(target))
    return Shared(opened.add(fds[0]), opened.add(fds[1]))


def clone_joined(namespaces: NamespacesSpec, flags: int, *, cgroup_fd: int) -> tuple[int, int]:
    """As clone3, with the namespaces of others in place of new ones. Answers (0, -1) in the child. Raises LaunchError."""
    with Descriptors() as targets:
        ipc = _open(namespaces["ipc"], targets) if "ipc" in namespaces else -1
        pid = _open(namespaces["pid"], targets) if "pid" in namespaces else -1
        net = _open(namespaces["net"], targets) if "net" in namespaces else -1
        is_child = False

        def work() -> tuple[int, int]:
            nonlocal is_child
            if ipc >= 0:
                setns(ipc, CLONE_NEWIPC)
            if net >= 0:
                setns(net, CLONE_NEWNET)
            clear_command_line()  # which whoever shares the process id namespace could read
            setns(next(fd for fd in (pid, net, ipc) if fd >= 0), CLONE_NEWUSER)
            if pid >= 0:
                setns(pid, CLONE_NEWPID)
            made = clone3(flags, cgroup_fd=cgroup_fd, as_sibling=True)
            is_child = made[0] == 0
            return made

        return _in_helper(work, stays=lambda: is_child)


def _open(target: JoinSpec, opened: Descriptors) -> int:
    """A descriptor of exactly that process. Raises LaunchError when it has ended."""
    try:
        pidfd = opened.add(pidfd_open(target["pid"]))
        if identify(target["pid"], pidfd) == target["identity"]:
            return pidfd
    except ProcessLookupError:
        pass
    raise LaunchError(f"join: container {target['container_id'][:12]} is not running", step="clone")


def _open_of(target_fd: int) -> tuple[int, int]:
    """The shared memory as the other container has it, and the queues of its ipc namespace."""
    setns(target_fd, CLONE_NEWIPC)
    queues_fd = new_mount("mqueue", _LOCKED)
    own_fd = open_namespace(os.getpid(), "mnt")
    setns(target_fd, CLONE_NEWNS)
    place_fd = openat2(AT_FDCWD, _SHARED_MEMORY, os.O_PATH | os.O_DIRECTORY, resolve=RESOLVE_NO_MAGICLINKS)
    if filesystem_magic(place_fd) != TMPFS_MAGIC:
        raise LaunchError("join: the other container has no /dev/shm to share", step="clone")
    shared_memory_fd = open_tree("", directory_fd=place_fd)
    os.close(place_fd)
    setns(own_fd, CLONE_NEWNS)
    os.close(own_fd)
    mount_setattr(shared_memory_fd, attributes=_LOCKED, private=True)
    return shared_memory_fd, queues_fd


def _in_helper(work: Callable[[], tuple[int, int]], *, stays: Callable[[], bool] = lambda: False) -> tuple[int, int]:
    """Two numbers that ``work`` answers in the helper. In a child of the helper's, for which ``stays`` holds, it returns too."""
    reader, writer = os.pipe2(os.O_CLOEXEC)
    _, helper_fd = clone3(CLONE_FILES)
    if helper_fd < 0:
        _run_helper(work, stays, writer)
        return 0, -1
    try:
        _await(helper_fd)
        answer = _read(reader)
    finally:
        for fd in (helper_fd, reader, writer):
            os.close(fd)
    if len(answer) != _RESULT.size:
        raise LaunchError(answer.decode(errors="replace").strip() or "join: the helper was killed", step="clone")
    first, second = _RESULT.unpack(answer)
    return first, second


def _run_helper(work: Callable[[], tuple[int, int]], stays: Callable[[], bool], writer: int) -> None:
    """Returns in the helper's child only."""
    try:
        prctl(PR_SET_DUMPABLE, 0)
        result = work()
        if stays():
            return
        os.write(writer, _RESULT.pack(*result))
    except LaunchError as error:
        os.write(writer, b" " + error.message.encode()[:_MESSAGE_BYTES])
    except Exception as error:  # whatever it is, the supervisor must hear of it
        os.write(writer, f" join: {describe(error)}".encode()[:_MESSAGE_BYTES])
    os._exit(0)


def _await(helper_fd: int) -> None:
    """The other container may have put anything in the helper's way, so not for ever."""
    poll = select.poll()
    poll.register(helper_fd, select.POLLIN)
    if not poll.poll(_PATIENCE_MS):
        signal.pidfd_send_signal(helper_fd, signal.SIGKILL)
    os.waitid(os.P_PIDFD, helper_fd, os.WEXITED)


def _read(reader: int) -> bytes:
    """The helper has ended, so what it has to say is there."""
    os.set_blocking(reader, False)
    try:
        return os.read(reader, _MESSAGE_BYTES + 1)
    except BlockingIOError:
        return b""
