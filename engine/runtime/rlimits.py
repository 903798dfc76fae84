"""Resource limits of a container's processes. Part of the supervisor and of its children.

Raising a hard limit takes CAP_SYS_RESOURCE on the host, which no process in a container has: it is done from outside, or before
one is entered, where the engine has that right. A wish that cannot be granted ends at the present limit; the daemon has said so.
"""

import contextlib
import resource

from engine.core.launch import Rlimit
from engine.linux.capabilities import raised
from engine.runtime.steps import LaunchError


def raise_hard_limits(rlimits: list[Rlimit], *, pid: int) -> None:
    """Raise those of a process, 0 for the caller, that are below the wish, as far as the kernel lets us."""
    for wish in rlimits:
        number = _number(wish)
        soft, present = resource.getrlimit(number)  # a process that was just born has those of its maker
        if present >= 0 and (wish["hard"] < 0 or wish["hard"] > present):
            with raised("CAP_SYS_RESOURCE"), contextlib.suppress(PermissionError, ValueError):
                resource.prlimit(pid, number, (soft, wish["hard"]))


def lower_limits(rlimits: list[Rlimit]) -> None:
    """Set those of the caller."""
    for wish in rlimits:
        number = _number(wish)
        _, present = resource.getrlimit(number)
        hard = _least(wish["hard"], present)
        resource.setrlimit(number, (_least(wish["soft"], hard), hard))


def _number(wish: Rlimit) -> int:
    number: int | None = getattr(resource, f"RLIMIT_{wish['name'].upper()}", None)
    if number is None:
        raise LaunchError(f"unknown resource limit {wish['name']!r}, see getrlimit(2)", step="rlimits")
    return number


def _least(wish: int, ceiling: int) -> int:
    """The smaller of two limits, where a negative one means none."""
    if ceiling < 0:
        return wish
    return ceiling if wish < 0 else min(wish, ceiling)
