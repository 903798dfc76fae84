"""Teams, their members and what is used of their quotas as the pages show them: finished values."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Q, QuerySet

from portal.accounts.models import User
from portal.common.units import format_amount
from portal.common.words import localize
from portal.labs.lifecycle import ACTIVE
from portal.labs.room import member_usage, team_usage
from portal.teams.models import Membership, Team
from portal.teams.quotas import Amounts, Quota
from portal.teams.reported import reported_usage
from portal.teams.resource_names import resource_name
from portal.teams.selectors import effective_quota, is_member, is_team_staff, teams_of


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaRow:
    """One resource of a quota. ``percent`` and ``limit`` are None where there is no ceiling."""

    label: str
    used: str
    limit: str | None
    percent: int | None
    is_full: bool


# What the page of a team shows, whether there is a ceiling or not.
_SHOWN = ("labs", "cpus", "memory", "pids")


def quota_rows(quota: Quota, usage: Amounts) -> list[QuotaRow]:
    return [_quota_row(name, usage.get(name) or 0, quota.limit(name)) for name in _SHOWN]


def _quota_row(name: str, used: float, limit: float | None) -> QuotaRow:
    return QuotaRow(
        label=resource_name(name),
        used=format_amount(name, used),
        limit=None if limit is None else format_amount(name, limit),
        percent=None if limit is None else min(100, round(100 * used / limit)) if limit else 100,
        is_full=limit is not None and used >= limit,
    )


def team_labs_dom_id(slug: str) -> str:
    """Name the list of a team's labs on the team's page."""
    return f"team-labs-{slug}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What is used in one team. ``own`` is the reader's share, empty for those who are no member."""

    dom_id: str
    share_dom_id: str
    team_name: str
    team: list[QuotaRow]
    own: list[QuotaRow]
    has_limits: bool
    is_staff: bool


def usage_card(team: Team, user: User) -> Usage:
    own = (
        quota_rows(effective_quota(team, user), {**reported_usage(team, user), **member_usage(team, user)})
        if is_member(user, team)
        else []
    )
    return Usage(
        dom_id=f"usage-{team.slug}",
        share_dom_id=f"share-{team.slug}",
        team_name=localize(team.name),
        team=quota_rows(team.quota, {**reported_usage(team), **team_usage(team)}),
        own=own,
        has_limits=any(row.limit is not None for row in own),
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
