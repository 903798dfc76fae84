"""Reads labs and templates. Access is decided here and nowhere else: everybody it does not concern gets 404."""

from uuid import UUID

from django.db.models import Case, IntegerField, Q, QuerySet, When
from django.shortcuts import get_object_or_404

from portal.accounts.models import User
from portal.labs.lifecycle import ACTIVE
from portal.labs.models import Lab, LabTemplate, TemplateState
from portal.teams.models import STAFF_ROLES, Team
from portal.teams.selectors import visible_teams


def visible_labs(user: User) -> QuerySet[Lab]:
    """Own labs of teams one is still a member of, labs of teams one is staff of, all for an administrator."""
    labs = Lab.objects.select_related("owner", "team", "template", "host")
    if user.is_administrator:
        return labs
    if not user.is_active:
        return labs.none()
    memberships = user.memberships.all()
    own = Q(owner=user, team_id__in=memberships.values("team_id"))
    return labs.filter(own | Q(team_id__in=memberships.filter(role__in=STAFF_ROLES).values("team_id")))


def get_lab_for(user: User, lab_id: UUID) -> Lab:
    return get_object_or_404(visible_labs(user), pk=lab_id)


def own_labs(user: User) -> QuerySet[Lab]:
    return visible_labs(user).filter(owner=user)


def team_labs(user: User, team: Team) -> QuerySet[Lab]:
    return visible_labs(user).filter(team=team)


def visible_templates(user: User) -> QuerySet[LabTemplate]:
    """Templates of the user's teams; all for an administrator."""
    if user.is_administrator:
        return LabTemplate.objects.all()
    return LabTemplate.objects.filter(teams__in=visible_teams(user)).distinct()


def offered_templates(user: User) -> QuerySet[LabTemplate]:
    """The same as a choice to make: those that can be started at once come first."""
    is_waiting = Case(When(state=TemplateState.READY, then=0), default=1, output_field=IntegerField())
    return visible_templates(user).order_by(is_waiting, "position", "name")


def get_template_for(user: User, slug: str) -> LabTemplate:
    return get_object_or_404(visible_templates(user), slug=slug)


def launch_teams(user: User, template: LabTemplate) -> QuerySet[Team]:
    """The teams for which the user may launch a lab of the template: those of both."""
    return template.teams.filter(memberships__user=user).order_by("name")


def active_labs() -> QuerySet[Lab]:
    return Lab.objects.filter(state__in=ACTIVE)
