"""What a container uses, from the texts of the kernel's control files: processor, memory, processes, block devices, network.

Owns reading version 1 and 2 of those texts. Pure: ``linux/cgroup_usage.py`` fetches them, the API gives them Docker's shape.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

_NS_PER_S = 10**9
_NS_PER_US = 1000
_MOST_BYTES = 2**62  # version 1 writes "no limit" as the largest number of pages
_HOST_FIELDS = 7  # user nice system idle iowait irq softirq: as dockerd counts; stolen time is none of the host's

FILES_V2 = (
    *("cpu.stat", "memory.current", "memory.peak", "memory.max", "memory.stat", "memory.events"),
    *("pids.current", "pids.max", "io.stat"),
)
# By controller of version 1.
FILES_V1: Mapping[str, tuple[str, ...]] = {
    "cpuacct": ("cpuacct.usage", "cpuacct.usage_percpu", "cpuacct.stat"),
    "cpu": ("cpu.stat",),
    "memory": (
        *("memory.usage_in_bytes", "memory.max_usage_in_bytes", "memory.limit_in_bytes", "memory.stat", "memory.failcnt"),
        "memory.oom_control",
    ),
    "pids": ("pids.current", "pids.max"),
    "blkio": ("blkio.throttle.io_service_bytes_recursive", "blkio.throttle.io_serviced_recursive"),
}


@dataclass(frozen=True, slots=True)
class Cpu:
    """Processor time in nanoseconds; ``system_ns`` is the whole host's. ``per_cpu_ns`` is told by version 1 only."""

    total_ns: int = 0
    kernel_ns: int = 0
    user_ns: int = 0
    per_cpu_ns: tuple[int, ...] | None = None
    system_ns: int = 0
    online: int = 0
    periods: int = 0
    throttled_periods: int = 0
    throttled_ns: int = 0


@dataclass(frozen=True, slots=True)
class Memory:
    """``limit_bytes`` is the host's memory where no smaller one is set; ``details`` are the kernel's own names and numbers."""

    used_bytes: int = 0
    peak_bytes: int | None = None
    limit_bytes: int = 0
    failures: int = 0
    details: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BlockCount:
    """One number of one device."""

    major: int
    minor: int
    operation: str
    value: int


@dataclass(frozen=True, slots=True)
class Interface:
    """Counters of one interface, as the container sees it."""

    rx_bytes: int
    rx_packets: int
    rx_errors: int
    rx_dropped: int
    tx_bytes: int
    tx_packets: int
    tx_errors: int
    tx_dropped: int


@dataclass(frozen=True, slots=True)
class Reading:
    """One look at a container that runs."""

    time_ns: int
    cpu: Cpu
    memory: Memory
    pids: int
    pids_limit: int | None
    io_bytes: tuple[BlockCount, ...]
    io_operations: tuple[BlockCount, ...]
    interfaces: Mapping[str, Interface]


@dataclass(frozen=True, slots=True)
class HostCpu:
    """Processor time of the whole host, and how many processors it has running."""

    system_ns: int
    online: int


def parse_host_cpu(stat: str, *, ticks: int) -> HostCpu:
    """Read /proc/stat; ``ticks`` are its units in a second."""
    lines = stat.splitlines()
    first = lines[0].split()[1 : 1 + _HOST_FIELDS] if lines else []
    online = sum(line.startswith("cpu") and line[3:4].isdigit() for line in lines)
    return HostCpu(sum(int(value) for value in first) * _NS_PER_S // ticks, online)


def parse_interfaces(net_dev: str) -> dict[str, Interface]:
    """Read /proc/PID/net/dev, without the loopback."""
    found = {}
    for line in net_dev.splitlines()[2:]:
        name, _, numbers = line.partition(":")
        counts = [int(number) for number in numbers.split()]
        if name.strip() != "lo" and len(counts) >= 12:
            found[name.strip()] = Interface(*counts[0:4], *counts[8:12])
    return found


def read_v2(
    texts: Mapping[str, str], *, time_ns: int, host: HostCpu, memory_bytes: int, interfaces: Mapping[str, Interface]
) -> Reading:
    """Make a reading of a version 2 cgroup's files."""
    cpu = table(texts.get("cpu.stat", ""))
    return Reading(
        time_ns=time_ns,
        cpu=Cpu(
            total_ns=cpu.get("usage_usec", 0) * _NS_PER_US,
            kernel_ns=cpu.get("system_usec", 0) * _NS_PER_US,
            user_ns=cpu.get("user_usec", 0) * _NS_PER_US,
            system_ns=host.system_ns,
            online=host.online,
            periods=cpu.get("nr_periods", 0),
            throttled_periods=cpu.get("nr_throttled", 0),
            throttled_ns=cpu.get("throttled_usec", 0) * _NS_PER_US,
        ),
        memory=Memory(
            used_bytes=number(texts.get("memory.current", "")) or 0,
            peak_bytes=number(texts.get("memory.peak", "")),
            limit_bytes=_limit(number(texts.get("memory.max", "")), memory_bytes),
            failures=table(texts.get("memory.events", "")).get("oom", 0),
            details=table(texts.get("memory.stat", "")),
        ),
        pids=number(texts.get("pids.current", "")) or 0,
        pids_limit=number(texts.get("pids.max", "")),
        io_bytes=_io(texts.get("io.stat", ""), rbytes="read", wbytes="write"),
        io_operations=_io(texts.get("io.stat", ""), rios="read", wios="write"),
        interfaces=interfaces,
    )


def read_v1(
    texts: Mapping[str, str], *, time_ns: int, host: HostCpu, memory_bytes: int, interfaces: Mapping[str, Interface], ticks: int
) -> Reading:
    """Make a reading of version 1 files, of all controllers together. ``ticks`` are units of cpuacct.stat in a second."""
    split, throttling = table(texts.get("cpuacct.stat", "")), table(texts.get("cpu.stat", ""))
    per_cpu = texts.get("cpuacct.usage_percpu", "").split()
    return Reading(
        time_ns=time_ns,
        cpu=Cpu(
            total_ns=number(texts.get("cpuacct.usage", "")) or 0,
            kernel_ns=split.get("system", 0) * _NS_PER_S // ticks,
            user_ns=split.get("user", 0) * _NS_PER_S // ticks,
            per_cpu_ns=tuple(int(value) for value in per_cpu) if per_cpu else None,
            system_ns=host.system_ns,
            online=host.online,
            periods=throttling.get("nr_periods", 0),
            throttled_periods=throttling.get("nr_throttled", 0),
            throttled_ns=throttling.get("throttled_time", 0),
        ),
        memory=Memory(
            used_bytes=number(texts.get("memory.usage_in_bytes", "")) or 0,
            peak_bytes=number(texts.get("memory.max_usage_in_bytes", "")),
            limit_bytes=_limit(number(texts.get("memory.limit_in_bytes", "")), memory_bytes),
            failures=number(texts.get("memory.failcnt", "")) or 0,
            details=table(texts.get("memory.stat", "")),
        ),
        pids=number(texts.get("pids.current", "")) or 0,
        pids_limit=number(texts.get("pids.max", "")),
        io_bytes=_blkio(texts.get("blkio.throttle.io_service_bytes_recursive", "")),
        io_operations=_blkio(texts.get("blkio.throttle.io_serviced_recursive", "")),
        interfaces=interfaces,
    )


def number(text: str) -> int | None:
    """Return the number of a control file; None for "max" and for a file that is not there."""
    text = text.strip()
    return int(text) if text.isdecimal() else None


def table(text: str) -> dict[str, int]:
    """Return lines of a name and a number."""
    pairs = (line.split() for line in text.splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdecimal()}


def _limit(limit: int | None, memory_bytes: int) -> int:
    return memory_bytes if limit is None or limit >= _MOST_BYTES or limit == 0 else min(limit, memory_bytes)


def _io(text: str, **operations: str) -> tuple[BlockCount, ...]:
    """Lines such as ``8:0 rbytes=1 wbytes=2 rios=3 wios=4``."""
    found = []
    for line in text.splitlines():
        device, *pairs = line.split() or [""]
        major, _, minor = device.partition(":")
        if not (major.isdecimal() and minor.isdecimal()):
            continue  # the kernel writes an unfinished line for a device that just went away
        values = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
        found += [
            BlockCount(int(major), int(minor), operation, int(values[name]))
            for name, operation in operations.items()
            if values.get(name, "").isdecimal()
        ]
    return tuple(found)


def _blkio(text: str) -> tuple[BlockCount, ...]:
    """Lines such as ``8:0 Read 1``; the last one is a total without a device."""
    found = []
    for line in text.splitlines():
        match line.split():
            case [device, operation, value] if ":" in device:
                major, _, minor = device.partition(":")
                found.append(BlockCount(int(major), int(minor), operation.lower(), int(value)))
    return tuple(found)
