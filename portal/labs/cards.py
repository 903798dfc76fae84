"""Labs, templates and quotas as the pages show them: finished values, nothing to compute in a template."""

from dataclasses import dataclass
from datetime import datetime

from django.urls import reverse

from portal.accounts.models import User
from portal.common.units import format_amount
from portal.jobs.messages import explain
from portal.jobs.models import Job
from portal.jobs.selectors import latest_job
from portal.labs.lifecycle import BUSY, LabEvent, LabState, can
from portal.labs.models import Lab, LabTemplate, TemplateState
from portal.labs.refusals import resource_name
from portal.labs.selectors import launch_teams
from portal.teams.models import Team
from portal.teams.quotas import RESOURCES, Quota, Resources
from portal.teams.selectors import is_team_staff


@dataclass(frozen=True, slots=True, kw_only=True)
class LabCard:
    """``state`` is the plain word for CSS, ``state_label`` its translation. ``error`` is plain words, ``message`` the detail."""

    uuid: str
    dom_id: str
    header_dom_id: str
    name: str
    template_name: str
    description: str
    team_name: str
    owner_name: str
    is_own: bool
    state: str
    state_label: str
    is_busy: bool
    is_running: bool
    error: str
    message: str
    cpus: str
    memory: str
    created_at: datetime
    can_start: bool
    can_open: bool
    can_stop: bool
    can_remove: bool
    url: str
    start_url: str
    stop_url: str
    remove_url: str
    terminal_url: str
    log_url: str


def lab_dom_id(lab_id: object) -> str:
    return f"lab-{lab_id}"


def lab_header_dom_id(lab_id: object) -> str:
    return f"lab-header-{lab_id}"


def team_labs_dom_id(slug: str) -> str:
    """Name the list of a team's labs on the team's page."""
    return f"team-labs-{slug}"


def lab_card(lab: Lab, user: User) -> LabCard:
    state = LabState(lab.state)
    address = {name: reverse(f"labs:{name}", args=[lab.uuid]) for name in ("detail", "start", "stop", "remove")}
    return LabCard(
        uuid=str(lab.uuid),
        dom_id=lab_dom_id(lab.uuid),
        header_dom_id=lab_header_dom_id(lab.uuid),
        name=lab.name,
        template_name=lab.template.name,
        description=lab.template.description,
        team_name=lab.team.name,
        owner_name=lab.owner.display_name,
        is_own=lab.owner_id == user.pk,
        state=state.value,
        state_label=str(state.label),
        is_busy=state in BUSY,
        is_running=state == LabState.RUNNING,
        error=explain(lab.error_kind),
        message=lab.message,
        cpus=format_amount("cpus", lab.cpus),
        memory=format_amount("memory_bytes", lab.memory_bytes),
        created_at=lab.created_at,
        can_start=can(state, LabEvent.START),
        can_open=state != LabState.REMOVING,
        can_stop=can(state, LabEvent.STOP),
        can_remove=can(state, LabEvent.REMOVE),
        url=address["detail"],
        start_url=address["start"],
        stop_url=address["stop"],
        remove_url=address["remove"],
        terminal_url=f"/ws/labs/{lab.uuid}/terminal/",
        log_url=f"/ws/labs/{lab.uuid}/log/",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A template that the user may launch. ``teams``: (short name, name) to choose from; one choice needs no question."""

    slug: str
    dom_id: str
    name: str
    description: str
    cpus: str
    memory: str
    state: str
    state_label: str
    can_launch: bool
    teams: tuple[tuple[str, str], ...]
    launch_url: str
    percent: int | None
    line: str
    error: str
    can_build: bool
    build_url: str


def offer_dom_id(slug: str) -> str:
    return f"offer-{slug}"


def offer_card(template: LabTemplate, user: User) -> Offer:
    teams = tuple((team.slug, team.name) for team in launch_teams(user, template))
    job = None if template.state == TemplateState.READY else latest_job(template.object_key)
    return Offer(
        slug=template.slug,
        dom_id=offer_dom_id(template.slug),
        name=template.name,
        description=template.description,
        cpus=format_amount("cpus", template.cpus),
        memory=format_amount("memory_bytes", template.memory_bytes),
        state=template.state,
        state_label=str(TemplateState(template.state).label),
        can_launch=template.state == TemplateState.READY and bool(teams),
        teams=teams,
        launch_url=reverse("labs:launch", args=[template.slug]),
        percent=job.percent if job else None,
        line=job.line if job else "",
        error=_build_error(job),
        can_build=template.state == TemplateState.FAILED and bool(template.source) and may_build(user, template),
        build_url=reverse("labs:build", args=[template.slug]),
    )


def may_build(user: User, template: LabTemplate) -> bool:
    return user.is_administrator or any(is_team_staff(user, team) for team in template.teams.all())


def _build_error(job: Job | None) -> str:
    return explain(job.error_kind) if job else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaRow:
    """One resource of a quota. ``percent`` and ``limit`` are None where there is no ceiling."""

    label: str
    used: str
    limit: str | None
    percent: int | None


def quota_rows(quota: Quota, usage: Resources) -> list[QuotaRow]:
    rows = []
    for name in RESOURCES:
        limit, used = getattr(quota, name), getattr(usage, name)
        rows.append(
            QuotaRow(
                label=resource_name(name),
                used=format_amount(name, used),
                limit=None if limit is None else format_amount(name, limit),
                percent=None if limit is None else min(100, round(100 * used / limit)) if limit else 100,
            )
        )
    return rows


def member_rows(team: Team) -> list[tuple[str, str, str]]:
    """Return (user name, full name, role) of all members, staff first."""
    memberships = team.memberships.select_related("user").order_by("user__username")
    ordered = sorted(memberships, key=lambda membership: not membership.is_staff)
    return [(row.user.username, row.user.get_full_name(), str(row.get_role_display())) for row in ordered]
