"""Core dumps of containers stay in them, or are not made. Runs in the container, before its command.

Where a host pipes core dumps into a program (core(5)), the kernel runs that as the host's root, also for a process that a tenant
has made to crash, and no limit of 0 stops it: only one of exactly 1 does, which such programs set themselves against recursion.
"""

import resource
from contextlib import suppress

_PATTERN = "/proc/sys/kernel/core_pattern"
_NO_PIPE = 1


def limit_for(pattern: bytes) -> int | None:
    """The limit in bytes for a host with this pattern; None where a dump is a file, which is made in the container."""
    return _NO_PIPE if pattern.startswith(b"|") else None


def keep_from_host() -> None:
    """Lower the limit of the calling process for good where the host's pattern asks for it."""
    with suppress(FileNotFoundError, NotADirectoryError), open(_PATTERN, "rb") as file:
        limit = limit_for(file.read())
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_CORE, (limit, limit))
