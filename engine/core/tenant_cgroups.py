"""Limits of a tenant that the kernel keeps on its cgroup: processor time, memory, swap, processes; as values of control files.

Owns the arithmetic for version 1 and 2 and the orders of writes that the kernel accepts while children are below. Pure: others
look at what is there, and write.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from engine.core.launch import CgroupSpec, FileWrite
from engine.core.limits import CPU_PERIOD_US, SOCKETS_V1, CgroupLayout, cgroup_path
from engine.core.tenants import Tenant
from engine.errors import InvalidParameter, Unavailable

UNLIMITED = -1
_CONTROLLERS_V1 = ("memory", "cpu", "pids")
_CONTROLLERS_V2 = ("cpu", "memory", "pids", "io", "cpuset")
_NO_PATH = ""


@dataclass(frozen=True, slots=True)
class Ceilings:
    """That part of a tenant's limits; None: no limit. ``swap_bytes`` is beyond memory."""

    cpus: float | None = None
    memory_bytes: int | None = None
    swap_bytes: int | None = None
    pids: int | None = None

    @property
    def is_limited(self) -> bool:
        return self != NO_CEILINGS

    @property
    def quota_us(self) -> int | None:
        """Processor time in each period."""
        return None if self.cpus is None else max(1000, round(self.cpus * CPU_PERIOD_US))

    @property
    def memory_v1(self) -> tuple[int, int]:
        """Memory, and memory with swap, as version 1 counts them."""
        if self.memory_bytes is None:
            return UNLIMITED, UNLIMITED
        return self.memory_bytes, UNLIMITED if self.swap_bytes is None else self.memory_bytes + self.swap_bytes


NO_CEILINGS = Ceilings()


def tenant_path(instance: str, tenant: Tenant) -> list[str]:
    """Return the path of a tenant's cgroup below each hierarchy, part by part."""
    return cgroup_path(instance, tenant, _NO_PATH)[:-1]


def check_ceilings(layout: CgroupLayout, ceilings: Ceilings, *, counts_swap: bool) -> None:
    """Raise InvalidParameter, Unavailable for what this host cannot hold. ``counts_swap``: version 1 with memory and swap."""
    if ceilings.swap_bytes is not None:
        if layout.version == 1 and ceilings.memory_bytes is None:
            raise InvalidParameter(
                "limit swap cannot hold without limit memory here: version 1 of cgroups counts both together, set memory too"
            )
        if not counts_swap:
            raise Unavailable(
                "limit swap cannot hold here: this kernel does not count swap, leave it out or boot with swapaccount=1"
            )
    needed = (("cpus", "cpu", ceilings.cpus), ("memory", "memory", ceilings.memory_bytes), ("pids", "pids", ceilings.pids))
    for name, controller, value in needed:
        if value is not None and layout.version == 1 and controller not in layout.mounts:
            raise Unavailable(f"limit {name} cannot hold here: this host has no {controller} cgroup controller")


def plan_tenant_directories(layout: CgroupLayout, path: Sequence[str], *, has_cpuset: bool = False) -> CgroupSpec:
    """Return what has to be there before a tenant's limits can be written, controllers switched on down to its containers."""
    if layout.version == 2:
        directories = _descend(layout.unified, path)
        writes = [_switch_on(parent, name) for parent in (layout.unified, *directories) for name in _CONTROLLERS_V2]
        return {"version": 2, "directories": directories, "writes": writes, "join": []}
    names = [*_CONTROLLERS_V1, *(["cpuset"] if has_cpuset else [])]
    roots = [*(layout.mounts[name] for name in names if name in layout.mounts), *([layout.unified] if layout.unified else [])]
    below = [directory for root in dict.fromkeys(roots) for directory in _descend(root, path)]
    return {"version": 1, "directories": below, "writes": [], "join": []}


def plan_values(layout: CgroupLayout, path: Sequence[str], ceilings: Ceilings) -> list[FileWrite]:
    """Return what is written as it is, whatever was there.

    On version 1 processes and what packets take, on version 2 all but ``memory.max``.
    What stays of a lowering of memory that was cut off is lifted.
    """
    if layout.version == 1:
        pids, memory = (layout.mounts.get(name, _NO_PATH) for name in ("pids", "memory"))
        sockets = str(UNLIMITED if ceilings.memory_bytes is None else ceilings.memory_bytes)
        return [
            *([_ceiling("/".join([pids, *path]), "pids.max", ceilings.pids)] if pids else []),
            *([_write("/".join([memory, *path]), SOCKETS_V1, sockets)] if memory else []),
        ]
    directory = "/".join([layout.unified, *path])
    return [
        _ceiling(directory, "pids.max", ceilings.pids),
        _ceiling(directory, "cpu.max", ceilings.quota_us, f" {CPU_PERIOD_US}"),
        _ceiling(directory, "memory.swap.max", ceilings.swap_bytes),
        _write(directory, "memory.high", "max"),
    ]


def puts_sum_first(*, memory_bytes: int, sum_before: int) -> bool:
    """Whether memory and swap together have to be raised before memory is: it may never pass that sum (version 1)."""
    return sum_before != UNLIMITED and (memory_bytes == UNLIMITED or memory_bytes > sum_before)


def quota_within(own: tuple[int, int] | None, around: Iterable[int | None]) -> int:
    """Return what a container or member may have below those around it, whose quotas are given for the usual period.

    Version 1 refuses more than a parent has; what is wider has none of its own, as it is held by those around it.
    """
    if own is None:
        return UNLIMITED
    quota, period = own
    is_wider = any(limit is not None and quota * CPU_PERIOD_US > limit * period for limit in around)
    return UNLIMITED if is_wider else quota


def order_quotas(present: Mapping[str, int], wanted: Mapping[str, int]) -> list[tuple[str, int]]:
    """Return the writes of quotas (directory, quota) that version 1 accepts one by one: no child has ever more than its parent.

    What is raised goes from the top down, then what is lowered from the bottom up.
    """
    changed = {directory: quota for directory, quota in wanted.items() if present.get(directory, quota) != quota}
    raised = [one for one in changed if _is_more(changed[one], present[one])]
    lowered = [one for one in changed if one not in raised]
    order = [*sorted(raised, key=_depth), *sorted(lowered, key=_depth, reverse=True)]
    return [(directory, changed[directory]) for directory in order]


def order_sets(present: Mapping[str, frozenset[int]], wanted: Mapping[str, frozenset[int]]) -> list[tuple[str, frozenset[int]]]:
    """Return the writes of processors (directory, set) that version 1 accepts one by one: a child's are always its parent's too.

    First all are widened from the top down, then narrowed from the bottom up.
    """
    known = [directory for directory in sorted(wanted, key=_depth) if directory in present]
    widened = {directory: present[directory] | wanted[directory] for directory in known}
    first = [(directory, widened[directory]) for directory in known if widened[directory] != present[directory]]
    then = [(directory, wanted[directory]) for directory in reversed(known) if wanted[directory] != widened[directory]]
    return [*first, *then]


def _is_more(quota: int, than: int) -> bool:
    return than != UNLIMITED and (quota == UNLIMITED or quota > than)


def _depth(directory: str) -> int:
    return directory.count("/")


def _descend(root: str, path: Sequence[str]) -> list[str]:
    return ["/".join([root, *path[: depth + 1]]) for depth in range(len(path))]


def _switch_on(directory: str, controller: str) -> FileWrite:
    return _write(directory, "cgroup.subtree_control", f"+{controller}")


def _ceiling(directory: str, name: str, value: int | None, rest: str = "") -> FileWrite:
    """A limit that is not there needs no file to be there."""
    return {"path": f"{directory}/{name}", "value": ("max" if value is None else str(value)) + rest, "optional": value is None}


def _write(directory: str, name: str, value: str) -> FileWrite:
    return {"path": f"{directory}/{name}", "value": value, "optional": True}
