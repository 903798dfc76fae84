"""Limits of one container, and what they mean as values of the kernel's control files.

Owns the arithmetic between Docker's numbers and cgroup v1 and v2. Pure: it plans directories and writes, others make them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from engine.core.launch import CgroupSpec, FileWrite
from engine.core.tenants import Tenant
from engine.errors import InvalidParameter

CPU_PERIOD_US = 100_000
TENANT_PIDS = 4096
NETWORK_LEAST_BPS, NETWORK_MOST_BPS = 4096, 2**40  # less than some packets a second would stall every connection for good
MEMORY_LEAST_BYTES = 6 * 2**20  # as dockerd: below this the first process cannot start
_PIDS_MOST = 2**22  # PID_MAX_LIMIT of the kernel
_CPU_QUOTA_MOST_US = 2**44 - 1  # the kernel's MAX_BW
_NS_PER_SECOND = 10**9
SOCKETS_V1 = "memory.kmem.tcp.limit_in_bytes"  # of UDP too
_CONTROLLERS_V1 = ("memory", "cpu", "cpuacct", "pids", "devices", "freezer", "blkio")
_CONTROLLERS_V2 = ("cpu", "memory", "pids", "io", "cpuset")
# null zero full random urandom tty console ptmx, and pseudo terminals; mknod alone is harmless since the node cannot be opened.
_DEVICES = (
    *("c *:* m", "b *:* m", "c 1:3 rwm", "c 1:5 rwm", "c 1:7 rwm", "c 1:8 rwm", "c 1:9 rwm"),
    *("c 5:0 rwm", "c 5:1 rwm", "c 5:2 rwm", "c 136:* rwm"),
)


@dataclass(frozen=True, slots=True)
class DeviceValue:
    """A weight or a rate (each second) of a block device; ``number`` is its ``major:minor``, empty while nobody has looked."""

    path: str
    value: int
    number: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """Ceilings and weights of one container; None: not set. ``memory_swap_bytes`` is memory and swap together, -1 no limit."""

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
    memory_swappiness: int | None = None  # cgroup version 1 only
    oom_kill_disable: bool = False  # cgroup version 1 only
    blkio_weights: tuple[DeviceValue, ...] = ()
    read_bps: tuple[DeviceValue, ...] = ()
    write_bps: tuple[DeviceValue, ...] = ()
    read_iops: tuple[DeviceValue, ...] = ()
    write_iops: tuple[DeviceValue, ...] = ()
    network_in_bps: int | None = None
    network_out_bps: int | None = None


@dataclass(frozen=True, slots=True)
class CgroupLayout:
    """Where the host mounts its controllers. For version 2, ``unified`` alone; for version 1 it may be empty."""

    version: Literal[1, 2]
    mounts: Mapping[str, str]  # controller of version 1 → directory
    unified: str


def tenant_limits(limits: Limits, *, pids_quota: int | None = None) -> Limits:
    """Return the limits of a tenant's container: none is without a limit of processes, as one fork bomb would stop the host."""
    most = TENANT_PIDS if pids_quota is None else max(1, min(TENANT_PIDS, pids_quota))
    return limits if limits.pids is not None else replace(limits, pids=most)


def check_limits(limits: Limits) -> None:
    """Raise InvalidParameter for a limit that contradicts itself or another."""
    memory, swap = limits.memory_bytes, limits.memory_swap_bytes
    if memory is not None and memory < MEMORY_LEAST_BYTES:
        raise InvalidParameter(f"invalid memory limit {memory}: the least is {MEMORY_LEAST_BYTES} bytes (6 MiB)")
    if swap is not None and swap != -1 and memory is None:
        raise InvalidParameter(f"invalid memory-swap limit {swap}: set a memory limit too")
    if swap is not None and swap != -1 and memory is not None and swap < memory:
        raise InvalidParameter(f"invalid memory-swap limit {swap}: it includes memory, so the least is {memory}")
    reserved = limits.memory_reservation_bytes
    if reserved is not None and reserved < MEMORY_LEAST_BYTES:
        raise InvalidParameter(f"invalid memory reservation {reserved}: the least is {MEMORY_LEAST_BYTES} bytes (6 MiB)")
    if memory is not None and reserved is not None and reserved > memory:
        raise InvalidParameter(f"invalid memory reservation {reserved}: the most is the memory limit, {memory}")
    _check_processor_time(limits)
    if limits.pids is not None and limits.pids > _PIDS_MOST:
        raise InvalidParameter(f"invalid limit of {limits.pids} processes: the most is {_PIDS_MOST}")
    swappiness = limits.memory_swappiness
    if swappiness is not None and not 0 <= swappiness <= 100:
        raise InvalidParameter(f"invalid memory swappiness {swappiness}: use 0 to 100, or -1 for the host's")
    _check_devices(limits)
    for name, rate in (("NetworkInBps", limits.network_in_bps), ("NetworkOutBps", limits.network_out_bps)):
        if rate is not None and not NETWORK_LEAST_BPS <= rate <= NETWORK_MOST_BPS:
            raise InvalidParameter(f"invalid {name} {rate}: use {NETWORK_LEAST_BPS} to {NETWORK_MOST_BPS} bytes a second")


def _check_devices(limits: Limits) -> None:
    for entry in limits.blkio_weights:
        if not 10 <= entry.value <= 1000:
            raise InvalidParameter(f"invalid weight {entry.value} of {entry.path[:60]}: use 10 to 1000")
    for entry in (*limits.read_bps, *limits.write_bps, *limits.read_iops, *limits.write_iops):
        if not 0 < entry.value < 2**63:
            raise InvalidParameter(f"invalid rate {entry.value} of {entry.path[:60]}: use 1 or more a second")


def _check_processor_time(limits: Limits) -> None:
    if limits.nano_cpus is not None and limits.cpu_quota_us is not None:
        raise InvalidParameter("cpus and a cpu quota exclude each other: set one of them")
    if limits.cpu_period_us is not None and not 1000 <= limits.cpu_period_us <= 1_000_000:
        raise InvalidParameter(f"invalid cpu period {limits.cpu_period_us}: use 1000 to 1000000 microseconds")
    if limits.cpu_quota_us is not None and not 1000 <= limits.cpu_quota_us <= _CPU_QUOTA_MOST_US:
        raise InvalidParameter(f"invalid cpu quota {limits.cpu_quota_us}: use 1000 to {_CPU_QUOTA_MOST_US} microseconds")
    if limits.cpu_shares is not None and not 2 <= limits.cpu_shares <= 262_144:
        raise InvalidParameter(f"invalid cpu shares {limits.cpu_shares}: use 2 to 262144")
    if limits.nano_cpus is not None and limits.nano_cpus < 10_000_000:
        raise InvalidParameter(f"invalid cpus {limits.nano_cpus / _NS_PER_SECOND:g}: the least is 0.01")


def cgroup_path(instance: str, tenant: Tenant, container_id: str) -> list[str]:
    """Return the path of a container's cgroup below each hierarchy, part by part.

    The letter before each part keeps a team's name from ever meeting a container's id or a control file.
    """
    parts = [f"atelier-{instance}"]
    if tenant.team:
        parts.append(f"t-{tenant.team}")
    if tenant.member:
        parts.append(f"m-{tenant.member}")
    return [*parts, f"c-{container_id}"]


def plan_cgroup(
    layout: CgroupLayout, path: list[str], limits: Limits, *, devices: Sequence[str] = (), further: Sequence[str] = ()
) -> CgroupSpec:
    """Return directories, writes and where to join for a container at ``path``.

    ``devices`` are allowed beyond those of every container, as version 1 writes it; version 2 has a program for that. ``further``
    are controllers of version 1 that are joined though the limits themselves do not need them.
    """
    if layout.version == 2:
        return _plan_v2(layout, path, limits)
    return _plan_v1(layout, path, limits, devices, further)


def _plan_v2(layout: CgroupLayout, path: list[str], limits: Limits) -> CgroupSpec:
    directories = _descend(layout.unified, path)
    parents = [layout.unified, *directories[:-1]]
    writes = [
        _write(parent, "cgroup.subtree_control", f"+{name}", optional=True) for parent in parents for name in _CONTROLLERS_V2
    ]
    writes += [_write(directories[-1], name, value, optional=optional) for name, value, optional in values_v2(limits)]
    return {"version": 2, "directories": directories, "writes": writes, "join": [directories[-1]]}


def _plan_v1(layout: CgroupLayout, path: list[str], limits: Limits, devices: Sequence[str], further: Sequence[str]) -> CgroupSpec:
    controllers = [name for name in _CONTROLLERS_V1 if name in layout.mounts]
    writes: list[FileWrite] = []
    if limits.cpuset_cpus or limits.cpuset_mems or "cpuset" in further:
        controllers.append("cpuset")
        writes += _inherit_cpuset(layout, path)
    roots = list(dict.fromkeys(_mount(layout, name) for name in controllers))  # cpu and cpuacct are often one mount
    roots += [layout.unified] if layout.unified else []
    directories = [directory for root in roots for directory in _descend(root, path)]
    for controller, name, value, optional in values_v1(limits, devices):
        if controller in controllers or not optional:
            writes.append(_write("/".join([_mount(layout, controller), *path]), name, value, optional=optional))
    return {"version": 1, "directories": directories, "writes": writes, "join": ["/".join([root, *path]) for root in roots]}


def _mount(layout: CgroupLayout, controller: str) -> str:
    try:
        return layout.mounts[controller]
    except KeyError:
        raise InvalidParameter(f"this host has no {controller} cgroup controller, so limits that need it cannot be set") from None


def _inherit_cpuset(layout: CgroupLayout, path: list[str]) -> list[FileWrite]:
    """A new cpuset is empty and refuses processes; with clone_children each level starts as its parent."""
    root = _mount(layout, "cpuset")
    return [_write(parent, "cgroup.clone_children", "1", optional=False) for parent in _descend(root, path[:-1])]


def _descend(root: str, path: list[str]) -> list[str]:
    return ["/".join([root, *path[: depth + 1]]) for depth in range(len(path))]


def _write(directory: str, name: str, value: str, *, optional: bool) -> FileWrite:
    return {"path": f"{directory}/{name}", "value": value, "optional": optional}


def cpu_quota(limits: Limits) -> tuple[int, int] | None:
    """Return (quota, period) in microseconds."""
    if limits.nano_cpus is not None:
        return limits.nano_cpus * CPU_PERIOD_US // _NS_PER_SECOND, CPU_PERIOD_US
    if limits.cpu_quota_us is not None:
        return limits.cpu_quota_us, limits.cpu_period_us or CPU_PERIOD_US
    return None


def cpus_of(limits: Limits) -> float | None:
    """Return how many processors' time a container may take, None for no limit."""
    quota = cpu_quota(limits)
    return None if quota is None else quota[0] / quota[1]


def swap_total(limits: Limits) -> int | None:
    """Return memory and swap together: as in Docker twice the memory when only that is set; None for no limit."""
    if limits.memory_bytes is None or limits.memory_swap_bytes == -1:
        return None
    return limits.memory_swap_bytes or 2 * limits.memory_bytes


def values_v2(limits: Limits) -> list[tuple[str, str, bool]]:
    """Return (file, value, optional) for cgroup v2."""
    values: list[tuple[str, str, bool]] = []
    if limits.memory_bytes is not None:
        values.append(("memory.max", str(limits.memory_bytes), False))
        total = swap_total(limits)
        values.append(("memory.swap.max", "max" if total is None else str(total - limits.memory_bytes), True))
    if limits.memory_reservation_bytes is not None:
        values.append(("memory.low", str(limits.memory_reservation_bytes), False))
    if (quota := cpu_quota(limits)) is not None:
        values.append(("cpu.max", f"{quota[0]} {quota[1]}", False))
    if limits.cpu_shares is not None:
        values.append(("cpu.weight", str(_weight(limits.cpu_shares)), False))
    if limits.pids is not None:
        values.append(("pids.max", str(limits.pids), False))
    if limits.blkio_weight is not None:
        values.append(("io.weight", f"default {_io_weight(limits.blkio_weight)}", True))
    values += [("io.weight", f"{entry.number} {_io_weight(entry.value)}", True) for entry in limits.blkio_weights]
    values += [("io.max", line, False) for line in _io_max(limits)]
    if limits.cpuset_cpus:
        values.append(("cpuset.cpus", limits.cpuset_cpus, False))
    if limits.cpuset_mems:
        values.append(("cpuset.mems", limits.cpuset_mems, False))
    return values


def _io_max(limits: Limits) -> list[str]:
    """One line a device: the kernel keeps those rates of it that a line does not name."""
    kinds = {"rbps": limits.read_bps, "wbps": limits.write_bps, "riops": limits.read_iops, "wiops": limits.write_iops}
    lines: dict[str, list[str]] = {}
    for kind, entries in kinds.items():
        for entry in entries:
            lines.setdefault(entry.number, []).append(f"{kind}={entry.value}")
    return [" ".join([number, *rates]) for number, rates in lines.items()]


def _io_weight(weight: int) -> int:
    """Map 10..1000 of version 1 to 1..10000 of version 2, as runc does."""
    return 1 + (weight - 10) * 9999 // 990


def _weight(shares: int) -> int:
    """Map 2..262144 of version 1 to 1..10000 of version 2, as runc and systemd do."""
    return 1 + (min(max(shares, 2), 262_144) - 2) * 9999 // 262_142


def values_v1(limits: Limits, devices: Sequence[str] = ()) -> list[tuple[str, str, str, bool]]:
    """Return (controller, file, value, optional) for cgroup v1, in an order the kernel accepts."""
    values: list[tuple[str, str, str, bool]] = [("devices", "devices.deny", "a", True)]
    values += [("devices", "devices.allow", device, True) for device in (*_DEVICES, *devices)]
    if limits.memory_bytes is not None:
        values.append(("memory", "memory.limit_in_bytes", str(limits.memory_bytes), False))
        total = swap_total(limits)
        values.append(("memory", "memory.memsw.limit_in_bytes", str(-1 if total is None else total), True))
    # What the kernel keeps of packets counts nowhere before this is written, and then apart from memory.
    values.append(("memory", SOCKETS_V1, str(limits.memory_bytes or -1), True))
    if limits.memory_reservation_bytes is not None:
        values.append(("memory", "memory.soft_limit_in_bytes", str(limits.memory_reservation_bytes), False))
    if (quota := cpu_quota(limits)) is not None:
        values.append(("cpu", "cpu.cfs_period_us", str(quota[1]), False))
        values.append(("cpu", "cpu.cfs_quota_us", str(quota[0]), False))
    if limits.cpu_shares is not None:
        values.append(("cpu", "cpu.shares", str(limits.cpu_shares), False))
    if limits.pids is not None:
        values.append(("pids", "pids.max", str(limits.pids), False))
    if limits.blkio_weight is not None:
        values.append(("blkio", "blkio.weight", str(limits.blkio_weight), True))
    values += _device_values_v1(limits)
    if limits.memory_swappiness is not None:
        values.append(("memory", "memory.swappiness", str(limits.memory_swappiness), False))
    if limits.oom_kill_disable:
        values.append(("memory", "memory.oom_control", "1", False))
    if limits.cpuset_cpus:
        values.append(("cpuset", "cpuset.cpus", limits.cpuset_cpus, False))
    if limits.cpuset_mems:
        values.append(("cpuset", "cpuset.mems", limits.cpuset_mems, False))
    return values


def _device_values_v1(limits: Limits) -> list[tuple[str, str, str, bool]]:
    rates = {
        "blkio.throttle.read_bps_device": limits.read_bps,
        "blkio.throttle.write_bps_device": limits.write_bps,
        "blkio.throttle.read_iops_device": limits.read_iops,
        "blkio.throttle.write_iops_device": limits.write_iops,
    }
    values = [("blkio", "blkio.weight_device", f"{entry.number} {entry.value}", True) for entry in limits.blkio_weights]
    return values + [
        ("blkio", name, f"{entry.number} {entry.value}", False) for name, entries in rates.items() for entry in entries
    ]
