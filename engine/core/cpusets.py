"""Sets of processors and memory nodes as the kernel writes them (``0-2,5``), and whether limits ask for missing ones. Pure."""

import re
from collections.abc import Collection

from engine.core.limits import Limits
from engine.errors import InvalidParameter

_RANGE = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?", re.ASCII)
_LONGEST = 1000  # characters; a list for the kernel's 8192 processors is never written one by one
_NS_PER_SECOND = 10**9


def parse_set(text: str, *, what: str) -> frozenset[int]:
    """Return the members of a list of numbers and ranges. Raises InvalidParameter."""
    members: set[int] = set()
    for part in text.split(",") if len(text) <= _LONGEST else [""]:
        match = _RANGE.fullmatch(part.strip())
        if match is None or int(match[2] or match[1]) < int(match[1]):
            raise InvalidParameter(f"invalid {what} {text[:60]!r}: use numbers and ranges such as 0-2,5")
        members.update(range(int(match[1]), int(match[2] or match[1]) + 1))
    return frozenset(members)


def format_set(members: Collection[int]) -> str:
    """Return members as the kernel writes them."""
    parts: list[list[int]] = []
    for member in sorted(members):
        if parts and parts[-1][-1] == member - 1:
            parts[-1][1:] = [member]
        else:
            parts.append([member])
    return ",".join("-".join(map(str, part)) for part in parts)


def check_processors(limits: Limits, *, processors: Collection[int], memory_nodes: Collection[int]) -> None:
    """Raise InvalidParameter when more or other processors or memory nodes are asked for than the host has."""
    if limits.nano_cpus is not None and limits.nano_cpus > len(processors) * _NS_PER_SECOND:
        raise InvalidParameter(f"invalid cpus {limits.nano_cpus / _NS_PER_SECOND:g}: this host has {len(processors)}")
    _check_set(limits.cpuset_cpus, processors, what="CpusetCpus")
    _check_set(limits.cpuset_mems, memory_nodes, what="CpusetMems")


def _check_set(text: str, there: Collection[int], *, what: str) -> None:
    if text and not parse_set(text, what=what) <= set(there):
        raise InvalidParameter(f"invalid {what} {text[:60]!r}: this host has {format_set(there)}")
