"""The socket of gauges: what tenants use beside their limits, as the engine counts it, while somebody looks, and what it refused.

Each stream is read as the tenant that the person is in a team: a student's own, for staff the team's. See ``portal/README.md``.
"""

import asyncio
import json
import logging
from typing import Any

import aiohttp
from aiodocker.exceptions import DockerError
from channels.db import database_sync_to_async

from portal.streams.engine import EngineAway, open_engine
from portal.streams.flow import Window
from portal.streams.guard import AGAIN, GuardedConsumer
from portal.streams.refusals import RefusalBoard, may_watch, refusal_message
from portal.streams.usage_figures import DocumentReader, Figureboard, read_figures
from portal.teams.tenants import acting_tenants

_log = logging.getLogger(__name__)

_PAUSE_SECONDS = 1.0
_MOST_AHEAD = 4  # messages that the browser has not shown yet
# The engine writes every second: one that says nothing for so long is not there.
_SILENCE_SECONDS = 15.0


class UsageConsumer(GuardedConsumer):
    """Streams write into one board, one sender tells its changes: a slow browser has fewer changes told, and delays nobody."""

    _tasks: "tuple[asyncio.Task[None], ...]" = ()

    async def opened(self) -> None:
        self._board = Figureboard()
        self._refusals = RefusalBoard()
        self._window = Window(_MOST_AHEAD, step=1)
        self._news = asyncio.Event()
        self._acting = await database_sync_to_async(acting_tenants)(self.user)
        work = (self._tell(), *(self._follow(tenant) for tenant in self._acting))
        self._tasks = tuple(asyncio.create_task(self._to_the_end(part)) for part in work)

    async def ended(self) -> None:
        for task in self._tasks:
            if task is not asyncio.current_task():
                task.cancel()

    async def access_changed(self, event: dict[str, Any]) -> None:
        """The tenants follow from the roles: let the page connect again, which finds both anew."""
        await super().access_changed(event)
        if self.is_open:
            await self.shut(AGAIN)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if not self.is_open or text_data is None:
            return
        try:
            message = json.loads(text_data)
        except ValueError:
            return
        if not isinstance(message, dict):
            return
        if message.get("type") == "shown":
            self._window.give_back(message.get("mark"))
        elif message.get("type") == "watch":
            tenant = str(message.get("tenant", ""))
            self._refusals.watch(tenant if may_watch(tenant, acting=self._acting) else "")

    async def _follow(self, tenant: str) -> None:
        """Read the engine's stream as ``tenant`` until it ends, which it does only with the engine."""
        reader = DocumentReader()
        seen: frozenset[str] = frozenset()
        timeout = aiohttp.ClientTimeout(sock_read=_SILENCE_SECONDS)
        async with (
            open_engine(tenant) as docker,
            docker._query("tenants", params={"stream": 1}, timeout=timeout) as response,
            response,  # the client's own context leaves it open
        ):
            async for chunk in response.content.iter_any():
                for document in reader.feed(chunk):
                    figures = read_figures(document)
                    self._board.take(figures, of=seen)
                    self._refusals.take(document)
                    seen = frozenset(figures)
                    self._news.set()
        raise EngineAway(f"the usage of {tenant or 'all'} ended")

    async def _tell(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            await self._window.take(0)  # room for what there is to tell: nothing is counted as told before
            if changes := self._board.changes():
                await self._send_marked({"type": "usage", "tenants": changes})
            if figures := self._refusals.news():
                message = await refusal_message(self.user, self.language, tenant=self._refusals.watched, figures=figures)
                if message is not None:
                    await self._send_marked(message)
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _send_marked(self, message: dict[str, Any]) -> None:
        await self._window.take(1)
        await self.send_message(**message, mark=self._window.mark())

    async def _to_the_end(self, part: Any) -> None:
        """The page hears that the figures are old by the end of its socket, and comes again."""
        try:
            await part
        except (EngineAway, DockerError):
            await self.shut(AGAIN)
        except Exception:
            _log.exception("the usage for %s broke", self.user)
            await self.shut(AGAIN)
