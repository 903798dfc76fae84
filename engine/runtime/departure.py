"""What is to be learnt and cleaned when a process has ended: its status, whether memory ran out, its cgroups.

Thin; decides nothing about when. Part of the supervisor: standard library and no typing at run time.
"""

from __future__ import annotations

import contextlib
import os

from engine.runtime.control_groups import remove_cgroups

TYPE_CHECKING = False
if TYPE_CHECKING:
    from engine.core.launch import CgroupSpec

_FLAGS, _PF_EXITING = 6, 0x4  # place behind the state's bracket in proc(5) stat; linux/sched.h
_OOM_FILES = ("memory.events", "memory.oom_control")  # cgroup v2 and v1; both have a line "oom_kill N"


def reap(pidfd: int) -> int | None:
    """The wait status of an exited child. Raises ChildProcessError when another process is its parent."""
    found = os.waitid(os.P_PIDFD, pidfd, os.WEXITED | os.WNOHANG)
    if found is None:
        return None
    return found.si_status << 8 if found.si_code == os.CLD_EXITED else found.si_status


def shell_status(wait_status: int | None) -> int | None:
    """0-255, or 128 and the signal that killed it; None stays None."""
    if wait_status is None:
        return None
    if os.WIFSIGNALED(wait_status):
        return 128 + os.WTERMSIG(wait_status)
    return os.WEXITSTATUS(wait_status)


def was_out_of_memory(cgroup: CgroupSpec | None) -> bool:
    """Whether the kernel has killed a process of this cgroup for want of memory."""
    if cgroup is None:
        return False
    return any(_oom_kills(f"{directory}/{name}") > 0 for directory in cgroup["join"] for name in _OOM_FILES)


def is_ending(pid: int) -> bool:
    """Whether a process that is not reaped yet has begun to exit: from then on nothing can be born in its pid namespace."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return bool(int(file.read().rsplit(") ", 1)[1].split()[_FLAGS]) & _PF_EXITING)
    except (FileNotFoundError, ProcessLookupError):
        return True


def try_remove_cgroups(cgroup: CgroupSpec) -> bool:
    """End what is left in them and remove them. False when they are busy for now."""
    try:
        remove_cgroups(cgroup)
    except OSError:
        return False
    return True


def _oom_kills(path: str) -> int:
    with contextlib.suppress(OSError), open(path) as file:
        for line in file:
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0
