"""What hosts see: events as they happen, and a survey of all containers now and then. The host is right about its containers.

A wish that a job still works on (pending, stopping, removing) is not overruled: its job reports itself.
"""

from typing import Any
from uuid import UUID

from django.db import transaction

from portal.jobs.selectors import has_unfinished_job
from portal.labs.lifecycle import LabEvent, LabState
from portal.labs.models import Lab
from portal.labs.outcomes import move

_EVENTS = {"start": LabEvent.RUNS, "die": LabEvent.STOPS, "destroy": LabEvent.STOPS}


@transaction.atomic
def take_event(host_name: str, message: dict[str, Any]) -> None:
    """Apply ``{"action", "lab", "tenant", "container_id", "observed_at_ns", "oom"}`` unless something newer was seen already."""
    event = _EVENTS.get(str(message.get("action")))
    lab = _find_lab(host_name, message.get("lab"))
    observed_at_ns = int(message.get("observed_at_ns", 0))
    if event is None or lab is None or not _is_of(lab, message) or observed_at_ns <= lab.observed_at_ns:
        return
    changes: dict[str, Any] = {"observed_at_ns": observed_at_ns, "container_id": str(message.get("container_id", ""))}
    if event == LabEvent.STOPS:
        changes |= {"error_kind": "out_of_memory" if message.get("oom") else "", "message": ""}
        if message.get("action") == "destroy":
            changes |= {"container_id": "", "terminal_exec_id": ""}
    if not move(lab, event, **changes):
        Lab.objects.filter(pk=lab.pk).update(observed_at_ns=observed_at_ns)


@transaction.atomic
def take_survey(host_name: str, message: dict[str, Any]) -> None:
    """Compare ``{"labs": {uuid: {"container_id", "tenant", "is_running"}}, "observed_at_ns"}`` with our picture; correct it."""
    seen: dict[str, dict[str, Any]] = message.get("labs", {})
    observed_at_ns = int(message.get("observed_at_ns", 0))
    for lab in Lab.objects.filter(host__name=host_name, observed_at_ns__lt=observed_at_ns):
        found = seen.get(str(lab.uuid))
        _correct(lab, found if found and _is_of(lab, found) else None, observed_at_ns)


def _correct(lab: Lab, seen: dict[str, Any] | None, observed_at_ns: int) -> None:
    if has_unfinished_job(lab.object_key):
        return
    is_running = bool(seen and seen.get("is_running"))
    changes = {"observed_at_ns": observed_at_ns, "container_id": str(seen["container_id"]) if seen else ""}
    if lab.state in (LabState.PENDING, LabState.REMOVING):
        # No job works on the wish any more, so it will not come true by itself.
        move(lab, LabEvent.FAILS, error_kind="bug", message="the job of this lab was lost")
    elif is_running and lab.state == LabState.STOPPING:
        move(lab, LabEvent.FAILS, **changes)
    elif is_running != (lab.state == LabState.RUNNING):
        move(lab, LabEvent.RUNS if is_running else LabEvent.STOPS, **changes)


def _is_of(lab: Lab, observation: dict[str, Any]) -> bool:
    """Whether it is the lab's own container: anybody may put any label on a container of theirs, but not its tenant."""
    return observation.get("tenant") == lab.tenant


def _find_lab(host_name: str, lab_id: object) -> Lab | None:
    try:
        return Lab.objects.filter(pk=UUID(str(lab_id)), host__name=host_name).first()
    except ValueError:
        return None
