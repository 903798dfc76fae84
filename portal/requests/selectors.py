"""Reads requests and grants. Access is decided here and nowhere else: everybody it does not concern gets 404."""

from collections.abc import Mapping
from datetime import datetime

from django.db.models import Q, QuerySet, Sum
from django.shortcuts import get_object_or_404
from django.utils import timezone

from portal.accounts.models import User
from portal.requests.models import Grant, QuotaRequest, RequestState
from portal.teams.models import STAFF_ROLES, Membership, Role, Team
from portal.teams.selectors import effective_quota, taught_teams


def visible_requests(user: User) -> QuerySet[QuotaRequest]:
    """Own requests of teams one is still in, those of teams one is staff of, all for an administrator."""
    requests = QuotaRequest.objects.select_related("team", "user", "decided_by")
    if user.is_administrator:
        return requests
    memberships = user.memberships.all()
    own = Q(user=user, team_id__in=memberships.values("team_id"))
    return requests.filter(own | Q(team_id__in=memberships.filter(role__in=STAFF_ROLES).values("team_id")))


def decidable_requests(user: User) -> QuerySet[QuotaRequest]:
    """Requests of teams in which the user is teacher, but own ones; all for an administrator."""
    requests = QuotaRequest.objects.select_related("team", "user", "decided_by").filter(team__in=taught_teams(user))
    return requests if user.is_administrator else requests.exclude(user=user)


def get_request_for(user: User, request_id: int) -> QuotaRequest:
    return get_object_or_404(visible_requests(user), pk=request_id)


def get_decidable_for(user: User, request_id: int) -> QuotaRequest:
    """Return a request that the user may decide on, else raise Http404."""
    return get_object_or_404(decidable_requests(user), pk=request_id)


def get_own_for(user: User, request_id: int) -> QuotaRequest:
    return get_object_or_404(visible_requests(user), pk=request_id, user=user)


def may_decide(user: User) -> bool:
    return user.is_administrator or taught_teams(user).exists()


def open_count(user: User) -> int:
    """Return how many requests wait for the user's decision."""
    return decidable_requests(user).filter(state=RequestState.OPEN).count()


def active_grants(team: Team, user: User, at: datetime | None = None) -> Mapping[str, float]:
    """Return what is granted to the member now, by resource. The clock alone decides, however late its end is told."""
    now = at or timezone.now()
    active = Grant.objects.filter(team=team, user=user, begins_at__lte=now, ends_at__gt=now, ended_at=None)
    rows = active.order_by().values("resource").annotate(total=Sum("amount"))
    return {row["resource"]: _whole(row["total"]) for row in rows}


def _whole(amount: float) -> float:
    """The database keeps fractions; engines take no fraction of a byte, not even one that is none."""
    return int(amount) if amount.is_integer() else amount


def teachers_of(team: Team) -> list[User]:
    memberships = Membership.objects.filter(team=team, role=Role.TEACHER, user__is_active=True).select_related("user")
    return [membership.user for membership in memberships]


def administrators() -> list[User]:
    return list(User.objects.filter(is_superuser=True, is_active=True))


def quota_after(quota_request: QuotaRequest, amount: float) -> float | None:
    """Return what the member would have with ``amount`` more; None without a ceiling."""
    limit = effective_quota(quota_request.team, quota_request.user).limit(quota_request.resource)
    return None if limit is None else limit + amount


def is_beyond_team(quota_request: QuotaRequest, amount: float) -> bool:
    """Whether the member would have more than the whole team."""
    wanted = quota_after(quota_request, amount)
    limit = effective_quota(quota_request.team, None).limit(quota_request.resource)
    return wanted is not None and limit is not None and wanted > limit
