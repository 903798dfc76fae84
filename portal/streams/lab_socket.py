"""What terminals and logs have in common: a lab, one piece of work at a time, and how its end is told."""

import asyncio
import logging
from typing import Any

from aiodocker.exceptions import DockerError
from channels.db import database_sync_to_async
from django.http import Http404

from portal.common.live import lab_group
from portal.labs.models import Lab
from portal.labs.selectors import get_lab_for
from portal.streams.engine import EngineAway
from portal.streams.guard import AGAIN, NOT_FOUND, GuardedConsumer

_log = logging.getLogger(__name__)
_NORMAL = 1000


class LabConsumer(GuardedConsumer):
    """A socket on one lab. Subclasses give ``work``; when that returns, the socket closes."""

    lab: Lab
    _task: asyncio.Task[None] | None = None

    async def check(self) -> None:
        self.lab = await database_sync_to_async(get_lab_for)(self.user, self.scope["url_route"]["kwargs"]["lab_id"])

    async def more_groups(self) -> list[str]:
        return [lab_group(self.lab.uuid)]

    async def opened(self) -> None:
        self._changed = asyncio.Event()
        self._task = asyncio.create_task(self._work_to_the_end())

    async def ended(self) -> None:
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()

    async def object_changed(self, event: dict[str, Any]) -> None:
        if self.is_open and event["kind"] == "lab" and event["key"] == str(self.lab.uuid):
            self._changed.set()

    async def work(self) -> None:
        """Stream. Raises EngineAway and DockerError as the engine's client does."""
        raise NotImplementedError

    async def wait_for_change(self) -> None:
        """Wait until the lab looks different, and read it again."""
        await self._changed.wait()
        self._changed.clear()
        await self.check()

    async def _work_to_the_end(self) -> None:
        try:
            await self.work()
            await self.shut(_NORMAL)
        except Http404:
            await self.shut(NOT_FOUND)
        except EngineAway:
            await self.shut(AGAIN)
        except DockerError as error:
            await self.send_message(type="error", message=str(error.message))
            await self.shut(_NORMAL)
        except Exception:
            _log.exception("stream of lab %s broke", self.lab.uuid)
            await self.shut(AGAIN)
