"""The actions a job may ask of an agent, and who in the portal wants to hear of their course.

An app registers a listener for its actions when it is loaded; this app knows none of them.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from portal.jobs.models import Job


@dataclass(frozen=True, slots=True)
class Action:
    """``pick_up_seconds``: how long a host may take to claim it. ``silence_seconds``: how long a claimed one may say nothing."""

    name: str
    pick_up_seconds: int = 30
    silence_seconds: int = 45


@dataclass(frozen=True, slots=True)
class Listener:
    """Called inside the transaction that changes the job's state; ``watchers`` returns further groups that see the job."""

    changed: Callable[[Job], None]


ACTIONS = {
    action.name: action
    for action in (
        Action("lab.start"),
        Action("lab.stop"),
        Action("lab.remove"),
        Action("container.start"),
        Action("container.stop"),
        Action("container.remove"),
        Action("containers.stop"),
        Action("image.remove"),
        Action("volume.remove"),
        Action("network.remove"),
        Action("tenant.set_limits"),
        Action("tenant.delete_limits"),
        Action("image.import_shell"),
        Action("image.bootstrap_debian", pick_up_seconds=60),
    )
}

_listeners: dict[str, Listener] = {}


def register_listener(names: Iterable[str], listener: Listener) -> None:
    for name in names:
        _listeners[name] = listener


def tell_listener(job: Job) -> None:
    listener = _listeners.get(job.action)
    if listener is not None:
        listener.changed(job)
