"""Reads teams, and only those the asking user may see."""

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404

from portal.accounts.models import User
from portal.teams.models import STAFF_ROLES, Membership, Team


def teams_of(user: User) -> QuerySet[Team]:
    return Team.objects.filter(memberships__user=user)


def visible_teams(user: User) -> QuerySet[Team]:
    return Team.objects.all() if user.is_administrator else teams_of(user)


def staffed_teams(user: User) -> QuerySet[Team]:
    """The teams in which the user is teacher or assistant; all for an administrator."""
    if user.is_administrator:
        return Team.objects.all()
    return Team.objects.filter(memberships__user=user, memberships__role__in=STAFF_ROLES)


def is_member(user: User, team: Team) -> bool:
    return Membership.objects.filter(user=user, team=team).exists()


def is_team_staff(user: User, team: Team) -> bool:
    return user.is_administrator or Membership.objects.filter(user=user, team=team, role__in=STAFF_ROLES).exists()


def get_team_for(user: User, slug: str) -> Team:
    """Return a team of the user, any team for an administrator, else raise Http404."""
    return get_object_or_404(visible_teams(user), slug=slug)
