"""Writes jobs: create, send in order, take reports, send again or give up when a host is silent.

Every change of state is a compare-and-set on the row, so a late or doubled report changes nothing.
"""

import logging
from datetime import timedelta
from typing import Any

from celery import current_app
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from kombu.exceptions import OperationalError

from portal.accounts.models import User
from portal.common.live import ADMINISTRATORS, send_changed, staff_group, user_group
from portal.hosts.models import Host
from portal.jobs.actions import ACTIONS, tell_listener
from portal.jobs.models import UNFINISHED, Job, JobState
from portal.jobs.reports import Finish, Progress
from portal.teams.models import Team

MAX_ATTEMPTS = 3

_log = logging.getLogger(__name__)


@transaction.atomic
def create_job(
    *,
    action: str,
    object_key: str,
    object_name: str,
    host: Host,
    tenant: str,
    parameters: dict[str, Any],
    requested_by: User | None = None,
    team: Team | None = None,
) -> Job:
    """Write the row of a job and send it when the transaction commits and its turn has come."""
    job = Job.objects.create(
        action=ACTIONS[action].name,
        object_key=object_key,
        object_name=object_name,
        host=host,
        tenant=tenant,
        parameters=parameters,
        requested_by=requested_by,
        team=team,
    )
    tell_pages(job)
    dispatch_next(object_key)
    return job


def replace_waiting_job(object_key: str, *, action: str, parameters: dict[str, Any]) -> bool:
    """Let a job of the object that was not sent yet do this instead; False if there is none."""
    waiting = Job.objects.filter(object_key=object_key, state=JobState.PENDING, dispatched_at=None)
    return bool(waiting.update(action=ACTIONS[action].name, parameters=parameters))


def dispatch_next(object_key: str) -> None:
    """Send the oldest unfinished job of the object unless it is sent already: never two of one object at a time."""
    job = Job.objects.filter(object_key=object_key, state__in=UNFINISHED).order_by("pk").select_related("host").first()
    if job is not None and job.dispatched_at is None:
        _dispatch(job)


def _dispatch(job: Job) -> bool:
    """Claim the next attempt of ``job`` and send it after commit; False if another process was quicker."""
    now = timezone.now()
    deadline = now + timedelta(seconds=ACTIONS[job.action].pick_up_seconds)
    claimed = Job.objects.filter(pk=job.pk, state=job.state, attempt=job.attempt, deadline_at=job.deadline_at).update(
        attempt=job.attempt + 1, dispatched_at=now, deadline_at=deadline, sequence=0, state=JobState.PENDING
    )
    if not claimed:
        return False
    job.refresh_from_db()
    transaction.on_commit(lambda: _send(job))
    return True


def _send(job: Job) -> None:
    """Give the message to the broker. It expires with its deadline, so a copy found late can do no harm."""
    message = {
        "job_id": job.pk,
        "attempt": job.attempt,
        "action": job.action,
        "object_key": job.object_key,
        "tenant": job.tenant,
        "parameters": job.parameters,
    }
    try:
        current_app.send_task("engine.run", kwargs=message, queue=job.host.queue, expires=job.deadline_at)
    except OperationalError as error:
        _log.warning("job %s stays pending until the next sweep: %s", job.pk, error)


@transaction.atomic
def report_progress(report: Progress) -> None:
    """Take a sign of life: the first one claims the job, all put off its deadline."""
    job = Job.objects.filter(pk=report.job_id).first()
    if job is None or job.is_finished:
        return
    now = timezone.now()
    changes: dict[str, Any] = {"deadline_at": now + timedelta(seconds=ACTIONS[job.action].silence_seconds)}
    if report.line:
        changes["line"] = report.line[:300]
    if report.percent is not None:
        changes["percent"] = max(0, min(100, report.percent))
    if job.state == JobState.PENDING:
        changes |= {"state": JobState.RUNNING, "started_at": job.started_at or now}
    changed = Job.objects.filter(pk=job.pk, state=job.state, attempt=report.attempt, sequence__lt=report.sequence).update(
        sequence=report.sequence, **changes
    )
    if changed:
        _after_change(job)


@transaction.atomic
def finish_job(report: Finish) -> None:
    """Take the end of a job from whichever attempt it comes, once, and let the object's next job go."""
    changed = Job.objects.filter(pk=report.job_id, state__in=UNFINISHED).update(
        state=report.state,
        result=report.result,
        error_kind=report.error_kind,
        error_message=report.error_message,
        finished_at=timezone.now(),
        deadline_at=None,
        percent=100 if report.state == JobState.COMPLETED else None,
    )
    if changed:
        job = Job.objects.select_related("host").get(pk=report.job_id)
        _after_change(job)
        dispatch_next(job.object_key)


def _after_change(job: Job) -> None:
    job.refresh_from_db()
    tell_listener(job)
    tell_pages(job)


def sweep_jobs() -> None:
    """Send overdue jobs again, and give up those whose host stayed silent too often; send what was never sent."""
    now = timezone.now()
    overdue = Job.objects.filter(state__in=UNFINISHED).filter(Q(deadline_at__lt=now))
    for job in overdue.select_related("host"):
        if job.attempt < MAX_ATTEMPTS:
            with transaction.atomic():
                _dispatch(job)
        else:
            _give_up(job)
    for object_key in Job.objects.filter(state=JobState.PENDING, attempt=0).values_list("object_key", flat=True).distinct():
        with transaction.atomic():
            dispatch_next(object_key)


def _give_up(job: Job) -> None:
    _log.error("job %s: host %s is silent since %s", job.pk, job.host.name, job.deadline_at)
    message = f"host {job.host.name} did not answer {MAX_ATTEMPTS} times"
    finish_job(Finish(job_id=job.pk, state=JobState.ERRORED, error_kind="host_silent", error_message=message))


def tell_pages(job: Job) -> None:
    """Say to all who may see the job that it looks different now."""
    Job.objects.filter(pk=job.pk).update(changed_at=timezone.now())
    groups = [ADMINISTRATORS]
    if job.requested_by_id is not None:
        groups.append(user_group(job.requested_by_id))
    if job.team_id is not None:
        groups.append(staff_group(job.team_id))
    send_changed(groups, kind="job", key=str(job.pk))
