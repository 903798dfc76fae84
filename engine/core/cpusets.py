"""Sets of processors as the kernel writes them (``0-2,5``), and whether limits ask for processors that are not there. Pure."""

import re

from engine.core.limits import Limits
from engine.errors import InvalidParameter

_RANGE = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?")
_NS_PER_SECOND = 10**9


def highest_of(text: str, *, what: str) -> int:
    """Return the highest number of a list of numbers and ranges. Raises InvalidParameter."""
    ends = []
    for part in text.split(","):
        match = _RANGE.fullmatch(part.strip())
        if match is None or int(match[2] or match[1]) < int(match[1]):
            raise InvalidParameter(f"invalid {what} {text[:60]!r}: use numbers and ranges such as 0-2,5")
        ends.append(int(match[2] or match[1]))
    return max(ends)


def check_processors(limits: Limits, *, cpus: int) -> None:
    """Raise InvalidParameter when more or other processors are asked for than the host has."""
    if limits.nano_cpus is not None and limits.nano_cpus > cpus * _NS_PER_SECOND:
        raise InvalidParameter(f"invalid cpus {limits.nano_cpus / _NS_PER_SECOND:g}: this host has {cpus}")
    if limits.cpuset_cpus and highest_of(limits.cpuset_cpus, what="CpusetCpus") >= cpus:
        raise InvalidParameter(f"invalid CpusetCpus {limits.cpuset_cpus[:60]!r}: this host has 0-{cpus - 1}")
    if limits.cpuset_mems:
        highest_of(limits.cpuset_mems, what="CpusetMems")
