"""What all below a cgroup uses together, how much it was at most, and how long it waited: one look, of version 1 or 2.

A file that the host lacks counts as unknown. The newest numbers, not those of a moment ago: a few microseconds a file.
"""

import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

_US_TO_NS = 1000
_KINDS = {
    "cpu": ("some",),
    "memory": ("some", "full"),
    "io": ("some", "full"),
}
_MOST_BYTES = 64 << 10
Pressure = Mapping[str, Mapping[str, float]]


class GroupSums(NamedTuple):
    """None where the host does not tell. ``memory_bytes`` is without the file cache that is easily dropped."""

    cpu_ns: int | None = None
    memory_bytes: int | None = None
    swap_bytes: int | None = None
    pids: int | None = None
    memory_peak_bytes: int | None = None
    pids_peak: int | None = None


def read_sums_v2(directory: str) -> GroupSums:
    """Look at a version 2 cgroup; all unknown when it is not there."""
    cpu_us = _line(f"{directory}/cpu.stat", "usage_usec")
    return GroupSums(
        cpu_ns=None if cpu_us is None else cpu_us * _US_TO_NS,
        memory_bytes=memory_used_v2(directory),
        swap_bytes=_number(f"{directory}/memory.swap.current"),
        pids=pids_in(directory),
        memory_peak_bytes=_number(f"{directory}/memory.peak"),
        pids_peak=_number(f"{directory}/pids.peak"),
    )


def read_sums_v1(*, memory: str, cpuacct: str, pids: str) -> GroupSums:
    """Look at version 1 cgroups, the same one's directory in each hierarchy; empty for one that the host lacks."""
    stat = _read(f"{memory}/memory.stat") if memory else ""
    return GroupSums(
        cpu_ns=_number(f"{cpuacct}/cpuacct.usage") if cpuacct else None,
        memory_bytes=_without(_number(f"{memory}/memory.usage_in_bytes"), _within(stat, "total_inactive_file")),
        swap_bytes=_within(stat, "total_swap"),
        pids=pids_in(pids) if pids else None,
        memory_peak_bytes=_number(f"{memory}/memory.max_usage_in_bytes") if memory else None,
        pids_peak=_number(f"{pids}/pids.peak") if pids else None,
    )


def memory_used_v2(directory: str) -> int | None:
    """Memory in use, without the inactive cache of files."""
    return _without(_number(f"{directory}/memory.current"), _line(f"{directory}/memory.stat", "inactive_file"))


def memory_used_v1(directory: str) -> int | None:
    """Memory in use, without the inactive cache of files."""
    return _without(_number(f"{directory}/memory.usage_in_bytes"), _line(f"{directory}/memory.stat", "total_inactive_file"))


def memory_held_v2(directory: str) -> int:
    """Memory in use that the kernel cannot take back by dropping files and what it remembers of them."""
    stat = _read(f"{directory}/memory.stat")
    dropped = sum(_within(stat, name) or 0 for name in ("inactive_file", "active_file", "slab_reclaimable"))
    return _without(_number(f"{directory}/memory.current"), dropped) or 0


def memory_held_v1(directory: str) -> int:
    """Memory in use that the kernel cannot take back by dropping files; that of TCP and received datagrams counts beside it."""
    stat = _read(f"{directory}/memory.stat")
    files = (_within(stat, "total_inactive_file") or 0) + (_within(stat, "total_active_file") or 0)
    return _without(_number(f"{directory}/memory.usage_in_bytes"), files) or 0


def memory_of_sockets_v2(directory: str) -> int:
    """What the kernel counts of sockets: TCP and received datagrams."""
    return _line(f"{directory}/memory.stat", "sock") or 0


def memory_of_sockets_v1(directory: str) -> int:
    """What the kernel counts of sockets: TCP and received datagrams."""
    return _number(f"{directory}/memory.kmem.tcp.usage_in_bytes") or 0


def pids_in(directory: str) -> int | None:
    """Processes and threads."""
    return _number(f"{directory}/pids.current")


def read_pressure(directory: str) -> Pressure | None:
    """The shares of time, of the last ten seconds and in percent, that some or all waited for a resource; None: not told."""
    found = {resource: _averages(_read(f"{directory}/{resource}.pressure"), kinds) for resource, kinds in _KINDS.items()}
    return {resource: averages for resource, averages in found.items() if averages} or None


def _averages(text: str, kinds: Sequence[str]) -> dict[str, float]:
    """Lines such as ``some avg10=0.12 avg60=0.01 avg300=0.00 total=5``."""
    found = {}
    for line in text.splitlines():
        kind, *pairs = line.split()
        value = dict(pair.partition("=")[::2] for pair in pairs).get("avg10", "")
        if kind in kinds and value.replace(".", "", 1).isdecimal():
            found[kind] = float(value)
    return found


def _without(used: int | None, cache: int | None) -> int | None:
    return used if used is None or cache is None else max(0, used - cache)


def _number(path: str) -> int | None:
    text = _read(path).strip()
    return int(text) if text.isdecimal() else None


def _line(path: str, name: str) -> int | None:
    return _within(_read(path), name)


def _within(text: str, name: str) -> int | None:
    """The number in the line that begins with a name."""
    _, found, rest = f"\n{text}".partition(f"\n{name} ")
    value = rest.partition("\n")[0]
    return int(value) if found and value.isdecimal() else None


def _read(path: str) -> str:
    """Nothing for a file that is not there, or whose cgroup is just going."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        return os.read(fd, _MOST_BYTES).decode(errors="replace")
    except OSError:
        return ""
    finally:
        os.close(fd)
