"""The socket of the page of workloads: what a tenant has on the host, row by row, as it changes. See ``portal/README.md``."""

import asyncio
import json
import logging
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs

from aiodocker import Docker
from aiodocker.exceptions import DockerError
from channels.db import database_sync_to_async
from django.template.loader import render_to_string
from django.utils.translation import override

from portal.common.live import ADMINISTRATORS, staff_group
from portal.streams.engine import EngineAway, open_engine
from portal.streams.flow import Window
from portal.streams.guard import AGAIN, GuardedConsumer
from portal.streams.listing import follow_changes, list_objects
from portal.teams.tenants import member_tenant
from portal.workloads.kinds import KINDS
from portal.workloads.rows import Row, list_rows
from portal.workloads.selectors import LAB_LABEL, get_place_of_tenant, lab_links

_log = logging.getLogger(__name__)

_MOST_ROWS = 500
_MOST_AHEAD = 2 * len(KINDS)
_PAUSE_SECONDS = 0.15  # a burst, such as a Compose file going up, is told at once when it is over


class WorkloadsConsumer(GuardedConsumer):
    """Events only say which list to read again, so that however many come, what waits is four names."""

    _task: "asyncio.Task[None] | None" = None

    async def check(self) -> None:
        tenant = parse_qs(self.scope["query_string"].decode("latin-1")).get("tenant", [""])[0]
        self.place = await database_sync_to_async(get_place_of_tenant)(self.user, tenant)

    async def more_groups(self) -> list[str]:
        if self.user.is_administrator:
            return [ADMINISTRATORS]
        return [staff_group(self.place.team.pk)] if self.place.tenant != member_tenant(self.place.team, self.user) else []

    async def object_changed(self, event: dict[str, Any]) -> None:
        """A lab learns which container is its own a moment after the container has started."""
        if self.is_open and event["kind"] == "lab":
            self._note("containers")

    async def opened(self) -> None:
        self._window = Window(_MOST_AHEAD, step=1)
        self._told: dict[str, dict[str, str]] = {kind: {} for kind in KINDS}
        self._changed: dict[str, None] = {}
        self._wake = asyncio.Event()
        self._task = asyncio.create_task(self._work_to_the_end())

    async def ended(self) -> None:
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if not self.is_open or text_data is None:
            return
        try:
            message = json.loads(text_data)
        except ValueError:
            return
        if isinstance(message, dict) and message.get("type") == "shown":
            self._window.give_back(message.get("mark"))

    async def _work_to_the_end(self) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._listen())
                tasks.create_task(self._tell())
        except* (EngineAway, DockerError):
            await self.shut(AGAIN)
        except* Exception:
            _log.exception("the workloads of %s broke", self.place.tenant)
            await self.shut(AGAIN)

    async def _listen(self) -> None:
        async with open_engine(self.place.tenant) as docker:
            async for kind in follow_changes(docker):
                self._note(*(KINDS if kind is None else (kind,)))
        raise EngineAway("the events ended")

    async def _tell(self) -> None:
        async with open_engine(self.place.tenant) as docker:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._changed:
                    await self._window.take(1)
                    kind = next(name for name in KINDS if name in self._changed)
                    del self._changed[kind]
                    await self._tell_kind(docker, kind)
                await asyncio.sleep(_PAUSE_SECONDS)

    def _note(self, *kinds: str) -> None:
        self._changed.update(dict.fromkeys(kinds))
        self._wake.set()

    async def _tell_kind(self, docker: Docker, kind: str) -> None:
        """Send the order of all rows and the text of those that look different."""
        listed = await list_objects(docker, kind)
        told = self._told[kind]
        rendered = await database_sync_to_async(self._render)(kind, listed[:_MOST_ROWS])
        changed = {dom_id: html for dom_id, html in rendered.items() if told.get(dom_id) != html}
        self._told[kind] = rendered
        await self.send_message(
            type="rows", kind=kind, order=list(rendered), changed=changed, total=len(listed), mark=self._window.mark()
        )

    def _render(self, kind: str, listed: Sequence[dict[str, Any]]) -> dict[str, str]:
        claims: dict[str, set[str]] = {}
        for item in listed if kind == "containers" else ():
            if lab_id := (item.get("Labels") or {}).get(LAB_LABEL):
                claims.setdefault(str(lab_id), set()).add(str(item["Id"]))
        links = lab_links(self.user, claims) if claims else {}
        with override(self.language):
            rows = list_rows(kind, list(listed), viewer=self.place.tenant, labs=links)
            return {row.dom_id: _render_row(row) for row in rows}


def _render_row(row: Row) -> str:
    return render_to_string("workloads/_row.html", {"row": row})
