"""Requests as the pages show them: finished values, nothing to compute in a template."""

from dataclasses import dataclass
from datetime import date, datetime

from django.urls import reverse
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from portal.accounts.models import User
from portal.common.units import format_amount, format_exact
from portal.common.words import localize
from portal.requests.models import QuotaRequest, RequestState
from portal.requests.selectors import is_beyond_team, may_decide, open_count
from portal.teams.models import Membership, Role
from portal.teams.resource_names import resource_name
from portal.teams.selectors import effective_quota


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestCard:
    """``change`` says what the quota is and would be; ``warning`` what a decision should know. Empty where there is nothing."""

    dom_id: str
    person: str
    team: str
    what: str
    amount: str
    change: str
    until: str
    why: str
    state: str
    state_label: str
    created_at: datetime
    warning: str
    decided_by: str
    reply: str
    amount_value: str
    until_value: str
    first_day: str
    last_day: str
    can_decide: bool
    can_withdraw: bool
    can_end: bool
    decide_url: str
    withdraw_url: str
    end_url: str


def request_dom_id(request_id: object) -> str:
    return f"request-{request_id}"


def request_card(quota_request: QuotaRequest, user: User, *, first_day: date, last_day: date) -> RequestCard:
    state = RequestState(quota_request.state)
    is_open = state == RequestState.OPEN
    amount = quota_request.decided_amount or quota_request.amount
    until = quota_request.decided_until or quota_request.until
    is_decider = _may_decide_on(quota_request, user)
    address = {name: reverse(f"requests:{name}", args=[quota_request.pk]) for name in ("decide", "withdraw", "end")}
    return RequestCard(
        dom_id=request_dom_id(quota_request.pk),
        person=quota_request.user.display_name,
        team=localize(quota_request.team.name),
        what=resource_name(quota_request.resource),
        amount=format_amount(quota_request.resource, amount),
        change=_change(quota_request) if is_open else "",
        until=date_format(until, "DATE_FORMAT"),
        why=quota_request.why,
        state=state.value,
        state_label=str(state.label),
        created_at=quota_request.created_at,
        warning=_warning(quota_request, user) if is_open and is_decider else "",
        decided_by=quota_request.decided_by.display_name if quota_request.decided_by else "",
        reply=quota_request.reply,
        amount_value=format_exact(quota_request.resource, quota_request.amount),
        until_value=max(quota_request.until, first_day).isoformat(),
        first_day=first_day.isoformat(),
        last_day=last_day.isoformat(),
        can_decide=is_open and is_decider,
        can_withdraw=is_open and quota_request.user_id == user.pk,
        can_end=state == RequestState.APPROVED and is_decider,
        decide_url=address["decide"],
        withdraw_url=address["withdraw"],
        end_url=address["end"],
    )


def _may_decide_on(quota_request: QuotaRequest, user: User) -> bool:
    """The same as ``selectors.decidable_requests``, of one that is read already."""
    if user.is_administrator:
        return True
    is_own = quota_request.user_id == user.pk
    return not is_own and Membership.objects.filter(team=quota_request.team, user=user, role=Role.TEACHER).exists()


def _change(quota_request: QuotaRequest) -> str:
    limit = effective_quota(quota_request.team, quota_request.user).limit(quota_request.resource)
    if limit is None:
        return ""
    now, then = (format_amount(quota_request.resource, amount) for amount in (limit, limit + quota_request.amount))
    return _("%(now)s now, %(then)s then") % {"now": now, "then": then}


def _warning(quota_request: QuotaRequest, user: User) -> str:
    if not is_beyond_team(quota_request, quota_request.amount):
        return ""
    if user.is_administrator:
        return _("That is more than the whole team has: it helps only together with a larger quota of the team.")
    return _("That is more than the whole team has. Grant less, or leave it to an administrator.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """The number beside the link to requests: ``count`` is empty where none waits, ``label`` says it in words."""

    count: str
    label: str


def waiting_for(user: User) -> Waiting:
    count = open_count(user) if may_decide(user) else 0
    return Waiting(count=str(count) if count else "", label=_("%(count)s waiting") % {"count": count} if count else "")
