"""Whether wishes for resource limits of processes (getrlimit(2)) make sense. Pure."""

from collections.abc import Iterable

from engine.core.containers import Ulimit
from engine.errors import InvalidParameter

UNLIMITED = -1
# Those that this engine's interpreter can set; RLIMIT_LOCKS has had no effect since Linux 2.4.25.
NAMES = (
    *("as", "core", "cpu", "data", "fsize", "memlock", "msgqueue", "nice"),
    *("nofile", "nproc", "rss", "rtprio", "rttime", "sigpending", "stack"),
)


def check_ulimits(ulimits: Iterable[Ulimit]) -> None:
    """Raise InvalidParameter for a limit that does not exist or contradicts itself."""
    for limit in ulimits:
        if limit.name not in NAMES:
            raise InvalidParameter(f"invalid ulimit {limit.name[:40]!r}: use one of {', '.join(NAMES)}")
        for value in (limit.soft, limit.hard):
            if value < UNLIMITED:
                raise InvalidParameter(f"invalid ulimit {limit.name} {value}: use 0 or more, or -1 for no limit")
        if limit.hard != UNLIMITED and not 0 <= limit.soft <= limit.hard:
            soft = "unlimited" if limit.soft == UNLIMITED else str(limit.soft)
            raise InvalidParameter(
                f"invalid ulimit {limit.name}: the soft limit {soft} is above the hard one {limit.hard}: lower the soft one"
            )
