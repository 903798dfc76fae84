"""The pages of teams: members, quota, and for staff the labs of all members."""

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from portal.accounts.http import UserRequest
from portal.common.words import localize
from portal.labs.cards import lab_card
from portal.labs.selectors import team_labs
from portal.labs.team_cards import member_rows, team_cards, team_labs_dom_id, usage_card
from portal.teams.selectors import get_team_for, is_team_staff, visible_teams


@require_GET
@login_required
def team_list(request: UserRequest) -> HttpResponse:
    """Context: ``teams`` (list of TeamCard)."""
    return render(request, "teams/list.html", {"teams": team_cards(visible_teams(request.user), request.user)})


@require_GET
@login_required
def team_detail(request: UserRequest, slug: str) -> HttpResponse:
    """Context: ``team``, ``name``, ``is_staff``, ``usage`` (Usage), and for staff only ``members`` ((user name, full name,
    role) each), ``labs`` (LabCard of all members) and ``labs_dom_id``."""
    team = get_team_for(request.user, slug)
    is_staff = is_team_staff(request.user, team)
    context = {
        "team": team,
        "name": localize(team.name),
        "is_staff": is_staff,
        "usage": usage_card(team, request.user),
        "members": member_rows(team) if is_staff else [],
        "labs": [lab_card(lab, request.user) for lab in team_labs(request.user, team)] if is_staff else [],
        "labs_dom_id": team_labs_dom_id(team.slug),
    }
    return render(request, "teams/detail.html", context)
