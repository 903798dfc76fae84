"""Whose workloads a person may look at and act on, and which containers are those of labs."""

import re
from dataclasses import dataclass
from uuid import UUID

from django.http import Http404
from django.utils.translation import gettext as _

from portal.accounts.models import User
from portal.common.words import localize
from portal.labs.selectors import visible_labs
from portal.teams.selectors import get_team_for, is_team_staff, staffed_teams
from portal.teams.tenants import Place, get_place_for, member_tenant, own_places
from portal.workloads.rows import LabLink

_MEMBER = re.compile(r"[a-z0-9](?:[a-z0-9_.-]{0,30}[a-z0-9])?")
LAB_LABEL = "atelier.lab"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One place to look at; ``query`` leads to it."""

    label: str
    query: str
    is_chosen: bool


def get_chosen_place(user: User, slug: str, *, is_own: bool) -> Place | None:
    """Return the place that an address names; the first of the user's without a name; None for who has none at all.

    A team's staff is led to the whole team unless they ask for their own. Raises Http404.
    """
    if slug:
        team = get_team_for(user, slug)
        return get_place_for(user, slug, is_whole_team=is_team_staff(user, team) and not is_own)
    own = own_places(user)
    if own:
        return own[0]
    team_or_none = staffed_teams(user).order_by("name").first()
    return None if team_or_none is None else Place(team_or_none, team_or_none.slug)


def choices_of(user: User, chosen: Place | None) -> list[Choice]:
    """Return all places of the user: their own in each team, and whole teams for their staff."""
    whole = {team.pk: Place(team, team.slug) for team in staffed_teams(user).order_by("name")}
    places = [(place, True) for place in own_places(user)] + [(place, False) for place in whole.values()]
    return [
        Choice(
            label=_("%(team)s: mine") % {"team": localize(place.team.name)}
            if is_own and place.team.pk in whole
            else localize(place.team.name),
            query=f"?team={place.team.slug}{'&mine=1' if is_own and place.team.pk in whole else ''}",
            is_chosen=place == chosen,
        )
        for place, is_own in places
    ]


def get_place_of_tenant(user: User, tenant: str) -> Place:
    """Return the place of a tenant that the user may act for: themselves, and for staff their team and its members.

    Raises Http404 for all others, and for what is no tenant.
    """
    slug, slash, member = tenant.partition("/")
    team = get_team_for(user, slug)
    if slash and not _MEMBER.fullmatch(member):
        raise Http404
    if tenant == member_tenant(team, user):
        return get_place_for(user, slug, is_whole_team=False)
    if not is_team_staff(user, team):
        raise Http404
    return Place(team, tenant)


def lab_links(user: User, container_ids_by_lab: dict[str, set[str]]) -> dict[tuple[str, str], LabLink]:
    """Return by tenant and container the labs that these are. A label is only a claim: the lab has to know the container."""
    labs = visible_labs(user).filter(pk__in=[lab_id for lab_id in container_ids_by_lab if _is_uuid(lab_id)])
    return {
        (lab.tenant, lab.container_id): LabLink(name=lab.name, url=lab.get_absolute_url())
        for lab in labs
        if lab.container_id in container_ids_by_lab[str(lab.uuid)]
    }


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False
