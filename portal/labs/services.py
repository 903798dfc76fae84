"""What people ask of labs: launch, start, stop, remove. Checks the quota, writes the rows, leaves the rest to a job."""

from itertools import count
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from portal.accounts.models import User
from portal.audit.services import record
from portal.common.live import ADMINISTRATORS, lab_group, send_changed, staff_group, user_group
from portal.hosts.models import Host
from portal.hosts.selectors import host_for_new_lab
from portal.jobs.models import Job
from portal.jobs.services import create_job
from portal.labs.lifecycle import LabEvent, LabState, next_state
from portal.labs.models import Lab, LabTemplate, TemplateState
from portal.labs.refusals import NoHost, NotNow, OverQuota, TemplateNotReady
from portal.labs.room import judge_request, launch_request, start_request
from portal.teams.models import Team
from portal.teams.quotas import Amounts


@transaction.atomic
def launch_lab(*, owner: User, team: Team, template: LabTemplate) -> Lab:
    """Make a lab of ``template`` for ``owner`` in ``team`` and start it.

    Raises TemplateNotReady, NoHost, OverQuota. The caller has checked that all three belong together.
    """
    if template.state != TemplateState.READY:
        raise TemplateNotReady(template)
    host = host_for_new_lab()
    if host is None:
        raise NoHost
    _check_quota(owner=owner, team=team, request=launch_request(template))
    lab = _create_lab(owner=owner, team=team, template=template, host=host)
    record(actor=owner, action="lab.launch", subject=lab.object_key, template=template.slug, team=team.slug)
    _create_start_job(lab, actor=owner)
    tell_pages(lab)
    tell_usage(lab)
    return lab


@transaction.atomic
def start_lab(*, actor: User, lab: Lab) -> Lab:
    """Start a stopped or failed lab. Raises NotNow in another state, OverQuota."""
    # The lock comes before the state is read: two clicks must not be granted the same room twice.
    _lock_team(lab.team)
    lab = _move(lab, LabEvent.START, message="", error_kind="", shortage={})
    _judge(owner=lab.owner, team=lab.team, request=start_request(lab))
    record(actor=actor, action="lab.start", subject=lab.object_key)
    _create_start_job(lab, actor=actor)
    tell_pages(lab)
    tell_usage(lab)
    return lab


@transaction.atomic
def stop_lab(*, actor: User | None, lab: Lab) -> Lab:
    """Stop a running lab (``actor`` None: the portal itself does). Raises NotNow in another state."""
    lab = _move(lab, LabEvent.STOP)
    record(actor=actor, action="lab.stop", subject=lab.object_key)
    _create_lab_job(lab, action="lab.stop", actor=actor)
    tell_pages(lab)
    return lab


@transaction.atomic
def remove_lab(*, actor: User, lab: Lab) -> Lab:
    """Remove a lab with all that is in it; what is under way for it ends first. Raises NotNow if it is being removed."""
    lab = _move(lab, LabEvent.REMOVE)
    record(actor=actor, action="lab.remove", subject=lab.object_key)
    _create_lab_job(lab, action="lab.remove", actor=actor)
    tell_pages(lab)
    tell_usage(lab)
    return lab


def claim_terminal(*, lab_id: UUID, old: str, new: str) -> bool:
    """Make exec ``new`` the lab's terminal if ``old`` still is; False if another socket was quicker."""
    return bool(Lab.objects.filter(pk=lab_id, terminal_exec_id=old).update(terminal_exec_id=new))


def tell_pages(lab: Lab) -> None:
    """Say to all who may see the lab that it looks different now."""
    Lab.objects.filter(pk=lab.pk).update(changed_at=timezone.now())
    groups = [ADMINISTRATORS, user_group(lab.owner_id), staff_group(lab.team_id), lab_group(lab.uuid)]
    send_changed(groups, kind="lab", key=str(lab.uuid))


def tell_usage(lab: Lab) -> None:
    """Say to those who look at the quotas that the lab counts for something else now."""
    groups = [ADMINISTRATORS, user_group(lab.owner_id), staff_group(lab.team_id)]
    send_changed(groups, kind="quota", key=lab.team.slug)


def _check_quota(*, owner: User, team: Team, request: Amounts) -> None:
    _lock_team(team)
    _judge(owner=owner, team=team, request=request)


def _lock_team(team: Team) -> None:
    """Let no other launch or start of the team be judged until this transaction ends."""
    Team.objects.select_for_update().get(pk=team.pk)


def _judge(*, owner: User, team: Team, request: Amounts) -> None:
    """Raise OverQuota unless ``request`` fits beside all labs of the team."""
    verdict = judge_request(owner=owner, team=team, request=request)
    if not verdict.is_granted:
        raise OverQuota(verdict)


def _create_lab(*, owner: User, team: Team, template: LabTemplate, host: Host) -> Lab:
    return Lab.objects.create(
        name=_free_name(owner, template.name),
        owner=owner,
        team=team,
        template=template,
        host=host,
        cpus=template.cpus,
        memory_bytes=template.memory_bytes,
        pids=template.pids,
    )


def _free_name(owner: User, wanted: str) -> str:
    """Number the second and later labs of one name, so that their owner can tell them apart."""
    taken = set(Lab.objects.filter(owner=owner, name__startswith=wanted).values_list("name", flat=True))
    numbered = (f"{wanted} {number}" for number in count(2))
    return wanted if wanted not in taken else next(name for name in numbered if name not in taken)


def _move(lab: Lab, event: LabEvent, **changes: Any) -> Lab:
    """Compare and set the lab's state. Raises NotNow if the table has no such move or somebody else was quicker."""
    target = next_state(LabState(lab.state), event)
    if target is None:
        raise NotNow(lab, event)
    if not Lab.objects.filter(pk=lab.pk, state=lab.state).update(state=target, **changes):
        lab.refresh_from_db()
        raise NotNow(lab, event)
    lab.refresh_from_db()
    return lab


def _create_start_job(lab: Lab, *, actor: User) -> Job:
    template = lab.template
    return _create_lab_job(
        lab,
        action="lab.start",
        actor=actor,
        image=template.image,
        command=template.command,
        cpus=lab.cpus,
        memory_bytes=lab.memory_bytes,
        pids=lab.pids,
        hostname=template.slug,
        has_docker=template.has_docker,
    )


def _create_lab_job(lab: Lab, *, action: str, actor: User | None, **parameters: Any) -> Job:
    return create_job(
        action=action,
        object_key=lab.object_key,
        object_name=lab.name,
        host=lab.host,
        tenant=lab.tenant,
        parameters={"lab": str(lab.uuid), **parameters},
        requested_by=actor,
        team=lab.team,
    )
