"""The course of a job: order, delivery, reports, silence."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from portal.jobs.models import Job, JobState
from portal.jobs.reports import Finish, Progress
from portal.jobs.services import MAX_ATTEMPTS, create_job, finish_job, report_progress, sweep_jobs
from tests.portal.conftest import Cast, HostQueue

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def make_job(cast: Cast) -> Callable[..., Job]:
    def make(object_key: str = "template:shell", **parameters: Any) -> Job:
        return create_job(
            action="image.import_shell",
            object_key=object_key,
            object_name="Shell",
            host=cast.host,
            tenant="",
            parameters=parameters,
        )

    return make


def overdue(job: Job) -> None:
    Job.objects.filter(pk=job.pk).update(deadline_at=timezone.now() - timedelta(seconds=1))


def finish(job: Job, state: JobState = JobState.COMPLETED) -> None:
    finish_job(Finish(job_id=job.pk, state=state))


def test_a_job_is_sent_to_its_host_with_everything_in_the_message(make_job: Callable[..., Job], host_queue: HostQueue) -> None:
    job = make_job(reference="atelier/shell:latest")

    assert host_queue.messages() == [
        {
            "job_id": job.pk,
            "attempt": 1,
            "action": "image.import_shell",
            "object_key": "template:shell",
            "tenant": "",
            "parameters": {"reference": "atelier/shell:latest"},
        }
    ]


def test_a_message_expires_with_the_deadline_of_its_attempt(make_job: Callable[..., Job], host_queue: HostQueue) -> None:
    job = make_job()
    job.refresh_from_db()

    (envelope,) = host_queue.envelopes()

    assert job.deadline_at is not None
    assert envelope["headers"]["expires"] == job.deadline_at.isoformat()


def test_jobs_of_one_object_are_sent_one_after_the_other(make_job: Callable[..., Job], host_queue: HostQueue) -> None:
    first, second, other = make_job(), make_job(), make_job("template:other")
    assert [message["job_id"] for message in host_queue.messages()] == [first.pk, other.pk]

    finish(first)

    assert [message["job_id"] for message in host_queue.messages()] == [first.pk, other.pk, second.pk]


@pytest.mark.parametrize("state", [JobState.FAILED, JobState.ERRORED])
def test_a_job_that_did_not_work_lets_the_next_one_go(
    make_job: Callable[..., Job], host_queue: HostQueue, state: JobState
) -> None:
    first, second = make_job(), make_job()

    finish(first, state)

    assert [message["job_id"] for message in host_queue.messages()] == [first.pk, second.pk]


def test_the_first_report_claims_the_job_and_puts_off_its_deadline(make_job: Callable[..., Job]) -> None:
    job = make_job()
    overdue(job)

    report_progress(Progress(job_id=job.pk, attempt=1, sequence=1, percent=40, line="downloading"))

    job.refresh_from_db()
    assert (job.state, job.percent, job.line) == (JobState.RUNNING, 40, "downloading")
    assert job.deadline_at is not None
    assert job.deadline_at > timezone.now()


def test_a_report_that_comes_late_changes_nothing(make_job: Callable[..., Job]) -> None:
    job = make_job()
    report_progress(Progress(job_id=job.pk, attempt=1, sequence=2, percent=50))
    report_progress(Progress(job_id=job.pk, attempt=1, sequence=1, percent=10))
    job.refresh_from_db()
    assert job.percent == 50

    finish(job)
    report_progress(Progress(job_id=job.pk, attempt=1, sequence=3, percent=60))
    finish(job, JobState.ERRORED)

    job.refresh_from_db()
    assert (job.state, job.percent) == (JobState.COMPLETED, 100)


def test_a_silent_host_is_asked_again_and_then_given_up(make_job: Callable[..., Job], host_queue: HostQueue) -> None:
    job, next_job = make_job(), make_job()
    for _ in range(MAX_ATTEMPTS):
        overdue(job)
        sweep_jobs()

    job.refresh_from_db()
    attempts = [message["attempt"] for message in host_queue.messages() if message["job_id"] == job.pk]
    assert attempts == list(range(1, MAX_ATTEMPTS + 1))
    assert (job.state, job.error_kind) == (JobState.ERRORED, "host_silent")
    assert host_queue.messages()[-1]["job_id"] == next_job.pk


def test_a_job_in_time_is_left_alone_by_the_sweep(make_job: Callable[..., Job], host_queue: HostQueue) -> None:
    make_job()
    sweep_jobs()
    assert len(host_queue.messages()) == 1


def test_the_end_is_taken_from_an_attempt_that_was_thought_dead(make_job: Callable[..., Job]) -> None:
    job = make_job()
    report_progress(Progress(job_id=job.pk, attempt=1, sequence=1))
    overdue(job)
    sweep_jobs()
    report_progress(Progress(job_id=job.pk, attempt=1, sequence=2, line="from the first attempt"))
    job.refresh_from_db()
    assert (job.attempt, job.state, job.line) == (2, JobState.PENDING, "")

    finish(job)

    job.refresh_from_db()
    assert job.state == JobState.COMPLETED


def test_a_job_whose_broker_was_away_is_sent_by_the_sweep(make_job: Callable[..., Job], host_queue: HostQueue) -> None:
    job = make_job()
    host_queue.redis.flushall()
    overdue(job)

    sweep_jobs()

    assert [(message["job_id"], message["attempt"]) for message in host_queue.messages()] == [(job.pk, 2)]
