"""The life of a container as one table: which state follows which event.

Owns the states and their transitions. Pure; who changes a state asks here first.
"""

from enum import StrEnum

from engine.errors import Conflict


class State(StrEnum):
    """What a container is, in Docker's words."""

    CREATED = "created"
    RUNNING = "running"
    PAUSED = "paused"
    RESTARTING = "restarting"
    EXITED = "exited"
    REMOVING = "removing"
    DEAD = "dead"


class Event(StrEnum):
    """What happens to a container."""

    START = "start"
    EXIT = "exit"
    PAUSE = "pause"
    UNPAUSE = "unpause"
    REMOVE = "remove"
    RESTART = "restart"  # its restart policy is going to start it again
    FAIL = "fail"  # removal failed half-way; it may be tried again


TRANSITIONS = {
    (State.CREATED, Event.START): State.RUNNING,
    (State.CREATED, Event.REMOVE): State.REMOVING,
    (State.RUNNING, Event.PAUSE): State.PAUSED,
    (State.RUNNING, Event.EXIT): State.EXITED,
    (State.RUNNING, Event.RESTART): State.RESTARTING,
    (State.PAUSED, Event.UNPAUSE): State.RUNNING,
    (State.PAUSED, Event.EXIT): State.EXITED,
    (State.PAUSED, Event.RESTART): State.RESTARTING,
    (State.RESTARTING, Event.START): State.RUNNING,
    (State.RESTARTING, Event.RESTART): State.RESTARTING,
    (State.RESTARTING, Event.EXIT): State.EXITED,
    (State.EXITED, Event.START): State.RUNNING,
    (State.EXITED, Event.RESTART): State.RESTARTING,
    (State.EXITED, Event.REMOVE): State.REMOVING,
    (State.REMOVING, Event.REMOVE): State.REMOVING,
    (State.REMOVING, Event.FAIL): State.DEAD,
    (State.DEAD, Event.REMOVE): State.REMOVING,
}

ALIVE = frozenset({State.RUNNING, State.PAUSED, State.RESTARTING})


def next_state(state: State, event: Event) -> State:
    """Return the state after ``event``. Raises Conflict when the table has no such move."""
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise Conflict(f"cannot {event} a container that is {state}") from None
