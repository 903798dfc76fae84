"""Celery tasks of the portal's worker and of beat: each decodes and calls one service."""

from typing import Any

from celery import current_app, shared_task
from django.core.management import call_command

from portal.hosts.services import note_report, survey_queues
from portal.jobs.incoming import take_message
from portal.jobs.services import sweep_jobs


@shared_task(name="portal.report")
def report_task(*, host: str, kind: str, message: dict[str, Any]) -> None:
    """Take a message of an agent: ``kind`` is ``job``, ``event``, ``survey`` or ``usage``."""
    note_report(host_name=host, message=message)
    take_message(host_name=host, kind=kind, message=message)


@shared_task(name="portal.sweep_jobs")
def sweep_jobs_task() -> None:
    sweep_jobs()


@shared_task(name="portal.survey_hosts")
def survey_hosts_task() -> None:
    for queue in survey_queues():
        current_app.send_task("engine.survey", queue=queue, expires=50)


@shared_task(name="portal.clear_sessions")
def clear_sessions_task() -> None:
    call_command("clearsessions")
