"""Quotas as the page shows them: a table a team, a row a tenant, a cell a resource. Finished values."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from django.urls import reverse
from django.utils.translation import gettext as _

from portal.accounts.models import User
from portal.common.words import localize
from portal.hosts.models import Host
from portal.teams.models import Membership, QuotaPreset, Team, TenantOnHost
from portal.teams.providers import active_grants, counted_here
from portal.teams.pushes import tenant_name
from portal.teams.quota_cells import MAIN, Cell, Holding, SumCell, make_cell, over_of, sum_cells, with_words
from portal.teams.quotas import RESOURCES, combine
from portal.teams.reported import sum_usage
from portal.teams.resource_names import resource_name
from portal.teams.selectors import member_quota, staffed_teams, taught_teams


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """``state`` is empty (all is held), pending, failed or partial; ``details`` say what a host does not hold, and why."""

    state: str = ""
    label: str = ""
    details: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """``kind`` is team, default or member."""

    dom_id: str
    kind: str
    name: str
    username: str
    role: str
    set_url: str
    sheet_url: str
    can_edit: bool
    cells: list[Cell]
    status: Status


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamTable:
    slug: str
    dom_id: str
    name: str
    rows: list[Row]
    sum_dom_id: str
    sums: list[SumCell]
    can_edit: bool
    bulk_url: str


def row_dom_id(team: Team, part: str = "") -> str:
    """Name a row: of the team itself, of its default (``part`` is "/") or of a member."""
    return f"quota:{team.slug}" if not part else f"quota:{team.slug}:{part}"


def sum_dom_id(team: Team) -> str:
    return f"quota-sum:{team.slug}"


def team_tables(user: User) -> list[TeamTable]:
    """Return a table for each team of which the user is staff."""
    taught = set(taught_teams(user).values_list("pk", flat=True))
    return [team_table(team, user, can_edit=team.pk in taught) for team in staffed_teams(user).distinct()]


def team_table(team: Team, user: User, *, can_edit: bool) -> TeamTable:
    memberships = _memberships(team)
    hosts = _rows_on_hosts(team)
    members = [member_row(row, hosts, can_edit=can_edit) for row in memberships]
    return TeamTable(
        slug=team.slug,
        dom_id=f"quotas-{team.slug}",
        name=localize(team.name),
        rows=[team_row(team, hosts, can_edit=user.is_administrator), default_row(team, can_edit=can_edit), *members],
        sum_dom_id=sum_dom_id(team),
        sums=member_sums(team, memberships),
        can_edit=can_edit,
        bulk_url=reverse("quotas:bulk", args=[team.slug]),
    )


def team_row(team: Team, hosts: Iterable[TenantOnHost] | None = None, *, can_edit: bool, names: Sequence[str] = MAIN) -> Row:
    tenant = tenant_name(team)
    states = _of(tenant, _rows_on_hosts(team) if hosts is None else hosts)
    usage = {**sum_usage(states), **(counted_here(team, None) if "labs" in names else {})}
    holding = Holding(tenant=tenant, own=team.quota_values, quota=team.quota, usage=usage, over=over_of(states))
    return Row(
        dom_id=row_dom_id(team),
        kind="team",
        name=_("The whole team"),
        username="",
        role="",
        set_url=reverse("quotas:set_team", args=[team.slug]),
        sheet_url=reverse("quotas:team", args=[team.slug]),
        can_edit=can_edit,
        cells=[make_cell(name, holding) for name in names],
        status=_status(states),
    )


def default_row(team: Team, *, can_edit: bool, names: Sequence[str] = MAIN) -> Row:
    holding = Holding(tenant="", own=team.member_quota_values, quota=team.member_quota, usage={})
    return Row(
        dom_id=row_dom_id(team, "/"),
        kind="default",
        name=_("Each member"),
        username="",
        role=_("unless set below"),
        set_url=reverse("quotas:set_default", args=[team.slug]),
        sheet_url=reverse("quotas:default", args=[team.slug]),
        can_edit=can_edit,
        cells=[make_cell(name, holding) for name in names],
        status=Status(),
    )


def member_row(
    membership: Membership, hosts: Iterable[TenantOnHost] | None = None, *, can_edit: bool, names: Sequence[str] = MAIN
) -> Row:
    team, user = membership.team, membership.user
    tenant = tenant_name(team, user.username)
    states = _of(tenant, _rows_on_hosts(team) if hosts is None else hosts)
    usage = {**sum_usage(states), **(counted_here(team, user) if "labs" in names else {})}
    grants = active_grants(team, user)
    quota = combine(default=team.member_quota, override=membership.quota, grants=grants)
    holding = Holding(
        tenant=tenant,
        own=membership.quota_values,
        quota=quota,
        usage=usage,
        over=over_of(states),
        default=team.member_quota,
        grants=grants,
    )
    return Row(
        dom_id=row_dom_id(team, user.username),
        kind="member",
        name=user.display_name,
        username=user.username,
        role=str(membership.get_role_display()),
        set_url=reverse("quotas:set_member", args=[team.slug, user.username]),
        sheet_url=reverse("quotas:member", args=[team.slug, user.username]),
        can_edit=can_edit,
        cells=[make_cell(name, holding) for name in names],
        status=_status(states),
    )


def member_sums(team: Team, memberships: Iterable[Membership] | None = None) -> list[SumCell]:
    """Return the sum of what members may have against what the team has, by the columns of the page."""
    rows = _memberships(team) if memberships is None else memberships
    quotas = [member_quota(team, row.user, row) for row in rows]
    return sum_cells(quotas, {name: team.quota.limit(name) for name in MAIN})


def host_sums() -> list[SumCell]:
    """Return the sum of the teams' ceilings against what all enabled hosts have together; only where that is known."""
    capacity = {"cpus": "cpus", "memory": "memory_bytes", "disk": "disk_bytes", "pids": "pids"}
    hosts = list(Host.objects.filter(is_enabled=True))
    known = {name: [getattr(host, column) for host in hosts] for name, column in capacity.items()}
    whole = {name: sum(amounts) for name, amounts in known.items() if amounts and None not in amounts}
    return [cell for cell in sum_cells([team.quota for team in Team.objects.all()], whole) if cell.whole]


def preset_choices() -> list[tuple[int, str]]:
    return [(preset.pk, preset.name) for preset in QuotaPreset.objects.all()]


def resource_choices() -> list[tuple[str, str]]:
    return [(name, resource_name(name)) for name in (*MAIN, *(name for name in RESOURCES if name not in MAIN))]


def with_errors(row: Row, values: Mapping[str, str], errors: Mapping[str, str]) -> Row:
    """Return the row as somebody left it: their words in the fields, and what is wrong with them beside."""
    return replace(row, cells=[with_words(cell, values, errors) for cell in row.cells])


def _memberships(team: Team) -> list[Membership]:
    rows = list(team.memberships.select_related("user", "team").order_by("user__username"))
    return sorted(rows, key=lambda row: not row.is_staff)


def _rows_on_hosts(team: Team) -> list[TenantOnHost]:
    name = tenant_name(team)
    rows = TenantOnHost.objects.select_related("host").filter(host__is_enabled=True)
    return list(rows.filter(tenant=name)) + list(rows.filter(tenant__startswith=f"{name}/"))


def _of(tenant: str, rows: Iterable[TenantOnHost]) -> list[TenantOnHost]:
    return [row for row in rows if row.tenant == tenant]


def _status(states: Sequence[TenantOnHost]) -> Status:
    problems = [f"{row.host.name}: {row.problem}" for row in states if row.problem]
    reasons = [f"{row.host.name}: {reason}" for row in states for reason in dict.fromkeys(row.refused.values())]
    details = (*problems, *reasons)
    if problems:
        return Status(state="failed", label=_("Not held"), details=details)
    if any(row.is_pending for row in states):
        return Status(state="pending", label=_("Pending"), details=details)
    return Status(state="partial", label=_("Held in part"), details=details) if details else Status()
