"""The usage report: of one team, for its members their own part of it, and of all teams for administrators."""

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from portal.accounts.http import UserRequest
from portal.common.words import localize
from portal.teams.models import Team
from portal.teams.selectors import get_team_for, is_team_staff
from portal.usage.periods import SPANS
from portal.usage.report import Period, Row, chart, member_rows, read_period, team_row, to_csv, with_shares


@require_GET
@login_required
def team_usage(request: UserRequest, slug: str) -> HttpResponse:
    """``?period=day|week|month&day=2026-11-21``. Context: ``name``, ``period``, ``spans``, ``rows`` and ``total`` (Row; the
    total is None for members, who see themselves only), ``columns`` of the chart, ``is_staff``."""
    team, period = get_team_for(request.user, slug), _period(request)
    is_staff = is_team_staff(request.user, team)
    context = {
        "name": localize(team.name),
        "team": team,
        "period": period,
        "spans": _spans(),
        "rows": _rows(request, team, period),
        "total": team_row(team, period.stretch) if is_staff else None,
        "columns": chart(team, None if is_staff else request.user, period),
        "is_staff": is_staff,
    }
    return render(request, "usage/team.html", context)


@require_GET
@login_required
def team_csv(request: UserRequest, slug: str) -> HttpResponse:
    """The same as a table to download; for staff with the team's own row first."""
    team, period = get_team_for(request.user, slug), _period(request)
    totals = [team_row(team, period.stretch)] if is_team_staff(request.user, team) else []
    return _download([*totals, *_rows(request, team, period)], period, f"usage-{team.slug}")


@require_GET
@login_required
def all_usage(request: UserRequest) -> HttpResponse:
    """Administrators: a row for each team. Context: ``period``, ``spans``, ``rows``."""
    period = _period(request)
    return render(request, "usage/all.html", {"period": period, "spans": _spans(), "rows": _team_rows(request, period)})


@require_GET
@login_required
def all_csv(request: UserRequest) -> HttpResponse:
    period = _period(request)
    return _download(_team_rows(request, period), period, "usage")


def _rows(request: UserRequest, team: Team, period: Period) -> list[Row]:
    only = None if is_team_staff(request.user, team) else request.user
    return member_rows(team, period.stretch, only=only)


def _team_rows(request: UserRequest, period: Period) -> list[Row]:
    if not request.user.is_administrator:
        raise Http404
    rows = [team_row(team, period.stretch) for team in Team.objects.all()]
    return with_shares(sorted(rows, key=lambda row: (-row.cpu_hours, -row.lab_hours, row.team)))


def _period(request: UserRequest) -> Period:
    return read_period(request.GET.get("period", ""), request.GET.get("day", ""))


def _spans() -> list[tuple[str, str]]:
    labels = {"day": _("Day"), "week": _("Week"), "month": _("Month")}
    return [(span, labels[span]) for span in SPANS]


def _download(rows: list[Row], period: Period, name: str) -> HttpResponse:
    response = HttpResponse(to_csv(rows, period), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}-{period.first.isoformat()}-{period.span}.csv"'
    return response
