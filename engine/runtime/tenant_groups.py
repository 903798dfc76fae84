"""Making the limits of tenants true in their cgroups, as tightly as the kernel takes them without killing anybody.

Owns looking before writing, since some writes are dear, and finding the least limit of memory that can be held today. Decides
nothing about the values. Blocking: what is in use may have to be given back first. For the daemon.
"""

import errno
import glob
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from engine.core.cpusets import format_set, parse_set
from engine.core.launch import FileWrite
from engine.core.tenant_cgroups import UNLIMITED, order_quotas, order_sets, puts_sum_first
from engine.core.tenant_plan import MemoryCeiling, TenantPlan
from engine.core.tenants import Tenant
from engine.errors import InvalidParameter
from engine.runtime.control_groups import make_cgroups

_NO_LIMIT = 2**62  # version 1 writes "no limit" as the largest number of pages
_PAGE = os.sysconf("SC_PAGE_SIZE")
_SLACK_BYTES = 1 << 20  # beyond what is in use: processes go on while the limit is looked for
_GONE = (errno.ENOENT, errno.ENODEV)
_CONTAINERS = "c-*"  # as ``core/limits.py`` names their cgroups


def hold(plan: TenantPlan) -> set[Tenant]:
    """Make a plan true; return the tenants that use more memory than they may have now. Raises OSError."""
    for spec in plan.directories:
        make_cgroups(spec)
    write_values(plan.values)
    for directory, quota in order_quotas(_quotas(plan), plan.quotas):
        _put(f"{directory}/cpu.cfs_quota_us", str(quota))
    present, wanted = _sets(plan.sets)
    for directory, members in order_sets(present, wanted):
        _put(f"{directory}/cpuset.cpus", format_set(members))
    return hold_memory(plan.memory)


def hold_memory(wanted: Sequence[MemoryCeiling]) -> set[Tenant]:
    """Write limits of memory; return the tenants whose limit has to be looser for now. Raises OSError."""
    return {one.tenant for one in wanted if not _hold_memory(one)}


def write_values(writes: Sequence[FileWrite], *, put: Callable[[str, str], None] | None = None) -> None:
    """Write what is not there already, with ``put`` where that is given. Raises OSError."""
    for write in writes:
        try:
            if _read(write["path"]) != write["value"]:
                _put_or_above(put or _put, write["path"], write["value"])
        except OSError as error:
            if not (write["optional"] and error.errno in _GONE):
                raise


def _put_or_above(put: Callable[[str, str], None], path: str, value: str) -> None:
    """Linux 6.1 lets nobody empty a set of processors that processes are in: then what is above is written out."""
    try:
        put(path, value)
    except OSError as error:
        if value or error.errno != errno.ENOSPC:
            raise
        directory, name = os.path.split(path)
        put(path, _read(f"{os.path.dirname(directory)}/{name}.effective"))


def _hold_memory(one: MemoryCeiling) -> bool:
    try:
        if os.path.exists(f"{one.directory}/memory.limit_in_bytes"):
            return _hold_memory_v1(one.directory, *one.ceilings.memory_v1)
        return _hold_memory_v2(one.directory, one.ceilings.memory_bytes)
    except OSError as error:
        if error.errno in _GONE and one.ceilings.memory_bytes is None:
            return True
        raise


def _hold_memory_v1(directory: str, memory_bytes: int, sum_bytes: int) -> bool:
    limit, both = f"{directory}/memory.limit_in_bytes", f"{directory}/memory.memsw.limit_in_bytes"
    counts_swap = os.path.exists(both)
    if counts_swap and puts_sum_first(memory_bytes=memory_bytes, sum_before=_number_v1(both)):
        _put(both, str(sum_bytes))
    held = _lower(limit, f"{directory}/memory.usage_in_bytes", memory_bytes)
    if not counts_swap:
        return held == memory_bytes
    wanted = sum_bytes if sum_bytes == UNLIMITED else sum_bytes + held - memory_bytes
    return held == memory_bytes and _lower(both, f"{directory}/memory.memsw.usage_in_bytes", wanted) == wanted


def _lower(path: str, use_path: str, wanted: int) -> int:
    """Write a limit of version 1, which refuses one that it cannot bring the use below: then the least that it takes."""
    before = _number_v1(path)
    if before == wanted // _PAGE * _PAGE or before == wanted:
        return wanted
    slack, value = _SLACK_BYTES, wanted
    while True:
        try:
            _put(path, str(value))
        except OSError as error:
            if error.errno != errno.EBUSY or value == before:
                raise
            value = int(_read(use_path)) + slack
            value = value if before == UNLIMITED else min(value, before)
            slack *= 2
        else:
            return value


def _hold_memory_v2(directory: str, wanted: int | None) -> bool:
    """Version 2 takes any value and kills until it fits; ``memory.high`` has memory given back and kills nobody."""
    path = f"{directory}/memory.max"
    before, current = _read(path), int(_read(f"{directory}/memory.current"))
    if wanted is None or current <= wanted or before == str(wanted // _PAGE * _PAGE):
        if before != (text := "max" if wanted is None else str(wanted // _PAGE * _PAGE)):
            _put(path, text)
        return True
    _put(f"{directory}/memory.high", str(wanted))
    try:
        current = int(_read(f"{directory}/memory.current"))
        held = wanted if current <= wanted else current + _SLACK_BYTES
        held = min(held, int(before)) if before.isdecimal() and int(before) > wanted else held
        _put(path, str(held))
    finally:
        _put(f"{directory}/memory.high", "max")  # it would make all wait for as long as they use more
    return held == wanted


def _quotas(plan: TenantPlan) -> dict[str, int]:
    found = {}
    for directory in plan.quotas:
        with suppress(FileNotFoundError):
            found[directory] = int(_read(f"{directory}/cpu.cfs_quota_us"))
    return found


def _sets(planned: Mapping[str, frozenset[int]]) -> tuple[dict[str, frozenset[int]], dict[str, frozenset[int]]]:
    """Which processors are there and which are to be, also of containers on their way up, for which nobody has planned yet.

    Those have what was around them when their cgroups were made, which would keep what is around them from being narrowed.
    """
    present, wanted = {}, dict(planned)
    for around, members in planned.items():
        for directory in {around, *glob.glob(f"{glob.escape(around)}/{_CONTAINERS}")}:
            with suppress(FileNotFoundError, InvalidParameter):
                present[directory] = parse_set(_read(f"{directory}/cpuset.cpus"), what="processors")
                wanted.setdefault(directory, (present[directory] & members) or members)
    return present, wanted


def _number_v1(path: str) -> int:
    value = int(_read(path))
    return UNLIMITED if value >= _NO_LIMIT else value


def _read(path: str) -> str:
    with open(path) as file:
        return file.read().strip()


def _put(path: str, value: str) -> None:
    """Version 2 takes an empty line for "as above"."""
    fd = os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC)
    try:
        os.write(fd, f"{value}\n".encode())
    except OSError as error:
        raise OSError(error.errno, f"{error.strerror} (writing {value!r})", path) from None
    finally:
        os.close(fd)
