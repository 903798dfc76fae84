"""What restart policies mean for a container's record: whether it goes on, that somebody stopped it, that it is given up.

Owns the rules' application to records; ``restart_later`` does the starts.
"""

from dataclasses import replace

from engine.core.containers import ContainerRecord
from engine.core.lifecycle import ALIVE, Event, State, next_state
from engine.core.restart import wants_restart
from engine.core.signals import DEFAULT_STOP_SIGNAL, parse_signal
from engine.service.engine import Engine
from engine.service.milestones import Milestone

_SIGKILL = 9


def goes_on(record: ContainerRecord, exit_code: int | None) -> bool:
    """Whether a container that has ended with this code is to be started again."""
    return wants_restart(
        record.host.restart,
        exit_code=exit_code,
        restart_count=record.restart_count,
        is_stopped_by_hand=record.is_stopped_by_hand,
    )


def is_request_to_end(record: ContainerRecord, number: int) -> bool:
    """Whether a signal means that the container is to end, and to stay so. Others (HUP, USR1) are messages to the program."""
    return number in (_SIGKILL, parse_signal(record.config.stop_signal or DEFAULT_STOP_SIGNAL))


async def note_stop_by_hand(engine: Engine, record: ContainerRecord) -> ContainerRecord | None:
    """From here on no policy starts it again by itself. Returns its record when it only waited for its next start.

    Without a policy there is nothing to remember, so a kill then waits for no lock.
    """
    if record.host.restart.is_none and record.run.state is not State.RESTARTING:
        return None
    async with engine.containers.lock(record.container_id):
        present = engine.containers.get(record.container_id)
        if present is None or present.run.state not in ALIVE:
            return present or record
        stopped = replace(present, is_stopped_by_hand=True)
        if present.run.state is State.RESTARTING:
            return await give_up_locked(engine, stopped)
        await engine.containers.note(stopped)  # a disk that refuses must not keep anybody from ending a container
        return None


async def give_up_locked(engine: Engine, record: ContainerRecord) -> ContainerRecord:
    """End the waiting for a next start. The container's lock is held."""
    engine.restarts.forget(record.container_id)
    ended = replace(record, run=replace(record.run, state=next_state(record.run.state, Event.EXIT)))
    await engine.containers.note(ended)
    engine.milestones.reach(Milestone.EXITED, ended)
    return ended
