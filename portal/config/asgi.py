"""The ASGI application that Daphne serves: pages over HTTP, streams over WebSocket."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.config.settings")

from django.core.asgi import get_asgi_application

_django = get_asgi_application()

# The rest imports models, which may be done only after Django's set-up.
from channels.routing import ProtocolTypeRouter  # noqa: E402 after the set-up above

from portal.config.bounds import bound_requests  # noqa: E402 after the set-up above
from portal.streams.routing import websocket_application  # noqa: E402 after the set-up above

bound_requests()
application = ProtocolTypeRouter({"http": _django, "websocket": websocket_application()})
