"""The pages of requests. Each view asks the getter, calls one service, shows the result."""

from collections.abc import Callable
from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from portal.accounts.http import UserRequest, refuse
from portal.common.refusals import Refusal
from portal.requests.cards import RequestCard, request_card
from portal.requests.forms import AskForm, Decision, DecisionForm, first_day, last_day, prefill
from portal.requests.models import QuotaRequest, RequestState
from portal.requests.refusals import NotNow
from portal.requests.selectors import get_decidable_for, get_own_for, visible_requests
from portal.requests.services import approve, ask, decline, end_grant, withdraw
from portal.teams.selectors import teams_of

_PAGE_LENGTH = 30


@require_GET
@login_required
def request_list(request: UserRequest) -> HttpResponse:
    """Context: ``requests`` (list of RequestCard, open ones first), ``page``, ``can_ask``."""
    rows = visible_requests(request.user).order_by("-pk")
    is_first = "page" not in request.GET
    waiting = list(rows.filter(state=RequestState.OPEN)) if is_first else []
    page = Paginator(rows.exclude(state=RequestState.OPEN), _PAGE_LENGTH).get_page(request.GET.get("page"))
    context = {
        "waiting": [_card(row, request) for row in waiting],
        "settled": [_card(row, request) for row in page],
        "page": page,
        "can_ask": teams_of(request.user).exists(),
    }
    return render(request, "requests/list.html", context)


@require_http_methods(["GET", "POST"])
@login_required
def new(request: UserRequest) -> HttpResponse:
    """Ask for more: ``?team=&resource=&amount=`` fills the form in. Context: ``form``."""
    if request.method == "GET":
        return _show_form(request, AskForm(user=request.user, initial=prefill(request.GET.dict())))
    form = AskForm(request.POST, user=request.user)
    if not form.is_valid():
        return _show_form(request, form, status=422)
    values = {name: form.cleaned_data[name] for name in ("team", "resource", "amount", "until", "why")}
    try:
        ask(user=request.user, **values)
    except Refusal as refusal:
        form.add_error(None, refusal.explain())
        return _show_form(request, form, status=422)
    return redirect("requests:list")


def _show_form(request: UserRequest, form: AskForm, status: int = 200) -> HttpResponse:
    return render(request, "requests/new.html", {"form": form}, status=status)


@require_POST
@login_required
def decide(request: UserRequest, request_id: int) -> HttpResponse:
    """``decision`` is ``approve``, with ``amount`` and ``until`` if other than asked, or ``decline``; ``reply`` may say why."""
    quota_request = get_decidable_for(request.user, request_id)
    form = DecisionForm(request.POST, quota_request=quota_request)
    if not form.is_valid():
        return refuse(request, form.first_error(), fallback="requests:list")
    values: dict[str, Any] = form.cleaned_data
    common = {"actor": request.user, "quota_request": quota_request, "reply": values["reply"]}
    if values["decision"] == Decision.DECLINE:
        return _act(request, quota_request, lambda: decline(**common))
    return _act(request, quota_request, lambda: approve(**common, amount=values["amount"], until=values["until"]))


@require_POST
@login_required
def take_back(request: UserRequest, request_id: int) -> HttpResponse:
    quota_request = get_own_for(request.user, request_id)
    return _act(request, quota_request, lambda: withdraw(actor=request.user, quota_request=quota_request))


@require_POST
@login_required
def end(request: UserRequest, request_id: int) -> HttpResponse:
    """End what was granted before its time."""
    quota_request = get_decidable_for(request.user, request_id)

    def do() -> None:
        if quota_request.state != RequestState.APPROVED or not end_grant(actor=request.user, grant=quota_request.grant):
            raise NotNow(quota_request)

    return _act(request, quota_request, do)


def _act(request: UserRequest, quota_request: QuotaRequest, do: Callable[[], object]) -> HttpResponse:
    """Do it and show the card as it is then."""
    try:
        do()
    except Refusal as refusal:
        return refuse(request, refusal.explain(), fallback="requests:list")
    if not request.htmx:
        return redirect("requests:list")
    quota_request.refresh_from_db()
    return render(request, "requests/_card.html", {"request_card": _card(quota_request, request)})


def _card(quota_request: QuotaRequest, request: UserRequest) -> RequestCard:
    return request_card(quota_request, request.user, first_day=first_day(), last_day=last_day())
