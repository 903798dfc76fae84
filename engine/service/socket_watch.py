"""When to look at what containers' sockets keep in the kernel, and whose end for it is waited for.

This is the one thing that the engine watches without being asked. Rings of packet sockets, and what netlink, raw and packet
sockets have not read, are memory that no cgroup counts, on either version: nothing holds it and nothing tells of it. So one
number of the whole host is read five times a second, for a fifth of a percent of a processor; only when the kernel has taken
memory for itself since the last look, and every ten seconds in any case, are the networks of containers looked at, for one
percent at most. Must not decide what is too much.
"""

import asyncio
import logging
import math
import os
from collections.abc import Awaitable, Callable, Collection
from typing import NamedTuple

from engine.errors import EngineError
from engine.linux.kernel_memory import read_kernel_bytes
from engine.linux.pidfd import is_alive
from engine.service.fair_threads import for_all

_log = logging.getLogger(__name__)
_TICK_SECONDS = 0.2
_GROWTH_BYTES = 16 << 20
_AT_LATEST_SECONDS = 10.0
_SHARE = 100  # a look is followed by so many times its own processor time without one
_MOST_PAUSE_SECONDS = 5.0  # but no container may make the looks rare by making them long
_AFTERWARDS_SECONDS = 0.5  # what was killed takes a moment to give its memory back

_PATIENCE_SECONDS = 5.0  # for a killed process to end: its container may take more meanwhile


class Looked(NamedTuple):
    """What a look has cost, and whether it found anybody past a limit: then another one follows soon."""

    cpu_seconds: float
    has_found: bool


class Victim(NamedTuple):
    """A killed process. ``until`` is when its end is waited for no longer, by the loop's time."""

    pidfd: int
    until: float


Look = Callable[[], Awaitable[Looked]]


class SocketWatch:
    """Runs from ``start`` to ``close``."""

    def __init__(self) -> None:
        self.victims: dict[str, Victim] = {}  # the process that a container has lost for it
        self.killed: set[str] = set()  # containers whose end, or a process's in them, was for this
        self._floor = 0
        self._looked_at = -math.inf
        self._not_before = 0.0
        self._task: asyncio.Task[None] | None = None
        self._others: dict[str, asyncio.Task[None]] = {}

    def start(self, look: Look) -> None:
        with for_all():
            self._task = asyncio.create_task(self._watch(look))

    async def close(self) -> None:
        tasks = [*self._others.values(), *([self._task] if self._task is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.forget_all_but(())

    def begin(self, container_id: str, work: Callable[[], Awaitable[None]]) -> None:
        """Do something for a container that the looks do not wait for; nothing while the last such work goes on."""
        if container_id in self._others:
            return
        with for_all():
            self._others[container_id] = task = asyncio.create_task(_told(work))
        task.add_done_callback(lambda _: self._others.pop(container_id, None))

    def note_victim(self, container_id: str, pidfd: int) -> None:
        """Remember which process of a container was killed last; the descriptor is kept, and closed."""
        if (former := self.victims.get(container_id)) is not None:
            os.close(former.pidfd)
        self.victims[container_id] = Victim(pidfd, asyncio.get_running_loop().time() + _PATIENCE_SECONDS)

    def forget_all_but(self, container_ids: Collection[str]) -> None:
        """Whoever is past its limit no more may lose a process again before all of it is ended."""
        for container_id in self.victims.keys() - set(container_ids):
            os.close(self.victims.pop(container_id).pidfd)

    def is_ending(self, container_id: str) -> bool:
        """Whether the process that was killed last has not given back yet what it held."""
        victim = self.victims.get(container_id)
        return victim is not None and is_alive(victim.pidfd) and asyncio.get_running_loop().time() < victim.until

    async def _watch(self, look: Look) -> None:
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            try:
                await self._look_if_due(look)
            except OSError as error:
                _log.warning("cannot see what the kernel keeps: %s", error)

    async def _look_if_due(self, look: Look) -> None:
        kernel_bytes = read_kernel_bytes()
        self._floor = min(self._floor, kernel_bytes)
        if self._is_due(kernel_bytes):
            self._floor = kernel_bytes
            await self._look(look)

    def _is_due(self, kernel_bytes: int) -> bool:
        now = asyncio.get_running_loop().time()
        has_grown = kernel_bytes - self._floor >= _GROWTH_BYTES
        return now >= self._not_before and (has_grown or now - self._looked_at >= _AT_LATEST_SECONDS)

    async def _look(self, look: Look) -> None:
        looked = Looked(0.0, has_found=False)
        try:
            looked = await look()
        except (EngineError, OSError) as error:
            _log.warning("cannot see what sockets keep: %s", error)
        except Exception:  # whatever it is: without looks nothing holds that memory
            _log.exception("cannot see what sockets keep")
        now = asyncio.get_running_loop().time()
        pause = min(_MOST_PAUSE_SECONDS, looked.cpu_seconds * _SHARE)
        self._not_before = now + (_AFTERWARDS_SECONDS if looked.has_found else pause)
        self._looked_at = -math.inf if looked.has_found else now


async def _told(work: Callable[[], Awaitable[None]]) -> None:
    try:
        await work()
    except EngineError as error:
        _log.warning("%s", error.message)
