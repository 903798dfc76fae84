"""The page of workloads, which its socket fills, and the buttons in it. No view asks a host anything."""

from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from portal.accounts.http import UserRequest, refuse
from portal.common.refusals import Refusal
from portal.common.words import localize
from portal.workloads.kinds import KINDS
from portal.workloads.selectors import choices_of, get_chosen_place, get_place_of_tenant
from portal.workloads.services import ask

_LONGEST_NAME = 120


@require_GET
@login_required
def workload_list(request: UserRequest) -> HttpResponse:
    """Context: ``kinds`` (of Kind), ``choices`` (of Choice), ``place`` (or None), ``team_name`` and ``socket_url``."""
    place = get_chosen_place(request.user, request.GET.get("team", ""), is_own="mine" in request.GET)
    context = {
        "kinds": list(KINDS.values()),
        "choices": choices_of(request.user, place),
        "place": place,
        "team_name": localize(place.team.name) if place else "",
        "socket_url": f"/ws/workloads/?{urlencode({'tenant': place.tenant})}" if place else "",
    }
    return render(request, "workloads/list.html", context)


@require_POST
@login_required
def act(request: UserRequest, kind: str, verb: str) -> HttpResponse:
    """Ask for ``verb`` of the object ``id`` of ``tenant`` in the form; its row changes when the host says so."""
    place = get_place_of_tenant(request.user, request.POST.get("tenant", ""))
    chosen, object_id = KINDS.get(kind), request.POST.get("id", "")
    if chosen is None or verb not in chosen.verbs or not chosen.is_id(object_id):
        raise Http404
    name = request.POST.get("name", "")[:_LONGEST_NAME] or object_id[:12]
    try:
        ask(actor=request.user, place=place, kind=chosen, verb=verb, object_id=object_id, object_name=name)
    except Refusal as refusal:
        return refuse(request, refusal.explain(), fallback="workloads:list")
    return HttpResponse(status=204) if request.htmx else redirect("workloads:list")
