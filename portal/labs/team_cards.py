"""Teams, their members and what is used of their quotas as the pages show them: finished values."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Q, QuerySet

from portal.accounts.models import User
from portal.common.words import localize
from portal.labs.gauges import Gauge, limited, member_gauges, team_gauges
from portal.labs.lifecycle import ACTIVE
from portal.teams.models import Membership, Team
from portal.teams.selectors import is_member, is_team_staff, teams_of


def team_labs_dom_id(slug: str) -> str:
    """Name the list of a team's labs on the team's page."""
    return f"team-labs-{slug}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What is used in one team. ``own`` is the reader's share, empty for those who are no member.

    ``share``: of it what has a ceiling; ``shared``: of what has one for the whole team only, how full that is.
    """

    dom_id: str
    share_dom_id: str
    team_name: str
    team: list[Gauge]
    own: list[Gauge]
    share: list[Gauge]
    shared: list[Gauge]
    has_limits: bool
    is_staff: bool


def usage_card(team: Team, user: User) -> Usage:
    own = member_gauges(team, user) if is_member(user, team) else []
    whole = team_gauges(team)
    share, shared = limited(own), limited(whole, but=own) if own else []
    return Usage(
        dom_id=f"usage-{team.slug}",
        share_dom_id=f"share-{team.slug}",
        team_name=localize(team.name),
        team=whole,
        own=own,
        share=share,
        shared=shared,
        has_limits=bool(share or shared),
        is_staff=is_team_staff(user, team),
    )


def shares(user: User) -> list[Usage]:
    """What the user has used in each of their teams."""
    return [usage_card(team, user) for team in teams_of(user)]


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamCard:
    slug: str
    name: str
    url: str
    role: str
    members: int
    labs: int
    running: int
    is_staff: bool


def team_cards(teams: QuerySet[Team], user: User) -> list[TeamCard]:
    """Return the teams with how much goes on in them; ``role`` is empty for those who are no member."""
    counts = _count(teams)
    roles = {membership.team_id: membership for membership in user.memberships.all()}
    return [_team_card(team, counts[team.pk], roles.get(team.pk), user) for team in teams]


def _count(teams: QuerySet[Team]) -> dict[int, dict[str, Any]]:
    # Asked anew: a filter of ``teams`` by one member would leave that one member to be counted.
    counted = (
        Team.objects.filter(pk__in=teams.values("pk"))
        .values("pk")
        .annotate(
            member_count=Count("memberships", distinct=True),
            team_labs_all=Count("team_labs", distinct=True),
            team_labs_active=Count("team_labs", filter=Q(team_labs__state__in=ACTIVE), distinct=True),
        )
    )
    return {row["pk"]: dict(row) for row in counted}


def _team_card(team: Team, counts: dict[str, Any], membership: Membership | None, user: User) -> TeamCard:
    return TeamCard(
        slug=team.slug,
        name=localize(team.name),
        url=team.get_absolute_url(),
        role=str(membership.get_role_display()) if membership else "",
        members=counts["member_count"],
        labs=counts["team_labs_all"],
        running=counts["team_labs_active"],
        is_staff=user.is_administrator or bool(membership and membership.is_staff),
    )


def member_rows(team: Team) -> list[tuple[str, str, str]]:
    """Return (user name, full name, role) of all members, staff first."""
    memberships = team.memberships.select_related("user").order_by("user__username")
    ordered = sorted(memberships, key=lambda membership: not membership.is_staff)
    return [(row.user.username, row.user.get_full_name(), str(row.get_role_display())) for row in ordered]
