"""Attach: join the streams of a container's first process, before its start or while it runs."""

import asyncio
from contextlib import ExitStack
from dataclasses import dataclass, replace

from engine.core.containers import ContainerRecord
from engine.core.detachkeys import parse_detach_keys
from engine.core.lifecycle import ALIVE, State
from engine.core.stdcopy import STDERR, STDOUT
from engine.core.tenants import Tenant
from engine.errors import Conflict, InvalidParameter
from engine.runtime.log_reader import LogFollower, LogStart
from engine.runtime.process import Process
from engine.service.engine import Engine
from engine.service.milestones import Milestone
from engine.service.output_flow import is_cut, tell_readers
from engine.service.read_logs import check_readable
from engine.service.streams import Client, Exchange, Outcome, exchange

_NOT_NOW = {
    State.PAUSED: "unpause the container before attach",
    State.RESTARTING: "wait until the container is running",
}


@dataclass(frozen=True, slots=True)
class AttachWish:
    """What the client asks for. ``logs``: what was said before; ``stream``: what is said from now on."""

    stdin: bool
    stdout: bool
    stderr: bool
    logs: bool
    stream: bool
    detach_keys: str
    is_multiplexed: bool = True


class Attachment:
    """A checked wish, to be carried out by ``run`` once the connection is taken over."""

    def __init__(self, engine: Engine, record: ContainerRecord, wish: AttachWish) -> None:
        self._engine = engine
        self._record = record
        self._wish = wish
        self._exchange = replace(_exchange(record, wish), on_progress=self._acknowledge if is_cut(record) else None)
        self._reader = engine.log(record.container_id)
        self._start = LogStart() if wish.logs else self._reader.now()
        self._process: Process | None = None
        self._follower: LogFollower | None = None
        self._begun = asyncio.Event()
        self._cleanup = ExitStack()
        self._waiting = self._cleanup.enter_context(ExitStack())
        self._wait_for_process()

    @property
    def is_tty(self) -> bool:
        return self._record.config.tty

    async def run(self, client: Client) -> None:
        """Pump until the end, waiting first for the start of a container that does not run. The caller closes the client."""
        try:
            if not self._wish.stream:
                await exchange(client, None, self._reader.follow(start=self._start), self._exchange)
            elif await self._has_begun(client) and self._follower is not None:
                outcome = await exchange(client, self._process, self._follower, self._exchange)
                if outcome is Outcome.DETACHED:
                    self._engine.publish(self._record, "detach")
                elif outcome is Outcome.GONE and self._exchange.stdin and self._exchange.close_stdin_at_end:
                    self._close_stdin()
        finally:
            self.close()
            await tell_readers(self._engine, self._record)

    async def _acknowledge(self, _position: int) -> None:
        await tell_readers(self._engine, self._record)

    def close(self) -> None:
        """Stop waiting and reading."""
        self._cleanup.close()

    def _close_stdin(self) -> None:
        """Its only source of input has gone, perhaps before the end of it was read."""
        if self._process is not None:
            self._process.close_stdin()

    def _wait_for_process(self) -> None:
        if self._record.run.state in ALIVE:
            self._begin()
            return
        self._waiting.enter_context(self._engine.readers.expecting(self._record.container_id, self._start.position))
        # A callback and not a task: the run may be so short that its end is handled before a waiting task wakes.
        for milestone in (Milestone.STARTED, Milestone.REMOVED):
            future = self._engine.milestones.upcoming(self._record.container_id, milestone)
            future.add_done_callback(self._begin)
            self._cleanup.callback(future.remove_done_callback, self._begin)

    def _begin(self, _: object = None) -> None:
        if self._begun.is_set():
            return
        self._begun.set()
        self._waiting.close()
        self._process = self._engine.supervisor.processes.get(self._record.container_id)
        if self._process is not None and self._wish.stream:
            self._follower = self._reader.follow(start=self._start, ended=self._process.ended)
            self._cleanup.enter_context(self._engine.readers.reading(self._record.container_id, self._follower))

    async def _has_begun(self, client: Client) -> bool:
        """Wait for the start or removal. False when the client leaves first."""
        waits = {asyncio.ensure_future(self._begun.wait()), asyncio.ensure_future(client.gone())}
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        return self._begun.is_set()


def attach_container(engine: Engine, tenant: Tenant, name: str, wish: AttachWish) -> Attachment:
    """Check an attach. Output counts from this call on. Run or close what is returned.

    Raises NotFound, Conflict, InvalidParameter, Unimplemented.
    """
    record = engine.containers.find(tenant, name)
    if not (wish.stream or wish.logs):
        raise InvalidParameter("choose what to attach to: stream, logs or both")
    if record.run.state in _NOT_NOW:
        raise Conflict(f"container {record.name} is {record.run.state}, {_NOT_NOW[record.run.state]}")
    if wish.logs:
        check_readable(record)
    attachment = Attachment(engine, record, wish)
    if wish.stream:
        engine.publish(record, "attach")
    return attachment


def _exchange(record: ContainerRecord, wish: AttachWish) -> Exchange:
    config = record.config
    keys = parse_detach_keys(wish.detach_keys)
    return Exchange(
        streams=frozenset(stream for stream, wanted in ((STDOUT, wish.stdout), (STDERR, wish.stderr)) if wanted),
        multiplexed=wish.is_multiplexed and not config.tty,
        stdin=wish.stdin and config.open_stdin,
        close_stdin_at_end=config.stdin_once,
        detach_keys=keys if config.tty else b"",
    )
