"""How the limits of tenants become limits of their areas, where the kernel knows only the latter. Pure.

What all areas of a tenant may take together is never more than its limit, at any moment, however they are written to. So the
room that it has left is dealt out: half of it evenly to all its areas, half to those that are new or have just grown. Whoever
uses up its part gets another one at the next pass.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from engine.core.tenants import Tenant

_LEAST_PART_BYTES = 64 * 1024  # while anything is left: less is no room even for a few folders


@dataclass(frozen=True, slots=True)
class AreaUse:
    """One area: who pays, what it takes, its own limit if any, and whether it is likely to grow."""

    project: int
    owner: Tenant
    used_bytes: int
    limit_bytes: int | None
    is_growing: bool


def scopes_of(owner: Tenant) -> tuple[Tenant, ...]:
    """Return whose limits hold for an owner's areas."""
    if owner.is_administrator:
        return ()
    return (owner, Tenant(owner.team)) if owner.member else (owner,)


def used_by_tenant(areas: Iterable[AreaUse]) -> Counter[Tenant]:
    """Return what each member and each team takes."""
    used: Counter[Tenant] = Counter()
    for area in areas:
        for tenant in scopes_of(area.owner):
            used[tenant] += area.used_bytes
    return used


def hard_limits(areas: Sequence[AreaUse], limits: Mapping[Tenant, int]) -> dict[int, int | None]:
    """Return the bytes that each area may take until the next pass, by project; None for any number."""
    used = used_by_tenant(areas)
    counts: Counter[tuple[Tenant, bool]] = Counter(
        (tenant, area.is_growing) for area in areas for tenant in scopes_of(area.owner) if tenant in limits
    )

    def part(tenant: Tenant, *, is_growing: bool) -> int:
        left = max(0, limits[tenant] - used[tenant])
        growing, resting = counts[tenant, True], counts[tenant, False]
        if not growing or not resting:
            share = left // (growing + resting)
        else:
            share = left // 2 // (growing + resting) + (left - left // 2) // growing * is_growing
        return max(share, min(left, _LEAST_PART_BYTES))

    def limit(area: AreaUse) -> int | None:
        held = [
            area.used_bytes + part(tenant, is_growing=area.is_growing) for tenant in scopes_of(area.owner) if tenant in limits
        ]
        if area.limit_bytes is not None:
            held.append(area.limit_bytes)
        return min(held, default=None)

    return {area.project: limit(area) for area in areas}
