"""Which of the host's processors each tenant with a limit of processor time sees, so that programs inside size themselves right.

Owns spreading them: tenants lie beside each other as long as there are processors, and keep theirs when others come. Pure.
"""

import math
from collections import Counter
from collections.abc import Collection, Mapping

from engine.core.tenants import Tenant


def processors_for(cpus: float | None, *, host: int) -> int | None:
    """Return how many processors a limit comes to, rounded up; None: all of them."""
    if cpus is None or math.ceil(cpus) >= host:
        return None
    return max(1, math.ceil(cpus))


def choose_processors(
    tenant: Tenant, count: int | None, *, among: Collection[int], given: Mapping[Tenant, frozenset[int]]
) -> frozenset[int]:
    """Return the processors of a tenant out of ``among``, those of its team or all; ``given`` is what each has already.

    It keeps as many of its own as it may, then takes those that the fewest others have.
    """
    if count is None or count >= len(among):
        return frozenset(among)
    load = Counter(one for other, theirs in given.items() if _is_beside(tenant, other) for one in theirs)
    own = given.get(tenant, frozenset())
    ranked = sorted(among, key=lambda one: (one not in own, load[one], one))
    return frozenset(ranked[:count])


def _is_beside(tenant: Tenant, other: Tenant) -> bool:
    """A team and its members are on the same ones; all else is better elsewhere."""
    return tenant != other and not tenant.sees(other) and not other.sees(tenant)
