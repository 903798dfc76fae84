"""What a cgroup uses at the moment, in version 1 and 2 spelling. A file that the host lacks counts as unknown."""

import errno
from typing import NamedTuple

_US_TO_NS = 1000
_NO_LIMIT = 2**62  # version 1 writes "no limit" as the largest number of pages


class Usage(NamedTuple):
    """None where the host does not tell or sets no limit. ``memory_bytes`` is without the file cache that is easily dropped."""

    memory_bytes: int | None
    memory_limit_bytes: int | None
    pids: int | None
    cpu_ns: int | None
    oom_kills: int | None


def read_usage_v2(directory: str) -> Usage:
    """Read a version 2 cgroup."""
    used = _read_number(f"{directory}/memory.current")
    cpu_us = _read_table(f"{directory}/cpu.stat").get("usage_usec")
    return Usage(
        memory_bytes=_without_cache(used, _read_table(f"{directory}/memory.stat").get("inactive_file")),
        memory_limit_bytes=_read_number(f"{directory}/memory.max"),
        pids=_read_number(f"{directory}/pids.current"),
        cpu_ns=None if cpu_us is None else cpu_us * _US_TO_NS,
        oom_kills=_read_table(f"{directory}/memory.events").get("oom_kill"),
    )


def read_usage_v1(*, memory: str, cpuacct: str, pids: str) -> Usage:
    """Read version 1 cgroups, the container's directory in each hierarchy."""
    used = _read_number(f"{memory}/memory.usage_in_bytes")
    limit = _read_number(f"{memory}/memory.limit_in_bytes")
    return Usage(
        memory_bytes=_without_cache(used, _read_table(f"{memory}/memory.stat").get("total_inactive_file")),
        memory_limit_bytes=limit if limit is not None and limit < _NO_LIMIT else None,
        pids=_read_number(f"{pids}/pids.current"),
        cpu_ns=_read_number(f"{cpuacct}/cpuacct.usage"),
        oom_kills=_read_table(f"{memory}/memory.oom_control").get("oom_kill"),
    )


def _without_cache(used: int | None, cache: int | None) -> int | None:
    if used is None or cache is None or cache > used:
        return used
    return used - cache


def _read(path: str) -> str:
    try:
        with open(path) as file:
            return file.read()
    except FileNotFoundError:
        return ""


def _read_number(path: str) -> int | None:
    """The number in a file, None for "max" and for a file that is not there."""
    text = _read(path).strip()
    return int(text) if text.isdecimal() else None


def _read_table(path: str) -> dict[str, int]:
    """Lines of a name and a number."""
    pairs = (line.split() for line in _read(path).splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdecimal()}


def read_texts(directory: str, names: tuple[str, ...]) -> dict[str, str]:
    """Return the control files of a directory by name, without those that the host lacks."""
    texts = {}
    for name in names:
        try:
            with open(f"{directory}/{name}") as file:
                texts[name] = file.read()
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:  # the cgroup was removed between open and read
            if error.errno != errno.ENODEV:
                raise
    return texts
