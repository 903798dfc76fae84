"""Changing the limits of a container that may be running: what is wanted over what is, and the writes that bring it about.

Owns the merging and the order of writes. Pure: the values of control files are ``limits``'s, others write them.
"""

from dataclasses import dataclass, replace

from engine.core.launch import CgroupSpec, FileWrite
from engine.core.limits import CPU_PERIOD_US, CgroupLayout, Limits, cpu_quota, plan_cgroup, swap_total
from engine.errors import Conflict

UNLIMITED = -1
# What the kernel starts with, for a limit that is taken away.
_DEFAULTS = {
    "memory.max": "max",
    "memory.swap.max": "max",
    "memory.low": "0",
    "cpu.max": f"max {CPU_PERIOD_US}",
    "cpu.weight": "100",
    "pids.max": "max",
    "memory.limit_in_bytes": "-1",
    "memory.memsw.limit_in_bytes": "-1",
    "memory.soft_limit_in_bytes": "-1",
    "cpu.cfs_quota_us": "-1",
    "cpu.cfs_period_us": str(CPU_PERIOD_US),
    "cpu.shares": "1024",
}


@dataclass(frozen=True, slots=True)
class LimitChanges:
    """What a client wants changed; None and empty texts: leave as it is. UNLIMITED takes pids, quota, swap or a rate away."""

    memory_bytes: int | None = None
    memory_reservation_bytes: int | None = None
    memory_swap_bytes: int | None = None
    nano_cpus: int | None = None
    cpu_shares: int | None = None
    cpu_period_us: int | None = None
    cpu_quota_us: int | None = None
    cpuset_cpus: str = ""
    cpuset_mems: str = ""
    pids: int | None = None
    blkio_weight: int | None = None
    network_in_bps: int | None = None
    network_out_bps: int | None = None


def merge_limits(present: Limits, wanted: LimitChanges) -> Limits:
    """Return the limits as they are to be. Raises Conflict for a change that only goes together with another."""
    _check_processor_time(present, wanted)
    _check_swap(present, wanted)
    merged = replace(
        present,
        memory_bytes=_or(wanted.memory_bytes, present.memory_bytes),
        memory_reservation_bytes=_or(wanted.memory_reservation_bytes, present.memory_reservation_bytes),
        memory_swap_bytes=_or(wanted.memory_swap_bytes, present.memory_swap_bytes or swap_total(present)),
        nano_cpus=_or(wanted.nano_cpus, present.nano_cpus),
        cpu_shares=_or(wanted.cpu_shares, present.cpu_shares),
        cpu_period_us=_or(wanted.cpu_period_us, present.cpu_period_us),
        cpu_quota_us=_or(wanted.cpu_quota_us, present.cpu_quota_us),
        cpuset_cpus=wanted.cpuset_cpus or present.cpuset_cpus,
        cpuset_mems=wanted.cpuset_mems or present.cpuset_mems,
        pids=_or(wanted.pids, present.pids),
        blkio_weight=_or(wanted.blkio_weight, present.blkio_weight),
        network_in_bps=_or(wanted.network_in_bps, present.network_in_bps),
        network_out_bps=_or(wanted.network_out_bps, present.network_out_bps),
    )
    return replace(
        merged,
        memory_swap_bytes=merged.memory_swap_bytes or swap_total(merged),
        pids=_none_if_unlimited(merged.pids),
        cpu_quota_us=_none_if_unlimited(merged.cpu_quota_us),
        network_in_bps=_none_if_unlimited(merged.network_in_bps),
        network_out_bps=_none_if_unlimited(merged.network_out_bps),
    )


def _or(wanted: int | None, present: int | None) -> int | None:
    return present if wanted is None else wanted


def _none_if_unlimited(value: int | None) -> int | None:
    return None if value == UNLIMITED else value


def _check_processor_time(present: Limits, wanted: LimitChanges) -> None:
    if wanted.nano_cpus and (present.cpu_period_us or present.cpu_quota_us):
        raise Conflict("conflicting options: cpus cannot be updated as a cpu period or quota has already been set")
    if present.nano_cpus and (wanted.cpu_period_us or wanted.cpu_quota_us):
        raise Conflict("conflicting options: cpu period and quota cannot be updated as cpus have already been set")


def _check_swap(present: Limits, wanted: LimitChanges) -> None:
    if wanted.memory_bytes is None or wanted.memory_swap_bytes is not None:
        return
    swap = present.memory_swap_bytes or swap_total(present)
    if swap is not None and swap != UNLIMITED and wanted.memory_bytes > swap:
        raise Conflict(
            f"memory limit {wanted.memory_bytes} should be smaller than already set memoryswap limit {swap}:"
            " update the memoryswap at the same time"
        )


def plan_limit_writes(layout: CgroupLayout, path: list[str], before: Limits, after: Limits) -> list[FileWrite]:
    """Return the writes that turn one set of limits into the other, in an order that the kernel accepts at each step.

    Those of cgroups that are joined on top are not among them.
    """
    fresh = plan_new_groups(layout, path, before, after)["directories"]
    old = plan_cgroup(layout, path, before)["writes"]
    new = [write for write in plan_cgroup(layout, path, after)["writes"] if _folder(write) not in fresh]
    standing = {(write["path"], write["value"]) for write in old}
    named = {write["path"] for write in new}
    changed = [write for write in new if (write["path"], write["value"]) not in standing]
    changed += [_default(write) for write in old if write["path"] not in named and _name(write) in _DEFAULTS]
    if _needs_swap_first(before, after):
        _put_first(changed, "memory.memsw.limit_in_bytes", "memory.limit_in_bytes")
    if _needs_quota_first(before, after):
        _put_first(changed, "cpu.cfs_quota_us", "cpu.cfs_period_us")
    return changed


def plan_new_groups(layout: CgroupLayout, path: list[str], before: Limits, after: Limits) -> CgroupSpec:
    """Return the cgroups that a container has to join on top: a controller of version 1 is joined only when it is needed."""
    old, new = plan_cgroup(layout, path, before), plan_cgroup(layout, path, after)
    directories = [directory for directory in new["directories"] if directory not in old["directories"]]
    return {
        "version": new["version"],
        "directories": directories,
        "writes": [write for write in new["writes"] if _folder(write) in directories],
        "join": [directory for directory in new["join"] if directory not in old["join"]],
    }


def _needs_swap_first(before: Limits, after: Limits) -> bool:
    """Memory may never pass memory and swap together: raised above the old sum, the sum goes first."""
    total = swap_total(before)
    return total is not None and after.memory_bytes is not None and after.memory_bytes > total


def _needs_quota_first(before: Limits, after: Limits) -> bool:
    """The share in between is to be no larger than the one before or after: a parent's limit may just allow those."""
    old, new = cpu_quota(before), cpu_quota(after)
    if new is None:
        return old is not None
    return new[1] < (old[1] if old else CPU_PERIOD_US)


def _put_first(writes: list[FileWrite], first: str, second: str) -> None:
    names = [_name(write) for write in writes]
    if first in names and second in names and names.index(first) > names.index(second):
        writes.insert(names.index(second), writes.pop(names.index(first)))


def _folder(write: FileWrite) -> str:
    return write["path"].rpartition("/")[0]


def _name(write: FileWrite) -> str:
    return write["path"].rpartition("/")[2]


def _default(write: FileWrite) -> FileWrite:
    return {"path": write["path"], "value": _DEFAULTS[_name(write)], "optional": write["optional"]}
