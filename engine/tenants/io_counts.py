"""Sums of what tenants have read and written. They only grow while the daemon runs.

Owns what to do when a cgroup goes, as it does with the tenant's last container, and counts anew when it comes back. What was done
between the last look and its end is not in the sums.
"""

import threading
from dataclasses import astuple, dataclass

from engine.core.tenants import Tenant


@dataclass(frozen=True, slots=True)
class IoUsage:
    """Bytes and operations on all devices."""

    read_bytes: int = 0
    write_bytes: int = 0
    read_operations: int = 0
    write_operations: int = 0

    def __add__(self, other: "IoUsage") -> "IoUsage":
        return IoUsage(*(one + two for one, two in zip(astuple(self), astuple(other), strict=True)))


class IoCounts:
    """The last look at each cgroup that is there, and the sum of those that are gone."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._before: dict[Tenant, IoUsage] = {}
        self._seen: dict[Tenant, IoUsage] = {}

    def total(self, tenant: Tenant, now: IoUsage) -> IoUsage:
        """Return the sum with a new look at the tenant's cgroup, which may have begun anew since the last."""
        with self._lock:
            seen = self._seen.get(tenant, IoUsage())
            if any(new < old for new, old in zip(astuple(now), astuple(seen), strict=True)):
                self._before[tenant] = self._before.get(tenant, IoUsage()) + seen
            self._seen[tenant] = now
            return self._before.get(tenant, IoUsage()) + now
