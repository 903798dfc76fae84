"""clone3(2), setns(2), unshare(2), user id maps. Only for single-threaded processes: namespaces belong to a thread."""

import ctypes
import os
import signal

from engine.linux.libc import CLONE3, call, python, syscall

CLONE_FILES = 0x00000400
CLONE_PIDFD = 0x00001000
CLONE_PARENT = 0x00008000
CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
CLONE_INTO_CGROUP = 0x200000000


class _CloneArgs(ctypes.Structure):
    _fields_ = tuple(
        (name, ctypes.c_uint64)
        for name in (
            "flags",
            "pidfd",
            "child_tid",
            "parent_tid",
            "exit_signal",
            "stack",
            "stack_size",
            "tls",
            "set_tid",
            "set_tid_size",
            "cgroup",
        )
    )


def clone3(flags: int, *, cgroup_fd: int = -1, as_sibling: bool = False) -> tuple[int, int]:
    """Fork into new namespaces. Answers (pid, pidfd) in the parent, (0, -1) in the child.

    ``cgroup_fd`` is a cgroup v2 directory that the child is to be born in; ``as_sibling`` makes it a child of the caller's own
    parent. The interpreter is told as os.fork would tell it.
    """
    pidfd = ctypes.c_int(-1)
    arguments = _CloneArgs(flags=flags | CLONE_PIDFD, pidfd=ctypes.addressof(pidfd), exit_signal=signal.SIGCHLD)
    if as_sibling:  # its exit signal is the caller's then
        arguments.flags |= CLONE_PARENT
        arguments.exit_signal = 0
    if cgroup_fd >= 0:
        arguments.flags |= CLONE_INTO_CGROUP
        arguments.cgroup = cgroup_fd
    python.PyOS_BeforeFork()
    try:
        pid = syscall(CLONE3, ctypes.byref(arguments), ctypes.sizeof(arguments), subject="clone3")
    except OSError:
        python.PyOS_AfterFork_Parent()
        raise
    if pid == 0:
        python.PyOS_AfterFork_Child()
        return 0, -1
    python.PyOS_AfterFork_Parent()
    return pid, pidfd.value


def unshare(flags: int) -> None:
    """unshare(2). Raises OSError."""
    call("unshare", flags, subject=f"unshare {flags:#x}")


def setns(fd: int, flags: int) -> None:
    """setns(2) with a namespace file, or with a pidfd and the namespaces wanted from it. Raises OSError."""
    call("setns", fd, flags, subject=f"setns {flags:#x}")


def write_id_maps(pid: int, mappings: list[tuple[int, int, int]]) -> None:
    """Give the user namespace of a process its ids: (inside, outside, length), the same for users and groups."""
    text = "".join(f"{inside} {outside} {length}\n" for inside, outside, length in mappings).encode()
    for name in ("gid_map", "uid_map"):
        with open(f"/proc/{pid}/{name}", "wb", buffering=0) as file:
            file.write(text)


def open_namespace(pid: int, name: str) -> int:
    """A descriptor of a process's namespace, such as ``net``."""
    return os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY | os.O_CLOEXEC)


def root_id_of(pid: int) -> int:
    """The id on the host of user 0 of a process's user namespace, -1 when it has none."""
    with open(f"/proc/{pid}/uid_map") as file:
        entries = [[int(field) for field in line.split()] for line in file]
    return next((outside for inside, outside, _ in entries if inside == 0), -1)
