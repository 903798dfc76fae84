"""Jobs as the page shows them: finished values, nothing to compute in a template."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django_stubs_ext import StrPromise

from portal.common.units import format_duration
from portal.jobs.messages import explain
from portal.jobs.models import Job, JobState

_LABELS: Mapping[str, StrPromise] = {
    "lab.start": _("Start"),
    "lab.stop": _("Stop"),
    "lab.remove": _("Remove"),
    "container.start": _("Start"),
    "container.stop": _("Stop"),
    "container.remove": _("Remove"),
    "containers.stop": _("Stop containers without a lab"),
    "image.remove": _("Remove image"),
    "volume.remove": _("Remove volume"),
    "network.remove": _("Remove network"),
    "tenant.set_limits": _("Set quota"),
    "tenant.delete_limits": _("Remove quota"),
    "image.import_shell": _("Prepare image"),
    "image.bootstrap_debian": _("Prepare image"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRow:
    """``percent`` is None where progress is unknown; ``error`` is plain words, ``error_detail`` the host's sentence.

    ``url`` leads to the lab, empty where there is none (any more); ``duration`` is empty until the job has ended.
    """

    id: int
    dom_id: str
    label: str
    object_name: str
    url: str
    owner_name: str
    host_name: str
    state: str
    state_label: str
    is_finished: bool
    percent: int | None
    line: str
    error: str
    error_detail: str
    attempt: int
    created_at: datetime
    duration: str


def job_dom_id(job_id: int | str) -> str:
    return f"job-{job_id}"


def job_row(job: Job) -> JobRow:
    label = _LABELS.get(job.action)
    return JobRow(
        id=job.pk,
        dom_id=job_dom_id(job.pk),
        label=str(label) if label else job.action,
        object_name=job.object_name or job.object_key,
        url=_lab_url(job),
        owner_name=job.requested_by.display_name if job.requested_by else "",
        host_name=job.host.name,
        state=job.state,
        state_label=str(JobState(job.state).label),
        is_finished=job.is_finished,
        percent=job.percent,
        line=job.line,
        error=explain(job.error_kind),
        error_detail=job.error_message,
        attempt=job.attempt,
        created_at=job.created_at,
        duration=_duration(job),
    )


def _lab_url(job: Job) -> str:
    lab_id = job.parameters.get("lab")
    return "" if lab_id is None or getattr(job, "is_object_gone", False) else reverse("labs:detail", args=[lab_id])


def _duration(job: Job) -> str:
    """From the click to the end: that is how long somebody waited."""
    return format_duration(job.finished_at - job.created_at) if job.finished_at else ""
