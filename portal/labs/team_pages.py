"""The pages of teams: members, quota, and for staff the labs of all members."""

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from portal.accounts.http import UserRequest
from portal.labs.cards import lab_card, member_rows, quota_rows
from portal.labs.models import Lab
from portal.labs.selectors import team_labs, usage_of
from portal.teams.selectors import get_team_for, is_team_staff, visible_teams


@require_GET
@login_required
def team_list(request: UserRequest) -> HttpResponse:
    """Context: ``teams`` (Team objects: name, slug, get_absolute_url)."""
    return render(request, "teams/list.html", {"teams": visible_teams(request.user)})


@require_GET
@login_required
def team_detail(request: UserRequest, slug: str) -> HttpResponse:
    """Context: ``team``, ``is_staff``, ``quota`` (rows of the team), ``member_quota`` (own rows), and for staff only
    ``members`` ((user name, full name, role) each) and ``labs`` (LabCard of all members)."""
    team = get_team_for(request.user, slug)
    all_labs = Lab.objects.filter(team=team)
    is_staff = is_team_staff(request.user, team)
    context = {
        "team": team,
        "is_staff": is_staff,
        "quota": quota_rows(team.quota, usage_of(all_labs)),
        "member_quota": quota_rows(team.member_quota, usage_of(all_labs.filter(owner=request.user))),
        "members": member_rows(team) if is_staff else [],
        "labs": [lab_card(lab, request.user) for lab in team_labs(request.user, team)] if is_staff else [],
    }
    return render(request, "teams/detail.html", context)
