"""What reports, events and surveys of a host do to a lab."""

from typing import Any

import pytest

from portal.jobs.incoming import take_message
from portal.jobs.models import Job
from portal.labs.lifecycle import LabState
from portal.labs.models import Lab
from tests.portal.conftest import Cast

pytestmark = pytest.mark.django_db(transaction=True)


def report(job: Job, state: str, **fields: Any) -> None:
    take_message(host_name="local", kind="job", message={"job_id": job.pk, "attempt": 1, "sequence": 1, "state": state, **fields})


def event(lab: Lab, action: str, at_ns: int, **fields: Any) -> None:
    message = {"action": action, "lab": str(lab.uuid), "tenant": lab.tenant, "container_id": "c1", "observed_at_ns": at_ns}
    message |= fields
    take_message(host_name="local", kind="event", message=message)


def survey(at_ns: int, **labs: bool) -> None:
    seen = {lab_id: {"container_id": "c1", "tenant": "demo/ada", "is_running": is_running} for lab_id, is_running in labs.items()}
    take_message(host_name="local", kind="survey", message={"labs": seen, "observed_at_ns": at_ns})


def started(cast: Cast, at_ns: int = 100) -> Lab:
    lab = cast.launch()
    report(Job.objects.get(), "completed", result={"container_id": "c1", "observed_at_ns": at_ns})
    lab.refresh_from_db()
    assert (lab.state, lab.container_id) == (LabState.RUNNING, "c1")
    return lab


def state_of(lab: Lab) -> str:
    return str(Lab.objects.values_list("state", flat=True).get(pk=lab.pk))


def test_a_claimed_start_is_shown_as_starting(cast: Cast) -> None:
    lab = cast.launch()
    report(Job.objects.get(), "running")
    assert state_of(lab) == LabState.CREATING


def test_a_failed_start_tells_why(cast: Cast) -> None:
    lab = cast.launch()
    report(Job.objects.get(), "failed", error_kind="image_missing", error_message="no such image: x")
    lab.refresh_from_db()
    assert (lab.state, lab.error_kind, lab.message) == (LabState.FAILED, "image_missing", "no such image: x")


def test_an_event_may_be_quicker_than_the_report_of_its_job(cast: Cast) -> None:
    lab = cast.launch()
    event(lab, "start", 100)
    assert state_of(lab) == LabState.RUNNING
    report(Job.objects.get(), "completed", result={"container_id": "c1", "observed_at_ns": 100})
    assert state_of(lab) == LabState.RUNNING


def test_a_container_that_ends_by_itself_stops_its_lab(cast: Cast) -> None:
    lab = started(cast)
    event(lab, "die", 200)
    assert state_of(lab) == LabState.STOPPED


def test_an_old_event_changes_nothing(cast: Cast) -> None:
    lab = started(cast)
    event(lab, "die", 200)
    event(lab, "start", 300)
    event(lab, "die", 200)
    assert state_of(lab) == LabState.RUNNING


def test_a_lab_that_ran_out_of_memory_says_so(cast: Cast) -> None:
    lab = started(cast)
    event(lab, "die", 200, oom=True)
    lab.refresh_from_db()
    assert lab.error_kind == "out_of_memory"


def test_a_label_on_somebody_elses_container_moves_no_lab(cast: Cast) -> None:
    lab = started(cast)
    event(lab, "die", 200, tenant="demo/alan")
    assert state_of(lab) == LabState.RUNNING
    Lab.objects.filter(pk=lab.pk).update(state=LabState.STOPPED)
    take_message(
        host_name="local",
        kind="survey",
        message={
            "labs": {str(lab.uuid): {"container_id": "c2", "tenant": "demo/alan", "is_running": True}},
            "observed_at_ns": 300,
        },
    )
    assert state_of(lab) == LabState.STOPPED


def test_an_event_of_another_host_or_of_no_lab_is_left_out(cast: Cast) -> None:
    lab = started(cast)
    message = {"action": "die", "lab": str(lab.uuid), "tenant": lab.tenant, "container_id": "c1", "observed_at_ns": 200}
    take_message(host_name="elsewhere", kind="event", message=message)
    take_message(host_name="local", kind="event", message={**message, "lab": "not-a-uuid"})
    assert state_of(lab) == LabState.RUNNING


@pytest.mark.parametrize(
    ("before", "is_running", "after"),
    [
        (LabState.RUNNING, None, LabState.STOPPED),
        (LabState.RUNNING, False, LabState.STOPPED),
        (LabState.STOPPED, True, LabState.RUNNING),
        (LabState.FAILED, True, LabState.RUNNING),
        (LabState.STOPPED, None, LabState.STOPPED),
        (LabState.PENDING, None, LabState.FAILED),
        (LabState.REMOVING, True, LabState.FAILED),
        (LabState.STOPPING, True, LabState.RUNNING),
    ],
)
def test_a_survey_corrects_what_was_missed(cast: Cast, before: LabState, is_running: bool | None, after: LabState) -> None:
    lab = started(cast)
    Lab.objects.filter(pk=lab.pk).update(state=before)
    survey(200, **({} if is_running is None else {str(lab.uuid): is_running}))
    assert state_of(lab) == after


def test_a_survey_does_not_overrule_a_wish_that_a_job_works_on(cast: Cast) -> None:
    lab = cast.launch()
    survey(200)
    assert state_of(lab) == LabState.PENDING


def test_a_survey_from_before_the_last_event_is_old_news(cast: Cast) -> None:
    lab = started(cast, at_ns=300)
    survey(200)
    assert state_of(lab) == LabState.RUNNING


def test_a_report_tells_that_the_host_lives(cast: Cast) -> None:
    from portal.jobs.tasks import report_task

    report_task(host="local", kind="survey", message={"labs": {}, "observed_at_ns": 1, "engine_version": "0.1.0"})
    cast.host.refresh_from_db()
    assert cast.host.seen_at is not None
    assert cast.host.engine_version == "0.1.0"
