"""The arithmetic of quotas: what may be had, what is added, what can never fit. Pure: no database, no clock.

The engine is the wall for all that it counts. Decided here is only what the portal alone knows (labs, hours), and what is larger
than a whole quota, which no stopping of anything would make fit.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

# What the engine enforces, in its spelling; then what the portal counts itself.
ENGINE_RESOURCES = (
    "cpus",
    "memory",
    "swap",
    "disk",
    "image_bytes",
    "pids",
    "containers",
    "running",
    "images",
    "volumes",
    "networks",
    "ports",
    "io_read_bps",
    "io_write_bps",
    "io_read_iops",
    "io_write_iops",
    "network_in_bps",
    "network_out_bps",
)
PORTAL_RESOURCES = ("labs", "hours")
RESOURCES = ENGINE_RESOURCES + PORTAL_RESOURCES

_FRACTIONS = frozenset({"cpus"})

# The least that the engine takes as a ceiling; of everything else nothing at all is a ceiling too.
LEAST: Mapping[str, float] = {
    "cpus": 0.01,
    "disk": 2**20,
    "network_in_bps": 4096,
    "network_out_bps": 4096,
    "io_read_bps": 1,
    "io_write_bps": 1,
    "io_read_iops": 1,
    "io_write_iops": 1,
}

Amounts = Mapping[str, float]
Changes = Mapping[str, "float | Inherit | None"]

# Sums of fractions of a processor must not be refused for their last binary digit.
_TOLERANCE = 1e-6


class Inherit(Enum):
    """In place of an amount: no value of one's own, what holds for all members holds."""

    INHERIT = "inherit"


INHERIT = Inherit.INHERIT


@dataclass(frozen=True, slots=True)
class Quota:
    """A ceiling on each resource; one that is absent or None is no ceiling."""

    values: Mapping[str, float | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        unknown = set(self.values) - set(RESOURCES)
        if unknown:
            raise ValueError(f"unknown resource {min(unknown)!r}: use {', '.join(RESOURCES)}")

    def limit(self, resource: str) -> float | None:
        return self.values.get(resource)

    def set_limits(self) -> dict[str, float]:
        """Return the ceilings that there are."""
        return {name: value for name in RESOURCES if (value := self.values.get(name)) is not None}

    def for_engine(self) -> dict[str, float]:
        """Return what an engine has to hold: of all but processors whole numbers, as it takes nothing else."""
        return {
            name: value if name in _FRACTIONS else int(value)
            for name, value in self.set_limits().items()
            if name in ENGINE_RESOURCES
        }


NO_QUOTA = Quota()


def combine(*, default: Quota, override: Quota, grants: Amounts) -> Quota:
    """Return what holds: an override (also one of "no ceiling") in place of the default, and on top of it what is granted."""
    base = {**default.values, **override.values}
    return Quota({name: add_grant(base.get(name), grants.get(name, 0)) for name in RESOURCES if base.get(name) is not None})


def add_grant(limit: float | None, granted: float) -> float | None:
    """Nothing can be added to no ceiling."""
    return None if limit is None else limit + granted


def apply_changes(values: Mapping[str, Any], changes: Changes) -> dict[str, Any]:
    """Return ``values`` with the changes made; INHERIT takes a value away."""
    changed = {**values, **changes}
    return {name: changed[name] for name in RESOURCES if name in changed and changed[name] is not INHERIT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortage:
    """``resource`` would pass its ``limit``: ``used`` is taken and ``requested`` asked. ``scope``: ``team`` or ``member``."""

    scope: str
    resource: str
    limit: float
    used: float
    requested: float


@dataclass(frozen=True, slots=True)
class Verdict:
    shortages: tuple[Shortage, ...] = ()

    @property
    def is_granted(self) -> bool:
        return not self.shortages


def judge(*, scope: str, quota: Quota, usage: Amounts, request: Amounts) -> tuple[Shortage, ...]:
    """Return what is short, in the order of RESOURCES. What is not asked for is never short, even when over its ceiling.

    What ``usage`` does not name counts as unused: of that only a request larger than the whole ceiling is short.
    """
    shortages = []
    for name, limit in quota.set_limits().items():
        used, requested = usage.get(name, 0), request.get(name, 0)
        if requested > 0 and used + requested > limit + _TOLERANCE:
            shortages.append(Shortage(scope=scope, resource=name, limit=limit, used=used, requested=requested))
    return tuple(sorted(shortages, key=lambda shortage: RESOURCES.index(shortage.resource)))


def judge_both(
    *, team_quota: Quota, team_usage: Amounts, member_quota: Quota, member_usage: Amounts, request: Amounts
) -> Verdict:
    """The member's own ceiling comes first: it is what the member can do something about."""
    return Verdict(
        judge(scope="member", quota=member_quota, usage=member_usage, request=request)
        + judge(scope="team", quota=team_quota, usage=team_usage, request=request)
    )


def overcommit(quotas: list[Quota], capacity: Mapping[str, float | None]) -> dict[str, float]:
    """Return the sum of the ceilings by resource for what ``capacity`` has a figure of; who has no ceiling adds nothing."""
    return {name: sum(quota.limit(name) or 0 for quota in quotas) for name in RESOURCES if capacity.get(name) is not None}
