"""Keeps the daemon connected to a living supervisor: finds or starts it, notices its death, starts the next one.

Owns the connection and the supervisor process. What is handed over on a new connection is the client's business.
"""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from engine.errors import EngineError, Fault, Unavailable
from engine.linux.packets import Body
from engine.linux.pidfd import is_alive, send_signal
from engine.runtime import spawn
from engine.runtime.code_version import code_version
from engine.runtime.connection import Answer, Connection

_log = logging.getLogger(__name__)
_READY_SECONDS = 10.0
_DEATH_SECONDS = 5.0
_RETRY_SECONDS = 1.0
_OPEN_ATTEMPTS = 5
_OPEN_PAUSE_SECONDS = 0.1


class Lifeline:
    """``hand_over`` gets each new connection and the answer to its greeting before anybody else uses it.

    ``known_pids`` are children of the daemon to leave alone.
    """

    def __init__(
        self,
        *,
        run_path: Path,
        python: str,
        on_event: Callable[[Body, dict[str, int]], None],
        hand_over: Callable[[Connection, Body, dict[str, int]], Awaitable[None]],
        known_pids: Callable[[], set[int]],
    ) -> None:
        self._run_path = run_path
        self._python = python
        self._on_event = on_event
        self._hand_over = hand_over
        self._known_pids = known_pids
        self._connection: Connection | None = None
        self._ready = asyncio.Event()
        self._is_wanted = False
        self._spawned: set[int] = set()
        self._pid: int | None = None
        self._pidfd = -1
        self._recovery: asyncio.Task[None] | None = None
        self._renewal: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """The supervisor's."""
        return self._pid

    async def open(self) -> None:
        """Connect to the living supervisor, or start one. Raises Unavailable."""
        self._is_wanted = True
        for attempt in range(_OPEN_ATTEMPTS):
            try:
                await self._connect()
                return
            except (OSError, Unavailable) as error:  # the one that answered may have been about to die
                if attempt == _OPEN_ATTEMPTS - 1:
                    raise Unavailable(f"the supervisor of containers cannot be started: {error}") from error
            await asyncio.sleep(_OPEN_PAUSE_SECONDS)

    async def ready(self) -> None:
        """Wait for a living supervisor. Raises Unavailable."""
        await self._living()

    async def request(self, op: str, body: Body, fds: Mapping[str, int] | None = None) -> Answer:
        """Ask the living supervisor. Raises Unavailable when it dies meanwhile, else the kind of error it names."""
        return await (await self._living()).request(op, body, fds)

    async def tell(self, op: str, body: Body) -> None:
        """Send without an answer. Raises Unavailable."""
        await (await self._living()).tell(op, body)

    async def renew(self) -> None:
        """Have the supervisor put itself on the code that is on disk now, in place: no container notices.

        When it cannot, the present one goes on.
        """
        command = spawn.command(self._run_path, python=self._python)
        try:
            if not await asyncio.to_thread(spawn.can_start, python=self._python):
                raise Fault("its code cannot be loaded")
            async with asyncio.timeout(_READY_SECONDS):
                answer, _ = await self.request("upgrade", {"command": command})
            _log.info("the supervisor of containers (process %s) runs code %s now", answer["pid"], answer["code"])
        except Unavailable as error:
            _log.error("the supervisor of containers ended when it was renewed: %s", error)
        except TimeoutError:
            _log.error("the supervisor of containers does not answer after it was renewed; starting another")
            send_signal(self._pidfd, 9)
        except (EngineError, OSError) as error:
            _log.error("the supervisor of containers stays on its former code: %s", error)

    def give_up(self) -> None:
        """Another daemon has taken the supervisor over: do not start a second one."""
        self._is_wanted = False

    async def close(self, *, stop_supervisor: bool) -> None:
        """Let go; ``stop_supervisor`` asks it to end, which it refuses while it has processes."""
        self._is_wanted = False
        for task in (self._recovery, self._renewal):
            if task is not None:
                task.cancel()
        if stop_supervisor and self._connection is not None and self._ready.is_set():
            await self._quit(self._connection)
        self._ready.clear()
        if self._connection is not None:
            self._connection.close()
        self._close_pidfd()

    async def _quit(self, connection: Connection) -> None:
        try:
            answer, _ = await connection.request("quit")
        except Unavailable:
            return
        if answer["quits"]:
            await self._wait_for_death()

    async def _living(self) -> Connection:
        if not self._is_wanted:
            raise Unavailable("this daemon has let go of the supervisor of containers, or another one has taken it over")
        try:
            async with asyncio.timeout(_READY_SECONDS):
                await self._ready.wait()
        except TimeoutError:
            raise Unavailable("the supervisor of containers does not answer; its folder's supervisor.log may tell why") from None
        assert self._connection is not None  # noqa: S101 - what ready means
        return self._connection

    async def _connect(self) -> None:
        sock = spawn.connect(self._run_path)
        if sock is None:
            pid, sock = spawn.start(self._run_path, python=self._python)
            self._spawned.add(pid)
        self._connection = Connection(sock, on_event=self._on_event, on_lost=self._on_lost)
        async with asyncio.timeout(_READY_SECONDS):
            answer, fds = await self._connection.request("hello")
        self._close_pidfd()
        self._pid = answer["pid"]
        self._pidfd = os.pidfd_open(answer["pid"])
        await self._hand_over(self._connection, answer, fds)
        self._ready.set()
        if answer.get("code") != code_version():
            _log.info("the supervisor of containers runs other code (%s)", answer.get("code"))
            self._renewal = asyncio.get_running_loop().create_task(self.renew())

    def _on_lost(self) -> None:
        was_ready = self._ready.is_set()
        self._ready.clear()
        if self._is_wanted and was_ready:
            self._recovery = asyncio.get_running_loop().create_task(self._recover())

    async def _recover(self) -> None:
        _log.warning("the supervisor of containers ended; starting another, containers go on")
        while True:
            try:
                await self._wait_for_death()
                await self._connect()
                return
            except (OSError, Unavailable) as error:
                _log.error("the supervisor of containers does not start: %s", error)
                await asyncio.sleep(_RETRY_SECONDS)

    async def _wait_for_death(self) -> None:
        """Wait until the supervisor is gone, so that its children are where they will be reaped."""
        try:
            async with asyncio.timeout(_DEATH_SECONDS):
                await _readable(self._pidfd)
        except TimeoutError:
            # It closed the connection and lives: a second one beside it would be worse than its end.
            send_signal(self._pidfd, 9)
            await _readable(self._pidfd)
        spawn.reap_all(self._spawned)
        if self._pid is not None:
            spawn.reap_strays(session=self._pid, known=self._known_pids())
            self._pid = None

    def _close_pidfd(self) -> None:
        if self._pidfd >= 0:
            os.close(self._pidfd)
            self._pidfd = -1


async def _readable(pidfd: int) -> None:
    if not is_alive(pidfd):
        return
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(pidfd, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(pidfd)
