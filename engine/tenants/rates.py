"""How fast tenants have used things lately: from sums that only grow, an average over the time since somebody looked before.

Owns the window. Looks that follow each other at once are answered alike, so that many who look do not shorten it to nothing; and
after a long time without a look there is no rate, since an average over an hour says nothing of now.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from engine.core.tenants import Tenant

_NS_PER_SECOND = 10**9
LEAST_NS = _NS_PER_SECOND // 2
MOST_NS = 180 * _NS_PER_SECOND


@dataclass(frozen=True, slots=True)
class _Sample:
    time_ns: int
    sums: tuple[float, ...]
    rates: tuple[float, ...] | None


class RateBook:
    """The last sample of each tenant. From any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._samples: dict[Tenant, _Sample] = {}

    def rates(self, tenant: Tenant, sums: Sequence[float], *, now_ns: int) -> tuple[float, ...] | None:
        """Take in what was used by now, and return how much that is a second; None when there is no look to compare with.

        A sum that has become smaller began anew, with its cgroup.
        """
        with self._lock:
            before = self._samples.get(tenant)
            if before is not None and now_ns - before.time_ns < LEAST_NS:
                return before.rates
            rates = _rates(before, sums, now_ns) if before is not None else None
            self._samples[tenant] = _Sample(now_ns, tuple(sums), rates)
            return rates

    def forget(self, tenant: Tenant) -> None:
        """Drop what is known of a tenant."""
        with self._lock:
            self._samples.pop(tenant, None)


def _rates(before: _Sample, sums: Sequence[float], now_ns: int) -> tuple[float, ...] | None:
    passed_ns = now_ns - before.time_ns
    if passed_ns > MOST_NS:
        return None
    pairs = zip(before.sums, sums, strict=True)
    return tuple(max(0.0, now - then) * _NS_PER_SECOND / passed_ns for then, now in pairs)
