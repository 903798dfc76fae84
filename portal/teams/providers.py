"""What other apps know of a team's members and quotas need: grants on top of the base, labs, and lab hours used this week.

Those apps register themselves when they are loaded; this app knows none of them.
"""

from collections.abc import Callable, Mapping

from portal.accounts.models import User
from portal.teams.models import Team

Grants = Callable[[Team, User], Mapping[str, float]]
Hours = Callable[[Team, User | None], float]
Labs = Callable[[Team, User | None], int]

_grants: list[Grants] = []
_hours: list[Hours] = []
_labs: list[Labs] = []


def register_grants(provider: Grants) -> None:
    """Have ``provider(team, user)`` asked for what is granted now beside the member's own quota."""
    _grants.append(provider)


def register_hours(provider: Hours) -> None:
    """Have ``provider(team, user)`` asked for the lab hours of this week; of the whole team where the user is None."""
    _hours.append(provider)


def register_labs(provider: Labs) -> None:
    """Have ``provider(team, user)`` asked for how many labs there are; of the whole team where the user is None."""
    _labs.append(provider)


def active_grants(team: Team, user: User) -> dict[str, float]:
    """Return what is granted to the member now, by resource: to be added to the quota where that has a ceiling."""
    sums: dict[str, float] = {}
    for provider in _grants:
        for resource, amount in provider(team, user).items():
            sums[resource] = sums.get(resource, 0) + amount
    return sums


def hours_used(team: Team, user: User | None) -> float:
    """Return the lab hours used this week by the member, or by the whole team."""
    return sum(provider(team, user) for provider in _hours)


def counted_here(team: Team, user: User | None) -> dict[str, float]:
    """Return what is used of the resources that no engine knows, by the member or by the whole team."""
    return {"labs": sum(provider(team, user) for provider in _labs), "hours": hours_used(team, user)}
