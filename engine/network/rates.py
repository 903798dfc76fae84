"""Rates of a container, a member or a team, and what they mean for the classes on the way. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from engine.core.tenants import Tenant

UNLIMITED_BPS = 2**40
_LEAST_BURST_BYTES = 128 * 2**10  # two of the packets of 64 KiB that the kernel hands on in one piece
_LEAST_QUEUE_BYTES, _MOST_QUEUE_BYTES = 128 * 2**10, 4 * 2**20


@dataclass(frozen=True, slots=True)
class Rates:
    """Bytes a second into and out of containers, their Ethernet headers included; None: no limit."""

    in_bps: int | None = None
    out_bps: int | None = None

    @property
    def is_limited(self) -> bool:
        return self.in_bps is not None or self.out_bps is not None


NO_RATES = Rates()


class Ceiling(NamedTuple):
    """What a class lets through each second, and at once after a pause."""

    bps: int
    burst_bytes: int


def path_of(tenant: Tenant, container_id: str) -> tuple[str, ...]:
    """Return where a container's class lies: inside its member's, inside the team's."""
    return (*(part for part in (tenant.team, tenant.member) if part), container_id)


def tenants_around(tenant: Tenant) -> list[Tenant]:
    """Return the team and the member that a container of ``tenant`` counts for; none for administrators."""
    around = [Tenant(tenant.team)] if tenant.team else []
    return [*around, *([tenant] if tenant.member else [])]


def ceiling(bps: int | None) -> Ceiling:
    """A burst of 10 ms keeps high rates true on a host whose timers come late."""
    if bps is None:
        return Ceiling(UNLIMITED_BPS, 2**20)
    return Ceiling(bps, max(_LEAST_BURST_BYTES, bps // 100))


def queue_bytes(chain: Sequence[int | None]) -> int:
    """Return how much may wait below the limits of a chain: a fifth of a second, within bounds."""
    limits = [bps for bps in chain if bps is not None]
    if not limits:
        return _MOST_QUEUE_BYTES
    return min(max(min(limits) // 5, _LEAST_QUEUE_BYTES), _MOST_QUEUE_BYTES)
