"""The pages of labs. Each view asks the getter, calls one service, shows the result."""

from collections.abc import Callable
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.views.decorators.http import require_GET, require_POST

from portal.accounts.http import UserRequest, go_to, refuse
from portal.common.refusals import Refusal
from portal.labs.cards import lab_card, may_build, offer_card
from portal.labs.models import Lab
from portal.labs.refusals import OverQuota
from portal.labs.remedies import advise_on_verdict
from portal.labs.selectors import get_lab_for, get_template_for, launch_teams, offered_templates, own_labs
from portal.labs.services import launch_lab, remove_lab, start_lab, stop_lab
from portal.labs.team_cards import shares
from portal.labs.templates import build_template
from portal.teams.models import Team


@require_GET
@login_required
def lab_list(request: UserRequest) -> HttpResponse:
    """My labs. Context: ``labs`` (list of LabCard), ``offers`` (list of Offer), ``shares`` (list of Usage)."""
    context = {
        "labs": [lab_card(lab, request.user) for lab in own_labs(request.user)],
        "offers": [offer_card(template, request.user) for template in offered_templates(request.user)],
        "shares": shares(request.user),
    }
    return render(request, "labs/list.html", context)


@require_GET
@login_required
def lab_detail(request: UserRequest, lab_id: UUID) -> HttpResponse:
    """One lab with its terminal and its log. Context: ``lab`` (LabCard)."""
    lab = get_lab_for(request.user, lab_id)
    return render(request, "labs/detail.html", {"lab": lab_card(lab, request.user)})


@require_POST
@login_required
def launch(request: UserRequest, slug: str) -> HttpResponse:
    """Launch a lab for team ``team`` of the form and lead to its page; its fragment with ``stay=1`` under htmx."""
    template = get_template_for(request.user, slug)
    team = get_object_or_404(launch_teams(request.user, template), slug=request.POST.get("team", ""))
    try:
        lab = launch_lab(owner=request.user, team=team, template=template)
    except Refusal as refusal:
        return _refuse(request, refusal, team)
    if request.htmx and request.POST.get("stay"):
        return render(request, "labs/_card.html", {"lab": lab_card(lab, request.user)})
    return go_to(request, lab.get_absolute_url())


@require_POST
@login_required
def build(request: UserRequest, slug: str) -> HttpResponse:
    """Have the image of a template made again: teachers of its teams and administrators."""
    template = get_template_for(request.user, slug)
    if not may_build(request.user, template) or not template.source:
        raise Http404
    try:
        build_template(actor=request.user, template=template)
    except Refusal as refusal:
        return refuse(request, refusal.explain(), fallback="labs:list")
    if request.htmx:
        template.refresh_from_db()
        return render(request, "labs/_offer.html", {"offer": offer_card(template, request.user)})
    return redirect("labs:list")


@require_POST
@login_required
def start(request: UserRequest, lab_id: UUID) -> HttpResponse:
    return _act(request, lab_id, start_lab)


@require_POST
@login_required
def stop(request: UserRequest, lab_id: UUID) -> HttpResponse:
    return _act(request, lab_id, stop_lab)


@require_POST
@login_required
def remove(request: UserRequest, lab_id: UUID) -> HttpResponse:
    return _act(request, lab_id, remove_lab)


def _refuse(request: UserRequest, refusal: Refusal, team: Team) -> HttpResponse:
    """Say why not, and what would help where a quota is in the way."""
    advice = advise_on_verdict(refusal.verdict, reader=request.user, team=team) if isinstance(refusal, OverQuota) else None
    html = render_to_string("labs/_refusal.html", {"advice": advice}, request) if advice else ""
    return refuse(request, refusal.explain(), fallback="labs:list", html=html)


def _act(request: UserRequest, lab_id: UUID, verb: Callable[..., Lab]) -> HttpResponse:
    """Do it and show the fragment that was clicked: the header where ``HX-Target`` names it, else the card."""
    lab = get_lab_for(request.user, lab_id)
    try:
        lab = verb(actor=request.user, lab=lab)
    except Refusal as refusal:
        return _refuse(request, refusal, lab.team)
    card = lab_card(lab, request.user)
    if not request.htmx:
        return redirect("labs:list")
    is_header = request.htmx.target == card.header_dom_id
    return render(request, "labs/_header.html" if is_header else "labs/_card.html", {"lab": card})
