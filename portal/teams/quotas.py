"""The arithmetic of quotas: what is asked, what is used, what is allowed. Pure: no database, no clock."""

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """An amount of everything that a quota counts."""

    labs: int = 0
    cpus: float = 0.0
    memory_bytes: int = 0
    pids: int = 0

    def __add__(self, other: "Resources") -> "Resources":
        return Resources(
            labs=self.labs + other.labs,
            cpus=self.cpus + other.cpus,
            memory_bytes=self.memory_bytes + other.memory_bytes,
            pids=self.pids + other.pids,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """A ceiling on each resource; None is no ceiling."""

    labs: int | None = None
    cpus: float | None = None
    memory_bytes: int | None = None
    pids: int | None = None


RESOURCES = tuple(field.name for field in fields(Resources))

# Sums of fractions of a processor must not be refused for their last binary digit.
_CPU_TOLERANCE = 1e-6


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


def judge(*, scope: str, quota: Quota, usage: Resources, request: Resources) -> tuple[Shortage, ...]:
    """Return what is short, in the order of RESOURCES. What is not asked for is never short, even when over its ceiling."""
    shortages = []
    for name in RESOURCES:
        limit, used, requested = getattr(quota, name), getattr(usage, name), getattr(request, name)
        if limit is not None and requested > 0 and used + requested > limit + _CPU_TOLERANCE:
            shortages.append(Shortage(scope=scope, resource=name, limit=limit, used=used, requested=requested))
    return tuple(shortages)


def judge_both(
    *, team_quota: Quota, team_usage: Resources, member_quota: Quota, member_usage: Resources, request: Resources
) -> Verdict:
    """The member's own ceiling comes first: it is what the member can do something about."""
    return Verdict(
        judge(scope="member", quota=member_quota, usage=member_usage, request=request)
        + judge(scope="team", quota=team_quota, usage=team_usage, request=request)
    )
