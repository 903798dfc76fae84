"""As which tenants a person reads a host. Decides nothing about what these see there: the engine does."""

from dataclasses import dataclass

from django.http import Http404

from portal.accounts.models import User
from portal.teams.models import Membership, Team
from portal.teams.selectors import get_team_for, is_team_staff

ALL = ""  # the administrators' own tenant


@dataclass(frozen=True, slots=True)
class Place:
    """A team and the tenant that somebody is there: the team itself for its staff who look at all of it, else a member."""

    team: Team
    tenant: str

    @property
    def is_whole_team(self) -> bool:
        return self.tenant == self.team.slug


def member_tenant(team: Team, user: User) -> str:
    return f"{team.slug}/{user.username}"


def acting_tenants(user: User) -> list[str]:
    """Return the fewest tenants that see all that the person may: all of the host, else each team by their role in it."""
    if user.is_administrator:
        return [ALL]
    memberships = Membership.objects.filter(user=user).select_related("team").order_by("team__slug")
    return [row.team.slug if row.is_staff else member_tenant(row.team, user) for row in memberships]


def own_places(user: User) -> list[Place]:
    """Return the person's own place in each of their teams."""
    memberships = Membership.objects.filter(user=user).select_related("team").order_by("team__name")
    return [Place(row.team, member_tenant(row.team, user)) for row in memberships]


def get_place_for(user: User, slug: str, *, is_whole_team: bool) -> Place:
    """Return the person's own place in a team, or the whole team for its staff; else raise Http404."""
    team = get_team_for(user, slug)
    if is_whole_team:
        if not is_team_staff(user, team):
            raise Http404
        return Place(team, team.slug)
    if not Membership.objects.filter(user=user, team=team).exists():
        raise Http404
    return Place(team, member_tenant(team, user))
