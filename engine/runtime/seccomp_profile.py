"""System call filters as data, and the engine's default for a set of capabilities. Daemon only."""

import errno
import platform
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from engine.runtime.seccomp_calls import ALLOWED, BY_ARCHITECTURE, BY_CAPABILITY

Comparison = Literal["NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"]
Action = Literal["ALLOW", "ERRNO", "KILL", "KILL_PROCESS", "TRAP", "LOG"]

# All namespace flags of clone(2): CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET.
_NEW_NAMESPACES = 0x7E020000
_AF_ALG = 38  # kernel crypto: a large attack surface
_AF_VSOCK = 40  # reaches the hypervisor's side, past every network namespace
_AF_XDP = 44  # its queues are memory of the host's, of any size, that no cgroup counts
_REFUSED_FAMILIES = (_AF_ALG, _AF_VSOCK, _AF_XDP)
# personality(2): Linux, Linux with 4 GB, and both with UNAME26; 0xffffffff asks what it is.
_PERSONALITIES = (0x0, 0x8, 0x20000, 0x20008, 0xFFFFFFFF)


@dataclass(frozen=True, slots=True)
class Condition:
    """Argument number ``index`` compared with ``value``; MASKED_EQ compares it, masked by ``value``, with ``second``."""

    index: int
    comparison: Comparison
    value: int
    second: int = 0


@dataclass(frozen=True, slots=True)
class Rule:
    """What happens to these calls when all conditions hold: ``errno`` 0 allows them, unless there is another ``action``."""

    names: tuple[str, ...]
    errno: int = 0
    conditions: tuple[Condition, ...] = ()
    action: Action | None = None

    @property
    def effect(self) -> tuple[Action, int]:
        """The action, and the number that goes with ERRNO."""
        return _effect(self.action, self.errno)


@dataclass(frozen=True, slots=True)
class Profile:
    """``default_errno`` 0 allows what no rule names, unless there is another ``default_action``."""

    default_errno: int
    rules: tuple[Rule, ...]
    default_action: Action | None = None
    has_old_socket_gate: bool = True  # see default_profile
    may_make_subvolumes: bool = True  # see default_profile
    may_size_fanouts: bool = True  # see default_profile

    @property
    def default_effect(self) -> tuple[Action, int]:
        """As that of a rule."""
        return _effect(self.default_action, self.default_errno)


def _effect(action: Action | None, number: int) -> tuple[Action, int]:
    return action or ("ERRNO" if number else "ALLOW"), number


def default_profile(capabilities: Collection[str], *, machine: str = platform.machine()) -> Profile:
    """The engine's own filter for a container that has these capabilities.

    It has no socketcall(2) that makes a socket or sets an option: there 32-bit programs have all of it behind a pointer, where no
    filter can look. Those who ask for it make calls of their own then, which have had numbers since Linux 4.3. Nor can btrfs
    subvolumes be made or marked in a volume: a subvolume is a quota group of its own, so that what lies in it counts nowhere, and
    the mark of one that was received, given to some two thousand, fills an item: Linux 6.18.44 refuses more, older kernels may
    give up the file system. Nor can groups of packet sockets be given a size: each may take half a MiB that no cgroup counts.
    """
    rules = [Rule((*ALLOWED, *BY_ARCHITECTURE.get(machine, ())))]
    between = set(range(_AF_ALG, _AF_XDP)) - set(_REFUSED_FAMILIES)
    rules += [Rule(("socket",), conditions=(Condition(0, "LT", _AF_ALG),))]
    rules += [Rule(("socket",), conditions=(Condition(0, "EQ", family),)) for family in sorted(between)]
    rules += [Rule(("socket",), conditions=(Condition(0, "GT", _AF_XDP),))]
    rules += [Rule(("personality",), conditions=(Condition(0, "EQ", value),)) for value in _PERSONALITIES]
    rules += [Rule(tuple(names.split())) for capability, names in BY_CAPABILITY.items() if capability in capabilities]
    if "CAP_SYS_ADMIN" not in capabilities:
        rules.append(Rule(("clone",), conditions=(Condition(0, "MASKED_EQ", _NEW_NAMESPACES, 0),)))
        # Its flags are behind a pointer, where no filter can look; the C library takes clone instead on this answer.
        rules.append(Rule(("clone3",), errno=errno.ENOSYS))
    return Profile(errno.EPERM, tuple(rules), has_old_socket_gate=False, may_make_subvolumes=False, may_size_fanouts=False)
