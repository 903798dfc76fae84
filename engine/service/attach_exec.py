"""The streams of an exec: the starter's own connection, and joining a running one again.

Owns flow control towards the process: its output waits for the starter, and for nobody else.
"""

import asyncio
from dataclasses import dataclass

from engine.core.detachkeys import parse_detach_keys
from engine.core.execs import ExecRecord
from engine.core.ids import short_id
from engine.core.stdcopy import STDERR, STDOUT, frame
from engine.core.tenants import Tenant
from engine.errors import Conflict, EngineError
from engine.runtime.process import Process
from engine.service.engine import Engine
from engine.service.exec_container import check_startable, start_exec
from engine.service.streams import Client, Exchange, exchange


@dataclass(slots=True)
class ExecStart:
    """A checked start whose client wants the streams, in frames or ``is_raw``: that is the start's own wish, as with dockerd."""

    engine: Engine
    tenant: Tenant
    execution: ExecRecord
    is_raw: bool

    async def run(self, client: Client, *, rows: int = 0, columns: int = 0) -> None:
        """Start and pump until the end. A failure to start is said in the stream, as dockerd does; the exit code tells it too."""
        exec_id = self.execution.exec_id
        try:
            process = await start_exec(self.engine, self.tenant, exec_id, is_detached=False, rows=rows, columns=columns)
        except EngineError as error:
            await self._say(client, error.message)
            return
        try:
            await exchange(client, process, process.follow(), self._exchange())
        finally:
            await self.engine.supervisor.flow(exec_id, None)  # nobody holds the output up any more

    async def _say(self, client: Client, message: str) -> None:
        text = f"{message}\r\n".encode()
        await client.write(text if self.is_raw else frame(STDOUT, text))

    def _exchange(self) -> Exchange:
        config, exec_id = self.execution.config, self.execution.exec_id
        wanted = ((STDOUT, config.attach_stdout), (STDERR, config.attach_stderr))

        async def acknowledge(position: int) -> None:
            await self.engine.supervisor.flow(exec_id, position)

        return Exchange(
            streams=frozenset(stream for stream, is_wanted in wanted if is_wanted),
            multiplexed=not self.is_raw,
            stdin=config.attach_stdin,
            close_stdin_at_end=True,
            detach_keys=parse_detach_keys(config.detach_keys) if config.tty else b"",
            on_progress=acknowledge,
        )


@dataclass(slots=True)
class ExecWatch:
    """A checked attach to a running exec."""

    execution: ExecRecord
    process: Process
    position: int
    takes_input: bool

    @property
    def is_tty(self) -> bool:
        return self.execution.config.tty

    async def run(self, client: Client) -> None:
        """Pump until the exec ends or the client leaves. Leaving never touches the process."""
        wish = Exchange(streams=frozenset({STDOUT, STDERR}), multiplexed=not self.is_tty, stdin=self.takes_input)
        await exchange(client, self.process, self.process.follow(position=self.position), wish)


def start_attached(engine: Engine, tenant: Tenant, exec_id: str, *, is_raw: bool) -> ExecStart:
    """Check a start with streams. Raises NotFound, Conflict."""
    execution, _ = check_startable(engine, tenant, exec_id)
    return ExecStart(engine, tenant, execution, is_raw)


async def attach_exec(engine: Engine, tenant: Tenant, exec_id: str, *, takes_input: bool, replay: bool) -> ExecWatch:
    """Check a later attach. With ``replay`` what is kept of the last output comes first. Raises NotFound, Conflict."""
    execution, _ = engine.execs.find(tenant, exec_id)
    process = engine.process(exec_id)
    if process is None or process.log is None:
        raise Conflict(f"exec {short_id(exec_id)} is not running")
    position = 0 if replay else await asyncio.to_thread(process.log.end)
    return ExecWatch(execution, process, position, takes_input)
