"""The addresses of WebSockets, and what stands before each: same origin, session, user."""

from typing import Any

from channels.auth import AuthMiddlewareStack
from channels.routing import URLRouter
from channels.security.websocket import OriginValidator
from django.conf import settings
from django.urls import path, re_path

from portal.common.live import LIVE_PATH
from portal.streams.guard import NowhereConsumer
from portal.streams.live import LiveConsumer
from portal.streams.log import LogConsumer
from portal.streams.terminal import TerminalConsumer
from portal.streams.usage import UsageConsumer
from portal.streams.workloads import WorkloadsConsumer

# Django's ``path`` knows nothing of ASGI applications.
_live: Any = LiveConsumer.as_asgi()
_terminal: Any = TerminalConsumer.as_asgi()
_log: Any = LogConsumer.as_asgi()
_usage: Any = UsageConsumer.as_asgi()
_workloads: Any = WorkloadsConsumer.as_asgi()
_nowhere: Any = NowhereConsumer.as_asgi()

_PATTERNS = [
    path(LIVE_PATH.lstrip("/"), _live),
    path("ws/labs/<uuid:lab_id>/terminal/", _terminal),
    path("ws/labs/<uuid:lab_id>/log/", _log),
    path("ws/usage/", _usage),
    path("ws/workloads/", _workloads),
    re_path(r"", _nowhere),
]


def websocket_application() -> Any:
    """Return the ASGI application for all WebSockets."""
    origins = [*settings.ALLOWED_HOSTS, *settings.CSRF_TRUSTED_ORIGINS]
    return OriginValidator(AuthMiddlewareStack(URLRouter(_PATTERNS)), origins)
