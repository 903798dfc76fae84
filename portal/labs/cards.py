"""Labs, templates and quotas as the pages show them: finished values, nothing to compute in a template."""

from dataclasses import dataclass
from datetime import datetime

from django.urls import reverse

from portal.accounts.models import User
from portal.common.units import format_amount
from portal.common.words import localize
from portal.jobs.messages import explain
from portal.jobs.models import Job
from portal.jobs.selectors import latest_job
from portal.labs.gauges import Room, room_for
from portal.labs.lifecycle import BUSY, LabEvent, LabState, can
from portal.labs.models import Lab, LabTemplate, TemplateState
from portal.labs.remedies import Advice, advise_on_quota, advise_on_verdict
from portal.labs.room import judge_request, launch_request
from portal.labs.selectors import launch_teams
from portal.labs.shortages import Short, shortages_of
from portal.teams.selectors import is_team_staff


@dataclass(frozen=True, slots=True, kw_only=True)
class LabCard:
    """``state`` is the plain word for CSS, ``state_label`` its translation. ``error`` is plain words, ``message`` the detail."""

    uuid: str
    tenant: str
    dom_id: str
    header_dom_id: str
    name: str
    template_name: str
    description: str
    team_name: str
    team_url: str
    owner_name: str
    is_own: bool
    state: str
    state_label: str
    is_busy: bool
    is_running: bool
    error: str
    message: str
    advice: Advice | None
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


def lab_card(lab: Lab, user: User) -> LabCard:
    state = LabState(lab.state)
    address = {name: reverse(f"labs:{name}", args=[lab.uuid]) for name in ("detail", "start", "stop", "remove")}
    return LabCard(
        uuid=str(lab.uuid),
        tenant=lab.tenant,
        dom_id=lab_dom_id(lab.uuid),
        header_dom_id=lab_header_dom_id(lab.uuid),
        name=lab.name,
        template_name=lab.template.name,
        description=localize(lab.template.description),
        team_name=localize(lab.team.name),
        team_url=lab.team.get_absolute_url(),
        owner_name=lab.owner.display_name,
        is_own=lab.owner_id == user.pk,
        state=state.value,
        state_label=str(state.label),
        is_busy=state in BUSY,
        is_running=state == LabState.RUNNING,
        error=explain(lab.error_kind),
        message=lab.message,
        advice=_lab_advice(lab, user),
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


def _lab_advice(lab: Lab, user: User) -> Advice | None:
    """Return what would help a lab that its host refused for want of something."""
    if lab.state != LabState.FAILED or not lab.shortage:
        return None
    return advise_on_quota(lab.shortage, reader=user, team=lab.team, tenant=lab.tenant)


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A template on offer. ``teams``: (short name, name) with room for it, to choose from; one choice needs no question.

    ``room``: what is left of the memory of the only team that there is to choose.
    ``refusal`` says why none of the user's teams has room, and what would help; ``shortages`` what the engine would refuse.
    """

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
    refusal: Advice | None
    room: Room | None
    shortages: list[Short]
    launch_url: str
    percent: int | None
    line: str
    error: str
    can_build: bool
    build_url: str


def offer_dom_id(slug: str) -> str:
    return f"offer-{slug}"


def offer_card(template: LabTemplate, user: User) -> Offer:
    verdicts = {
        team: judge_request(owner=user, team=team, request=launch_request(template)) for team in launch_teams(user, template)
    }
    granted = {team.slug: team for team, verdict in verdicts.items() if verdict.is_granted}
    teams = tuple((slug, localize(team.name)) for slug, team in granted.items())
    can_launch = template.state == TemplateState.READY and bool(teams)
    job = None if template.state == TemplateState.READY else latest_job(template.object_key)
    return Offer(
        slug=template.slug,
        dom_id=offer_dom_id(template.slug),
        name=template.name,
        description=localize(template.description),
        cpus=format_amount("cpus", template.cpus),
        memory=format_amount("memory_bytes", template.memory_bytes),
        state=template.state,
        state_label=str(TemplateState(template.state).label),
        can_launch=can_launch,
        teams=teams,
        refusal=None
        if teams
        else next((advise_on_verdict(verdict, reader=user, team=team) for team, verdict in verdicts.items()), None),
        room=room_for(next(iter(verdicts)), user) if len(verdicts) == 1 and teams else None,
        shortages=shortages_of(template, user, granted) if can_launch else [],
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
