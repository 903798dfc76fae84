"""Launching, as the supervisor sees it: make a container or an exec, let it go on, remove what is left.

Single-threaded and without waiting: what may take long (entering v1 cgroups, mounting, looking up users) happens in the child.
Either a launch is whole, or nothing of it is left and LaunchError says which step failed.
"""

import os
import signal
from typing import NamedTuple

from engine.core.launch import ExecSpec, LaunchSpec
from engine.linux import pty
from engine.linux.bpf import attach_device_program
from engine.linux.namespaces import (
    CLONE_NEWIPC,
    CLONE_NEWNET,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWUSER,
    CLONE_NEWUTS,
    clone3,
    open_namespace,
    root_id_of,
    setns,
    write_id_maps,
)
from engine.linux.pidfd import pid_of
from engine.runtime import enter, init
from engine.runtime.control_groups import make_cgroups, open_membership, remove_cgroups, remove_directories
from engine.runtime.descriptors import Descriptors
from engine.runtime.filesystem import Prepared
from engine.runtime.overlay import mount_overlay
from engine.runtime.rootfs import MountCache, as_tuples, host_id, mount_devpts, open_bind, open_cgroup_view
from engine.runtime.steps import STEPS, LaunchError, as_launch_error, reach
from engine.runtime.streams import ChildStreams, Streams, open_streams

__all__ = [
    "STEPS",
    "LaunchError",
    "Launched",
    "MountCache",
    "Streams",
    "create_container",
    "enter_container",
    "release",
    "remove_cgroups",
]

_NAMESPACES = CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWIPC


class Launched(NamedTuple):
    """A process that exists but has not become the user's command. All descriptors are the caller's and close-on-exec.

    ``errors`` ends without a byte when the command runs; else it holds one JSON object {"message", "exit_code", "step"}.
    """

    pid: int
    pidfd: int
    netns: int
    go: int
    errors: int
    streams: Streams


class _Bench(NamedTuple):
    """Descriptors of a launch under way. ``ours`` are closed when it fails, ``childs`` always: the child has its own copies."""

    ours: Descriptors
    childs: Descriptors

    def pipe(self, *, child_reads: bool) -> tuple[int, int]:
        """A pipe as (our end, the child's end)."""
        reader, writer = os.pipe2(os.O_CLOEXEC)
        own, child = (writer, reader) if child_reads else (reader, writer)
        return self.ours.add(own), self.childs.add(child)

    def streams(self, pair: tuple[Streams, ChildStreams]) -> tuple[Streams, ChildStreams]:
        """Take charge of both sides."""
        for bag, fds in ((self.ours, set(pair[0])), (self.childs, set(pair[1].fds()))):
            for fd in fds - {-1}:
                bag.add(fd)
        return pair


def create_container(spec: LaunchSpec, cache: MountCache) -> Launched:
    """Make a container up to the point where it waits for ``release``. Raises LaunchError, with everything undone."""
    made: list[str] = []
    try:
        with Descriptors() as ours, Descriptors() as childs:
            return _create(spec, cache, made, _Bench(ours, childs))
    except (OSError, ValueError, KeyError, LaunchError) as error:
        remove_directories(made)
        raise as_launch_error(error) from error


def release(go_fd: int, netlink: list[bytes]) -> None:
    """Let a created container go on, with the messages that set up its interfaces; closes ``go_fd``.

    When the child has failed before, nothing is said here: its errors pipe tells.
    """
    data = b"".join(message + bytes(-len(message) % 4) for message in netlink)
    try:
        os.write(go_fd, init.GO_HEADER.pack(len(data)) + data)
    except BrokenPipeError:
        pass
    finally:
        os.close(go_fd)


def enter_container(spec: ExecSpec, pidfd: int) -> Launched:
    """Start a further process in the container whose PID 1 is ``pidfd``. Raises LaunchError, with everything undone."""
    try:
        with Descriptors() as ours, Descriptors() as childs:
            return _enter(spec, pidfd, _Bench(ours, childs))
    except (OSError, ValueError, KeyError, LaunchError) as error:
        raise as_launch_error(error) from error


def _create(spec: LaunchSpec, cache: MountCache, made: list[str], bench: _Bench) -> Launched:
    root_uid = host_id(spec["ids"], 0)
    prepared = _prepare_mounts(spec, cache, root_uid, bench.childs)
    reach("cgroups")
    made += make_cgroups(spec["cgroup"])
    membership = open_membership(spec["cgroup"]["join"], bench.childs)
    if membership.into >= 0:
        _restrict_devices(spec, cache, membership.into)
    prepared.cgroups.extend(open_cgroup_view(spec["cgroup"], bench.childs))
    reach("streams")
    program = _read_program(spec["process"]["seccomp"])
    streams, child_streams = bench.streams(
        open_streams(spec["process"], root_uid=root_uid, open_master=lambda: pty.open_master(prepared.devpts_fd, "ptmx"))
    )
    go, child_go = bench.pipe(child_reads=True)
    errors, child_errors = bench.pipe(child_reads=False)
    reach("clone")
    pid, pidfd = clone3(_NAMESPACES, cgroup_fd=membership.into)
    if pid == 0:
        init.run(spec, init.ChildEnd(prepared, membership.tasks, child_streams, program, child_go, child_errors))
    bench.ours.add(pidfd)
    netns = bench.ours.add(_settle(spec, pid, pidfd))
    os.write(go, init.SETTLED)
    bench.ours.let_go()
    return Launched(pid, pidfd, netns, go, errors, streams)


def _prepare_mounts(spec: LaunchSpec, cache: MountCache, root_uid: int, childs: Descriptors) -> Prepared:
    reach("userns")
    userns_fd = cache.userns(spec["ids"])
    reach("rootfs")
    rootfs_fd = childs.add(mount_overlay(spec["rootfs"], userns_fd=userns_fd, root_uid=root_uid))
    devpts_fd = childs.add(mount_devpts(spec["ids"]))
    reach("binds")
    binds = []
    for bind in spec["binds"]:
        binds.append(open_bind(bind, userns_fd=userns_fd))
        childs.add(binds[-1].mount_fd)
    return Prepared(rootfs_fd, devpts_fd, binds, [])


def _restrict_devices(spec: LaunchSpec, cache: MountCache, cgroup_fd: int) -> None:
    """A kernel may be built without; that matters only where nothing else holds a container back."""
    try:
        attach_device_program(cgroup_fd, cache.device_program())
    except OSError:
        if spec["cgroup"]["version"] == 2 and "CAP_SYS_ADMIN" in spec["process"]["capabilities"]:
            raise


def _settle(spec: LaunchSpec, pid: int, pidfd: int) -> int:
    """Give the child its ids; answers its network namespace. The child is gone when this fails."""
    try:
        reach("maps")
        write_id_maps(pid, as_tuples(spec["ids"]))
        reach("netns")
        return open_namespace(pid, "net")
    except OSError:
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        os.waitid(os.P_PIDFD, pidfd, os.WEXITED)
        raise


def _enter(spec: ExecSpec, container_pidfd: int, bench: _Bench) -> Launched:
    reach("join")
    membership = open_membership(spec["cgroup_join"], bench.childs)
    container_pid = pid_of(container_pidfd)
    if container_pid <= 0:
        raise LaunchError(f"container {spec['container_id']} is not running", step="join")
    program = _read_program(spec["process"]["seccomp"])
    reach("streams")
    streams, child_streams = bench.streams(
        open_streams(
            spec["process"], root_uid=root_id_of(container_pid), open_master=lambda: _open_container_master(container_pid)
        )
    )
    errors, child_errors = bench.pipe(child_reads=False)
    reach("clone")
    pid, pidfd = _clone_into_pid_namespace(container_pidfd, membership.into)
    if pid == 0:
        enter.run(spec, enter.EnterEnd(container_pidfd, membership.tasks, child_streams, program, child_errors))
    bench.ours.let_go()
    return Launched(pid, pidfd, -1, -1, errors, streams)


def _clone_into_pid_namespace(container_pidfd: int, cgroup_fd: int) -> tuple[int, int]:
    """A child of ours that is born in the container's pid namespace: where children go can be set apart from where we are."""
    own = open_namespace(os.getpid(), "pid")
    pid = -1
    try:
        setns(container_pidfd, CLONE_NEWPID)
        try:
            pid, pidfd = clone3(0, cgroup_fd=cgroup_fd)
        finally:
            if pid != 0:
                setns(own, CLONE_NEWPID)
    finally:
        os.close(own)
    return pid, pidfd


def _open_container_master(container_pid: int) -> int:
    """A new terminal of the container's own devpts, so that its name means something inside."""
    root_fd = os.open(f"/proc/{container_pid}/root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return pty.open_master(root_fd, "dev/pts/ptmx")
    finally:
        os.close(root_fd)


def _read_program(path: str) -> bytes:
    """The compiled seccomp filter; read here, as the child cannot reach the data folder."""
    if not path:
        return b""
    with open(path, "rb") as file:
        return file.read()
