"""The socket of a page: sends the fragments of what changed, rendered for its user. See ``portal/README.md`` for the messages."""

import asyncio
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

from channels.db import database_sync_to_async

from portal.common.live import ADMINISTRATORS, member_group, staff_group
from portal.streams.fragments import changed_since, render_change, render_toast
from portal.streams.guard import AGAIN, GuardedConsumer
from portal.teams.selectors import staffed_teams, teams_of

_QUOTA = "quota"
_QUOTA_PAUSE_SECONDS = 0.3


class LiveConsumer(GuardedConsumer):
    """Changes gather as names in a dict and are rendered one after the other: a burst costs one rendering an object."""

    _sender: asyncio.Task[None] | None = None

    async def more_groups(self) -> list[str]:
        return await database_sync_to_async(self._find_groups)()

    def _find_groups(self) -> list[str]:
        if self.user.is_administrator:
            return [ADMINISTRATORS]
        members = [member_group(team.pk) for team in teams_of(self.user)]
        return members + [staff_group(team.pk) for team in staffed_teams(self.user)]

    async def opened(self) -> None:
        self._changed: dict[tuple[str, str], None] = {}
        self._wake = asyncio.Event()
        self._toasted: set[str] = set()
        since = _parse_since(self.scope["query_string"])
        if since is not None:
            self._changed.update(dict.fromkeys(await database_sync_to_async(changed_since)(self.user, since)))
            self._wake.set()
        self._sender = asyncio.create_task(self._send_changes())

    async def ended(self) -> None:
        if self._sender is not None:
            self._sender.cancel()

    async def object_changed(self, event: dict[str, Any]) -> None:
        if self.is_open:
            self._changed[event["kind"], event["key"]] = None
            self._wake.set()

    async def access_changed(self, event: dict[str, Any]) -> None:
        """The groups follow from the roles: let the page connect again, which finds both anew."""
        await super().access_changed(event)
        if self.is_open:
            await self.shut(AGAIN)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """A page has nothing to say."""

    async def _send_changes(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._changed:
                if all(kind == _QUOTA for kind, _ in self._changed):
                    # Quotas move with every lab of a team: let a burst end, and let the labs themselves go first.
                    await asyncio.sleep(_QUOTA_PAUSE_SECONDS)
                kind, key = min(self._changed, key=lambda change: change[0] == _QUOTA)
                del self._changed[kind, key]
                await self._send_change(kind, key)

    async def _send_change(self, kind: str, key: str) -> None:
        messages = await database_sync_to_async(render_change)(self.user, self.language, kind=kind, key=key)
        for message in messages:
            await self.send_message(**message)
        if kind == "job" and key not in self._toasted:
            await self._send_toast(key)

    async def _send_toast(self, key: str) -> None:
        toast = await database_sync_to_async(render_toast)(self.user, self.language, int(key))
        if toast is not None:
            self._toasted.add(key)
            await self.send_message(**toast)


def _parse_since(query: bytes) -> datetime | None:
    """Read ``since=<milliseconds since 1970>``: when the page was rendered."""
    text = parse_qs(query.decode("latin-1")).get("since", [""])[0]
    return datetime.fromtimestamp(int(text) / 1000, tz=UTC) if text.isdecimal() and len(text) < 15 else None
