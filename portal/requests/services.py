"""Writes requests: ask, decide, withdraw, and end what was granted.

Every change of state is a compare-and-set on the row: of two decisions at once one counts.
"""

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from portal.accounts.models import User
from portal.audit.services import record
from portal.common.live import ADMINISTRATORS, member_group, send_changed, staff_group, user_group
from portal.notices.services import notify
from portal.requests import texts
from portal.requests.days import end_of_day
from portal.requests.models import Grant, QuotaRequest, RequestState
from portal.requests.refusals import AskedAlready, BeyondTeam, NoCeiling, NoMember, NotNow, NotOwn, TooMany
from portal.requests.selectors import administrators, is_beyond_team, quota_after, teachers_of
from portal.teams.models import Membership, Team
from portal.teams.pushes import push_member
from portal.teams.selectors import effective_quota

_MOST_A_DAY = 20


@transaction.atomic
def ask(*, user: User, team: Team, resource: str, amount: float, until: date, why: str) -> QuotaRequest:
    """Ask for ``amount`` more of ``resource``. Raises AskedAlready, TooMany, NoCeiling. The caller has checked the membership."""
    if effective_quota(team, user).limit(resource) is None:
        raise NoCeiling
    if QuotaRequest.objects.filter(user=user, created_at__gt=timezone.now() - timedelta(days=1)).count() >= _MOST_A_DAY:
        raise TooMany
    try:
        with transaction.atomic():
            made = QuotaRequest.objects.create(user=user, team=team, resource=resource, amount=amount, until=until, why=why)
    except IntegrityError:
        raise AskedAlready from None
    _record(user, "request.ask", made, after={"amount": amount, "until": until.isoformat()})
    _tell_deciders(made, texts.ASKED)
    tell_pages(made)
    return made


@transaction.atomic
def approve(*, actor: User, quota_request: QuotaRequest, amount: float, until: date, reply: str = "") -> Grant:
    """Grant ``amount`` until the end of ``until``. Raises NotNow, NotOwn, NoMember, NoCeiling, BeyondTeam.

    The caller has checked that ``actor`` may decide in this team.
    """
    # The lock comes before the quota is read: two grants at once must not pass the team's quota together.
    Team.objects.select_for_update().get(pk=quota_request.team_id)
    membership = (
        Membership.objects.filter(team=quota_request.team_id, user=quota_request.user_id).select_related("team", "user").first()
    )
    if membership is None:
        raise NoMember
    _check_right(actor, quota_request, amount)
    before = effective_quota(quota_request.team, quota_request.user).limit(quota_request.resource)
    _decide(actor, quota_request, RequestState.APPROVED, reply, decided_amount=amount, decided_until=until)
    grant = Grant.objects.create(
        request=quota_request,
        team=quota_request.team,
        user=quota_request.user,
        resource=quota_request.resource,
        amount=amount,
        begins_at=timezone.now(),
        ends_at=end_of_day(until, ZoneInfo(settings.TIME_ZONE)),
    )
    after = {quota_request.resource: (before or 0) + amount, "until": until.isoformat()}
    _record(actor, "request.approve", quota_request, before={quota_request.resource: before}, after=after)
    _make_it_hold(membership)
    notify(_concerned(quota_request, but=actor), texts.APPROVED, texts.parameters_of(quota_request), _page())
    return grant


@transaction.atomic
def decline(*, actor: User, quota_request: QuotaRequest, reply: str = "") -> None:
    """Say no. Raises NotNow, NotOwn. The caller has checked that ``actor`` may decide in this team."""
    _check_own(actor, quota_request)
    _decide(actor, quota_request, RequestState.DECLINED, reply)
    _record(actor, "request.decline", quota_request)
    notify(_concerned(quota_request, but=actor), texts.DECLINED, texts.parameters_of(quota_request), _page())


@transaction.atomic
def withdraw(*, actor: User, quota_request: QuotaRequest) -> None:
    """Take back an open request. Raises NotNow. The caller has checked that it is the actor's own."""
    _move(quota_request, RequestState.OPEN, RequestState.WITHDRAWN)
    _record(actor, "request.withdraw", quota_request)
    _tell_deciders(quota_request, texts.WITHDRAWN)
    tell_pages(quota_request)


@transaction.atomic
def end_grant(*, actor: User | None, grant: Grant) -> bool:
    """End what was granted: by the clock (``actor`` None) or before its time. False if another process was quicker."""
    now = timezone.now()
    if not Grant.objects.filter(pk=grant.pk, ended_at=None).update(ended_at=now):
        return False
    quota_request = grant.request
    _move(quota_request, RequestState.APPROVED, RequestState.ENDED)
    membership = Membership.objects.filter(team=grant.team, user=grant.user).select_related("team", "user").first()
    after = effective_quota(grant.team, grant.user).limit(grant.resource) if membership else None
    before = None if after is None else after + grant.amount
    _record(actor, "grant.end", quota_request, before={grant.resource: before}, after={grant.resource: after})
    if membership is not None:
        _make_it_hold(membership)
    notify(_concerned(quota_request, but=actor), texts.ENDED, texts.parameters_of(quota_request), _page())
    tell_pages(quota_request)
    return True


def end_due_grants() -> None:
    """End all grants whose time is over, also those that ended while nobody was there to see it."""
    due = Grant.objects.filter(ended_at=None, ends_at__lte=timezone.now())
    for grant in due.select_related("request__team", "request__user", "request__decided_by", "team", "user"):
        end_grant(actor=None, grant=grant)


def next_ends(within: timedelta) -> list[datetime]:
    """Return the moments in which grants end before ``within`` is over."""
    now = timezone.now()
    ends = Grant.objects.filter(ended_at=None, ends_at__gt=now, ends_at__lte=now + within)
    return list(ends.order_by("ends_at").values_list("ends_at", flat=True).distinct())


def tell_pages(quota_request: QuotaRequest) -> None:
    """Say to all who may see the request that it looks different now."""
    groups = [ADMINISTRATORS, user_group(quota_request.user_id), staff_group(quota_request.team_id)]
    send_changed(groups, kind="request", key=str(quota_request.pk))


def _check_right(actor: User, quota_request: QuotaRequest, amount: float) -> None:
    """Raise unless ``actor`` may give the member so much."""
    _check_own(actor, quota_request)
    wanted = quota_after(quota_request, amount)
    if wanted is None:
        raise NoCeiling
    limit = effective_quota(quota_request.team, None).limit(quota_request.resource)
    if not actor.is_administrator and limit is not None and is_beyond_team(quota_request, amount):
        raise BeyondTeam(quota_request.resource, limit=limit, wanted=wanted)


def _check_own(actor: User, quota_request: QuotaRequest) -> None:
    if quota_request.user_id == actor.pk and not actor.is_administrator:
        raise NotOwn


def _decide(actor: User, quota_request: QuotaRequest, state: RequestState, reply: str, **changes: Any) -> None:
    _move(quota_request, RequestState.OPEN, state, decided_by=actor, decided_at=timezone.now(), reply=reply, **changes)
    tell_pages(quota_request)


def _move(quota_request: QuotaRequest, source: RequestState, target: RequestState, **changes: Any) -> None:
    """Compare and set. Raises NotNow where the request is in another state than ``source``."""
    rows = QuotaRequest.objects.filter(pk=quota_request.pk, state=source)
    moved = rows.update(state=target, changed_at=timezone.now(), **changes)
    quota_request.refresh_from_db(from_queryset=QuotaRequest.objects.select_related("team", "user", "decided_by"))
    if not moved:
        raise NotNow(quota_request)


def _make_it_hold(membership: Membership) -> None:
    """Tell the hosts, and the pages that show the member's share."""
    push_member(membership)
    team_id = membership.team_id
    groups = [ADMINISTRATORS, user_group(membership.user_id), staff_group(team_id), member_group(team_id)]
    send_changed(groups, kind="quota", key=membership.team.slug)


def _tell_deciders(quota_request: QuotaRequest, kind: str) -> None:
    """Tell the teachers; administrators where there is no other teacher, or where it is theirs alone to grant."""
    teachers = [teacher for teacher in teachers_of(quota_request.team) if teacher.pk != quota_request.user_id]
    if not teachers or is_beyond_team(quota_request, quota_request.amount):
        teachers += administrators()
    notify(teachers, kind, texts.parameters_of(quota_request), _page())


def _concerned(quota_request: QuotaRequest, *, but: User | None) -> list[User]:
    """Who asked, the team's teachers and who decided, without the one who does it now."""
    people = [quota_request.user, *teachers_of(quota_request.team)]
    if quota_request.decided_by is not None:
        people.append(quota_request.decided_by)
    return [person for person in people if but is None or person.pk != but.pk]


def _page() -> str:
    return reverse("requests:list")


def _record(actor: User | None, action: str, quota_request: QuotaRequest, *, before: Any = None, after: Any = None) -> None:
    record(
        actor=actor,
        action=action,
        subject=f"request:{quota_request.pk}",
        before=before,
        after=after,
        team=quota_request.team.slug,
        user=quota_request.user.username,
        resource=quota_request.resource,
    )
