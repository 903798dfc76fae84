"""The platform that a request names, in the two forms that clients send."""

import json

from aiohttp import web

from engine.api.decode import query_text
from engine.core.platforms import Platform, normalise, parse_platform
from engine.errors import InvalidParameter


def query_platform(request: web.Request) -> Platform | None:
    """Read ``platform``: text such as linux/amd64, or an object as OCI has it. Raises InvalidParameter."""
    text = query_text(request, "platform")
    if not text.startswith("{"):
        return parse_platform(text) if text else None
    try:
        document = json.loads(text)
        parts = [document.get(key, "") for key in ("os", "architecture", "variant")]
    except (ValueError, RecursionError):
        parts = [None]
    if not all(isinstance(part, str) for part in parts):
        raise InvalidParameter(f"invalid platform {text[:80]!r}: use os/architecture/variant, as linux/amd64")
    return normalise(Platform(*parts))
