"""Tells open pages and streams that something changed. Owns the names of the channel groups and of the messages.

A message says what changed, never how it looks: each socket renders for its own user, in their language, after asking again
whether they may see it. Messages leave when the transaction commits.

======================  ==================================================================================
group                   who is in it
======================  ==================================================================================
``user.<id>``           all sockets of a user
``staff.<team id>``     live pages of the teachers and assistants of a team
``member.<team id>``    live pages of all members of a team
``administrators``      live pages of administrators
``lab.<uuid hex>``      terminals and logs of a lab
======================  ==================================================================================
"""

import hashlib
import logging
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.db import transaction
from redis.exceptions import RedisError

LIVE_PATH = "/ws/live/"
ADMINISTRATORS = "administrators"

_log = logging.getLogger(__name__)


def user_group(user_id: int) -> str:
    return f"user.{user_id}"


def staff_group(team_id: int) -> str:
    return f"staff.{team_id}"


def member_group(team_id: int) -> str:
    return f"member.{team_id}"


def lab_group(lab_id: UUID) -> str:
    return f"lab.{lab_id.hex}"


def session_digest(session_key: str | None) -> str:
    """Name a session in a message without giving it away."""
    return hashlib.sha256((session_key or "").encode()).hexdigest()


def send_changed(groups: Iterable[str], *, kind: str, key: str) -> None:
    """Say that object ``key`` of ``kind`` looks different now, or is gone. The kinds are those of ``streams.fragments``."""
    send(groups, {"type": "object.changed", "kind": kind, "key": key})


def send_access_changed(user_ids: Iterable[int]) -> None:
    """Make all sockets of these users ask again whether they may be open."""
    send([user_group(user_id) for user_id in user_ids], {"type": "access.changed"})


def send_session_ended(user_id: int, session_key: str | None) -> None:
    """Close all sockets that were opened with this session."""
    send([user_group(user_id)], {"type": "session.ended", "session": session_digest(session_key)})


def send(groups: Iterable[str], message: dict[str, Any]) -> None:
    names = sorted(set(groups))
    transaction.on_commit(lambda: _send_now(names, message))


def _send_now(groups: Iterable[str], message: dict[str, Any]) -> None:
    layer = get_channel_layer()
    if layer is None:
        return
    for group in groups:
        try:
            async_to_sync(layer.group_send)(group, message)
        except (OSError, RedisError) as error:
            # The sockets of a lost Redis are closed by its loss and ask for everything when they are back.
            _log.warning("no live update to %s: %s", group, error)
            return
