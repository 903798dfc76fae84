"""What the course of a job does to its lab."""

from typing import Any

from portal.common.live import lab_group, send
from portal.jobs.models import Job, JobState
from portal.labs.lifecycle import ACTIVE, LabEvent, LabState, next_state
from portal.labs.models import Lab
from portal.labs.services import tell_pages, tell_usage

_SUCCESSES = {"lab.start": LabEvent.RUNS, "lab.stop": LabEvent.STOPS}


def lab_job_changed(job: Job) -> None:
    """Move the lab as its job moved; a lab that is gone, or elsewhere by now, stays as it is."""
    lab = Lab.objects.filter(pk=job.parameters["lab"]).first()
    if lab is None:
        return
    if job.state == JobState.RUNNING and job.action == "lab.start":
        move(lab, LabEvent.CLAIMED)
    elif job.state == JobState.COMPLETED and job.action == "lab.remove":
        forget(lab)
    elif job.state == JobState.COMPLETED:
        _take_success(lab, job)
    elif job.state in (JobState.FAILED, JobState.ERRORED):
        shortage = job.result.get("quota") or {}
        move(lab, LabEvent.FAILS, error_kind=job.error_kind, message=job.error_message, shortage=shortage)


def _take_success(lab: Lab, job: Job) -> None:
    changes = {
        "container_id": str(job.result.get("container_id", lab.container_id)),
        "observed_at_ns": max(lab.observed_at_ns, int(job.result.get("observed_at_ns", 0))),
        "error_kind": "",
        "message": "",
        "shortage": {},
    }
    if not move(lab, _SUCCESSES[job.action], **changes):
        # The host's event was quicker than the job's report; the container's id is still news.
        Lab.objects.filter(pk=lab.pk).update(container_id=changes["container_id"])


def move(lab: Lab, event: LabEvent, **changes: Any) -> bool:
    """Compare and set; False where the table has no such move or the row moved meanwhile."""
    target = next_state(LabState(lab.state), event)
    if target is None or not Lab.objects.filter(pk=lab.pk, state=lab.state).update(state=target, **changes):
        return False
    tell_pages(lab)
    if (lab.state in ACTIVE) != (target in ACTIVE):
        tell_usage(lab)
    return True


def forget(lab: Lab) -> None:
    """Delete the row of a lab whose container is gone, and close its sockets."""
    tell_pages(lab)
    tell_usage(lab)
    send([lab_group(lab.uuid)], {"type": "access.changed"})
    lab.delete()
