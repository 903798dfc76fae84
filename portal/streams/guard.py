"""What all sockets have in common: who is behind them, whether they may be open, and that they close at once when not."""

import asyncio
import json
from typing import Any

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.contrib.auth import get_user
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.http import Http404, HttpRequest
from django.utils import timezone
from django.utils.translation import get_language_from_request
from redis.exceptions import RedisError

from portal.accounts.models import User
from portal.common.live import session_digest, user_group

SIGNED_OUT = 4401
NOT_FOUND = 4404
AGAIN = 4503  # not 1012 "service restart": an application may send 1000 and 3000 to 4999 only (RFC 6455, 7.4)

_LONGEST_SLEEP_SECONDS = 86400.0  # event loops do not take any number


class NowhereConsumer(AsyncWebsocketConsumer):
    """Answers addresses that do not exist as it answers what one may not see."""

    async def connect(self) -> None:
        await self.accept()
        await self.close(code=NOT_FOUND)


class GuardedConsumer(AsyncWebsocketConsumer):
    """A socket of a signed-in user. Subclasses give ``check`` (raise Http404), ``more_groups`` and ``opened``."""

    user: User
    language: str
    is_open = False
    is_accepted = False
    _expiry: asyncio.Task[None] | None = None

    async def check(self) -> None:
        """Raise Http404 if the user may not have this socket."""

    async def more_groups(self) -> list[str]:
        """Return the channel groups beside the user's own."""
        return []

    async def opened(self) -> None:
        """Begin to work."""

    async def ended(self) -> None:
        """Stop all work; called once, also when the browser went away."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Run to the end. Without Redis there is nobody to say that access was lost, so the socket ends with it."""
        try:
            await super().__call__(scope, receive, send)
        except (RedisError, ConnectionError):
            await send({"type": "websocket.close", "code": AGAIN})
        finally:
            await self._end()

    async def connect(self) -> None:
        self.language = _language(dict(self.scope))
        self._groups: list[str] = []
        if not await self._may_be_open():
            return
        self._groups = [user_group(self.user.pk), *await self.more_groups()]
        for group in self._groups:
            await self.channel_layer.group_add(group, self.channel_name)
        # Asked again: what changed between the first check and the joining of the groups was told to nobody.
        if await self._may_be_open():
            await self.accept()
            self.is_accepted = self.is_open = True
            self._expiry = asyncio.create_task(self._close_when_expired())
            await self.opened()

    async def disconnect(self, code: int) -> None:
        await self._end()
        for group in self._groups:
            await self.channel_layer.group_discard(group, self.channel_name)

    async def session_ended(self, event: dict[str, Any]) -> None:
        if event["session"] == session_digest(self.scope["session"].session_key):
            await self.shut(SIGNED_OUT)

    async def access_changed(self, event: dict[str, Any]) -> None:
        await self._may_be_open()

    async def object_changed(self, event: dict[str, Any]) -> None:
        """Something in one of the groups looks different now."""

    async def shut(self, code: int) -> None:
        """Close from our side: the work ends at once, not when the browser has answered."""
        await self._end()
        if not self.is_accepted:
            # A browser is told the code of a close, but not the reason of a refusal.
            self.is_accepted = True
            await self.accept()
        await self.close(code=code)

    async def _end(self) -> None:
        if self.is_open:
            self.is_open = False
            if self._expiry is not None and self._expiry is not asyncio.current_task():
                self._expiry.cancel()
            await self.ended()

    async def _close_when_expired(self) -> None:
        """Nobody signs out a session whose time is over, so each socket keeps the time itself."""
        while self.is_open:
            seconds = await database_sync_to_async(_seconds_left)(self.scope["session"].session_key)
            await asyncio.sleep(min(seconds, _LONGEST_SLEEP_SECONDS))
            if seconds <= _LONGEST_SLEEP_SECONDS:
                await self._may_be_open()

    async def send_message(self, **message: Any) -> None:
        await self.send(text_data=json.dumps(message))

    async def _may_be_open(self) -> bool:
        user = await database_sync_to_async(_read_user)(self.scope["session"].session_key)
        if user is None:
            await self.shut(SIGNED_OUT)
            return False
        self.user = user
        try:
            await self.check()
        except Http404:
            await self.shut(NOT_FOUND)
            return False
        return True


def _read_user(session_key: str | None) -> User | None:
    """Return whom the session belongs to by what the database says now; None where it ended or the password changed."""
    request = HttpRequest()
    request.session = SessionStore(session_key)
    user = get_user(request)
    return user if isinstance(user, User) and user.is_active else None


def _seconds_left(session_key: str | None) -> float:
    """Return how long the session is still good for; 0 if it is gone."""
    expires_at = Session.objects.filter(pk=session_key).values_list("expire_date", flat=True).first()
    return max((expires_at - timezone.now()).total_seconds(), 0.0) if expires_at else 0.0


def _language(scope: dict[str, Any]) -> str:
    """Return the language that a page asked for with the same headers would be in."""
    request = HttpRequest()
    request.COOKIES = scope.get("cookies", {})
    accepted = dict(scope.get("headers", [])).get(b"accept-language", b"").decode("latin-1")
    request.META["HTTP_ACCEPT_LANGUAGE"] = accepted
    return get_language_from_request(request)
