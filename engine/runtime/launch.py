"""Launching, as the supervisor sees it: make a container or an exec, let it go on, remove what is left.

Single-threaded and without waiting: what may take long (entering v1 cgroups, mounting, looking up users) happens in the child.
Either a launch is whole, or nothing of it is left and LaunchError says which step failed.
"""

import errno
import os
import signal
from typing import NamedTuple

from engine.core.launch import BindSpec, ExecSpec, LaunchSpec, NamespacesSpec, ProcessSpec
from engine.linux import pty
from engine.linux.bpf import attach_device_program, load_device_program
from engine.linux.fscontext import new_mount
from engine.linux.identity import set_effective_user
from engine.linux.mount import MOUNT_ATTR_NODEV, MOUNT_ATTR_NOEXEC, MOUNT_ATTR_NOSUID, MOUNT_ATTR_RDONLY
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
from engine.linux.oom import set_oom_score_adj
from engine.linux.pidfd import pid_of
from engine.linux.prctl import PR_GET_SECUREBITS, PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, prctl
from engine.runtime import enter, init
from engine.runtime.control_groups import (
    Membership,
    delegate,
    make_cgroups,
    open_cgroup_of,
    open_membership,
    remove_cgroups,
    remove_directories,
)
from engine.runtime.descriptors import Descriptors
from engine.runtime.device_rules import device_program
from engine.runtime.filesystem import Prepared
from engine.runtime.joining import clone_joined, open_shared
from engine.runtime.overlay import mount_overlay
from engine.runtime.rlimits import raise_hard_limits
from engine.runtime.rootfs import (
    AttachedMount,
    MountCache,
    as_tuples,
    host_id,
    mount_devices,
    mount_devpts,
    open_bind,
    open_cgroup_view,
)
from engine.runtime.steps import STEPS, LaunchError, as_launch_error, reach
from engine.runtime.streams import ChildStreams, Streams, open_streams
from engine.runtime.waiting_room import waiting_room

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
_OF_HOST = {
    "pid": CLONE_NEWPID,
    "net": CLONE_NEWNET,
    "uts": CLONE_NEWUTS,
    "ipc": CLONE_NEWIPC,
    "cgroup": 0,
}  # the last is unshared by the child
_OWN_ONLY: NamespacesSpec = {"host": []}


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
        if spec["cgroup"].get("delegated"):
            delegate(membership.into, root_uid)
    prepared.cgroups.extend(open_cgroup_view(spec["cgroup"], bench.childs, writable=spec.get("writable_kernel", False)))
    reach("streams")
    programs = _read_programs(spec["process"])
    streams, child_streams = bench.streams(
        open_streams(spec["process"], root_uid=root_uid, open_master=lambda: pty.open_master(prepared.devpts_fd, "ptmx"))
    )
    go, child_go = bench.pipe(child_reads=True)
    errors, child_errors = bench.pipe(child_reads=False)
    reach("clone")
    pid, pidfd = _clone(spec.get("namespaces", _OWN_ONLY), membership, root_uid=root_uid)
    if pid == 0:
        init.run(spec, init.ChildEnd(prepared, membership.tasks, child_streams, programs, child_go, child_errors))
    bench.ours.add(pidfd)
    netns = bench.ours.add(_settle(spec, pid, pidfd))
    os.write(go, init.SETTLED)
    bench.ours.let_go()
    return Launched(pid, pidfd, netns, go, errors, streams)


def _clone(namespaces: NamespacesSpec, membership: Membership, *, root_uid: int) -> tuple[int, int]:
    flags = _NAMESPACES
    for name in namespaces["host"]:
        flags &= ~_OF_HOST[name]
    if not _joins(namespaces):
        return _clone_as(root_uid, flags, membership.into)
    flags &= ~CLONE_NEWUSER
    if "ipc" in namespaces:
        flags &= ~CLONE_NEWIPC
    if "pid" in namespaces:
        flags &= ~CLONE_NEWPID
    if "net" in namespaces:
        flags &= ~CLONE_NEWNET
    return clone_joined(namespaces, flags, cgroup_fd=membership.into)


def _clone_as(root_uid: int, flags: int, cgroup_fd: int) -> tuple[int, int]:
    """The tenant owns the user namespace: what the kernel counts for each user (inotify, timers, message queues, locked memory)
    is counted for the owners of the namespaces above too, and must not be the host's root's, whom all containers would share."""
    pid = -1
    securebits = prctl(PR_GET_SECUREBITS)
    prctl(PR_SET_SECUREBITS, securebits | SECBIT_NO_SETUID_FIXUP)
    try:
        set_effective_user(root_uid)
        pid, pidfd = clone3(flags, cgroup_fd=cgroup_fd)
    finally:
        if pid != 0:  # the child has all rights in its own namespace, and takes its ids there
            set_effective_user(0)
            prctl(PR_SET_SECUREBITS, securebits)
    return pid, pidfd


def _joins(namespaces: NamespacesSpec) -> bool:
    return "ipc" in namespaces or "pid" in namespaces or "net" in namespaces


def _prepare_mounts(spec: LaunchSpec, cache: MountCache, root_uid: int, childs: Descriptors) -> Prepared:
    reach("userns")
    userns_fd = cache.userns(spec["ids"])
    reach("rootfs")
    rootfs_fd = childs.add(mount_overlay(spec["rootfs"], userns_fd=userns_fd, root_uid=root_uid))
    devpts_fd = childs.add(mount_devpts(spec["ids"]))
    reach("binds")
    binds = _open_binds(spec["binds"], userns_fd, childs)
    namespaces = spec.get("namespaces", _OWN_ONLY)
    shared = open_shared(namespaces, childs)
    attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC
    return Prepared(
        rootfs_fd,
        devpts_fd,
        binds,
        [],
        proc_fd=childs.add(new_mount("proc", attributes)) if "pid" in namespaces["host"] else -1,
        sysfs_fd=childs.add(new_mount("sysfs", attributes | MOUNT_ATTR_RDONLY)) if "net" in namespaces["host"] else -1,
        shared_memory_fd=shared.shared_memory_fd,
        queues_fd=shared.queues_fd,
        devices_fd=childs.add(mount_devices(spec["devices"], spec["ids"])) if spec.get("devices") else -1,
        views=tuple(_open_binds(spec.get("proc_views", []), userns_fd, childs)),
    )


def _open_binds(specs: list[BindSpec], userns_fd: int, childs: Descriptors) -> list[AttachedMount]:
    opened = []
    for spec in specs:
        opened.append(open_bind(spec, userns_fd=userns_fd))
        childs.add(opened[-1].mount_fd)
    return opened


def _restrict_devices(spec: LaunchSpec, cache: MountCache, cgroup_fd: int) -> None:
    """A kernel may be built without; that matters only where nothing else holds a container back."""
    rules = spec.get("device_rules", [])
    try:
        with Descriptors() as own:
            program = own.add(load_device_program(device_program(rules))) if rules else cache.device_program()
            attach_device_program(cgroup_fd, program)
    except OSError:
        if spec["cgroup"]["version"] == 2 and "CAP_SYS_ADMIN" in spec["process"]["capabilities"]:
            raise


def _settle(spec: LaunchSpec, pid: int, pidfd: int) -> int:
    """Give the child its ids; answers its network namespace. The child is gone when this fails."""
    try:
        reach("maps")
        if not _joins(spec.get("namespaces", _OWN_ONLY)):
            write_id_maps(pid, as_tuples(spec["ids"]))
        set_oom_score_adj(spec["process"]["oom_score_adj"], pid=pid)  # not by itself: it could go back to ours
        raise_hard_limits(spec["process"]["rlimits"], pid=pid)
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
    programs = _read_programs(spec["process"])
    reach("streams")
    streams, child_streams = bench.streams(
        open_streams(
            spec["process"], root_uid=root_id_of(container_pid), open_master=lambda: _open_container_master(container_pid)
        )
    )
    errors, child_errors = bench.pipe(child_reads=False)
    reach("clone")
    pid, pidfd = _clone_inside(container_pidfd, container_pid, membership, bench)
    if pid == 0:
        enter.run(spec, enter.EnterEnd(container_pidfd, membership.tasks, child_streams, programs, child_errors))
    set_oom_score_adj(spec["process"]["oom_score_adj"], pid=pid)
    bench.ours.let_go()
    return Launched(pid, pidfd, -1, -1, errors, streams)


def _clone_inside(pidfd: int, pid: int, membership: Membership, bench: _Bench) -> tuple[int, int]:
    """Where an init has spread controllers below the container's cgroup, no process may be in that itself: then beside it."""
    try:
        return _clone_into_pid_namespace(pidfd, membership.into)
    except OSError as error:
        if error.errno not in (errno.EBUSY, errno.EOPNOTSUPP) or membership.into < 0:
            raise
    return _clone_into_pid_namespace(pidfd, bench.childs.add(open_cgroup_of(pid, membership.into)))


def _clone_into_pid_namespace(container_pidfd: int, cgroup_fd: int) -> tuple[int, int]:
    """A child of ours that is born in the container's pid namespace: where children go can be set apart from where we are."""
    own = open_namespace(os.getpid(), "pid")
    pid = -1
    try:
        setns(container_pidfd, CLONE_NEWPID)
        try:
            with waiting_room():
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
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise LaunchError("no terminal is left: those that the container may have are in use, end some", step="streams") from None
    finally:
        os.close(root_fd)


def _read_programs(process: ProcessSpec) -> list[bytes]:
    """The compiled seccomp filters; read here, as the child cannot reach the data folder."""
    programs = []
    for path in (process["seccomp"], process.get("further_seccomp", "")):
        if path:
            with open(path, "rb") as file:
                programs.append(file.read())
    return programs
