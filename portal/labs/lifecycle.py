"""The states of a lab and the only moves between them. Pure.

A lab's state is a wish (pending, stopping, removing) until a host reports; what a host reports is then the truth.
"""

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class LabState(TextChoices):
    PENDING = "pending", _("Waiting")
    CREATING = "creating", _("Starting")
    RUNNING = "running", _("Running")
    STOPPING = "stopping", _("Stopping")
    STOPPED = "stopped", _("Stopped")
    REMOVING = "removing", _("Being removed")
    FAILED = "failed", _("Failed")


class LabEvent(TextChoices):
    START = "start", _("start")
    STOP = "stop", _("stop")
    REMOVE = "remove", _("remove")
    CLAIMED = "claimed", _("claimed")
    RUNS = "runs", _("runs")
    STOPS = "stops", _("stops")
    FAILS = "fails", _("fails")


# Those whose processes run, may run soon, or are not known to have ended: they count in full for a quota.
ACTIVE = (LabState.PENDING, LabState.CREATING, LabState.RUNNING, LabState.STOPPING, LabState.REMOVING)
BUSY = (LabState.PENDING, LabState.CREATING, LabState.STOPPING, LabState.REMOVING)

TRANSITIONS: dict[tuple[LabState, LabEvent], LabState] = {
    # asked by a person
    (LabState.STOPPED, LabEvent.START): LabState.PENDING,
    (LabState.FAILED, LabEvent.START): LabState.PENDING,
    (LabState.RUNNING, LabEvent.STOP): LabState.STOPPING,
    (LabState.PENDING, LabEvent.REMOVE): LabState.REMOVING,
    (LabState.CREATING, LabEvent.REMOVE): LabState.REMOVING,
    (LabState.RUNNING, LabEvent.REMOVE): LabState.REMOVING,
    (LabState.STOPPING, LabEvent.REMOVE): LabState.REMOVING,
    (LabState.STOPPED, LabEvent.REMOVE): LabState.REMOVING,
    (LabState.FAILED, LabEvent.REMOVE): LabState.REMOVING,
    # told by a host
    (LabState.PENDING, LabEvent.CLAIMED): LabState.CREATING,
    (LabState.PENDING, LabEvent.RUNS): LabState.RUNNING,
    (LabState.CREATING, LabEvent.RUNS): LabState.RUNNING,
    (LabState.STOPPED, LabEvent.RUNS): LabState.RUNNING,
    (LabState.FAILED, LabEvent.RUNS): LabState.RUNNING,
    (LabState.CREATING, LabEvent.STOPS): LabState.STOPPED,
    (LabState.RUNNING, LabEvent.STOPS): LabState.STOPPED,
    (LabState.STOPPING, LabEvent.STOPS): LabState.STOPPED,
    (LabState.PENDING, LabEvent.FAILS): LabState.FAILED,
    (LabState.CREATING, LabEvent.FAILS): LabState.FAILED,
    (LabState.STOPPING, LabEvent.FAILS): LabState.RUNNING,
    (LabState.REMOVING, LabEvent.FAILS): LabState.FAILED,
}


def next_state(state: LabState, event: LabEvent) -> LabState | None:
    """Return the state after ``event``, or None where it means nothing: a late report, a second click."""
    return TRANSITIONS.get((state, event))


def can(state: LabState, event: LabEvent) -> bool:
    return (state, event) in TRANSITIONS
