"""Reads teams, and only those the asking user may see; and what quota and rules hold for whom."""

from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404

from portal.accounts.models import User
from portal.teams.models import STAFF_ROLES, Membership, Role, Team
from portal.teams.providers import active_grants
from portal.teams.quotas import NO_QUOTA, Quota, combine
from portal.teams.rules import combine_rules, without_absent


def teams_of(user: User) -> QuerySet[Team]:
    return Team.objects.filter(memberships__user=user)


def visible_teams(user: User) -> QuerySet[Team]:
    return Team.objects.all() if user.is_administrator else teams_of(user)


def staffed_teams(user: User) -> QuerySet[Team]:
    """The teams in which the user is teacher or assistant; all for an administrator."""
    if user.is_administrator:
        return Team.objects.all()
    return Team.objects.filter(memberships__user=user, memberships__role__in=STAFF_ROLES)


def taught_teams(user: User) -> QuerySet[Team]:
    """The teams whose members' quotas the user may change: those in which they are teacher; all for an administrator."""
    if user.is_administrator:
        return Team.objects.all()
    return Team.objects.filter(memberships__user=user, memberships__role=Role.TEACHER)


def is_member(user: User, team: Team) -> bool:
    return Membership.objects.filter(user=user, team=team).exists()


def is_team_staff(user: User, team: Team) -> bool:
    return user.is_administrator or Membership.objects.filter(user=user, team=team, role__in=STAFF_ROLES).exists()


def get_team_for(user: User, slug: str) -> Team:
    """Return a team of the user, any team for an administrator, else raise Http404."""
    return get_object_or_404(visible_teams(user), slug=slug)


def is_quota_reader(user: User) -> bool:
    """Whether the page of quotas has anything for the user: administrators and the staff of any team."""
    return user.is_administrator or user.memberships.filter(role__in=STAFF_ROLES).exists()


def get_staffed_team_for(user: User, slug: str) -> Team:
    """Return a team of which the user is staff, else raise Http404."""
    return get_object_or_404(staffed_teams(user), slug=slug)


def get_taught_team_for(user: User, slug: str) -> Team:
    """Return a team whose members' quotas the user may change, else raise Http404."""
    return get_object_or_404(taught_teams(user), slug=slug)


def effective_quota(team: Team, user: User | None) -> Quota:
    """Return what holds now: the team's own quota, or of a member the default with own values and grants."""
    if user is None:
        return team.quota
    return member_quota(team, user, Membership.objects.filter(team=team, user=user).first())


def member_quota(team: Team, user: User, membership: Membership | None) -> Quota:
    """The same for a membership that is read already; None for somebody who is no member (any more)."""
    override = membership.quota if membership else NO_QUOTA
    return combine(default=team.member_quota, override=override, grants=active_grants(team, user))


def effective_rules(team: Team, membership: Membership | None) -> dict[str, Any]:
    """Return the rules of the team, or those that hold for a member beside them."""
    if membership is None:
        return without_absent(team.rules)
    return combine_rules(default=team.member_rules, override=membership.rules)
