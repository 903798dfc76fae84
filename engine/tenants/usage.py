"""What a tenant uses, as it is shown. Owns the shape alone; the service gathers it."""

from collections.abc import Mapping
from dataclasses import dataclass

from engine.linux.cgroup_sums import Pressure


@dataclass(frozen=True, slots=True)
class TenantUsage:
    """``used`` has a number for each limit, None where nobody counts: rates and ``cpus`` are averages since the last look, None
    at the first. ``sums`` only grow while the daemon runs; ``over`` are limits below what is used today. ``last_refusal`` is what
    clients were told of the last one that the tenant itself met, not a member of it.
    """

    used: Mapping[str, float | None]
    sums: Mapping[str, float | None]
    peak: Mapping[str, int | None]
    pressure: Pressure | None
    over: tuple[str, ...]
    refusals: Mapping[str, int]
    last_refusal: Mapping[str, object] | None
