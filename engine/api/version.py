"""Versions of the API: which are served, and how a path names one.

Owns the numbers and the check; every route exists with and without the prefix.
"""

import re

from aiohttp import web

from engine.api.responses import Handler
from engine.errors import InvalidParameter

API_VERSION = (1, 47)
LEAST_API_VERSION = (1, 24)
ENGINE_VERSION = "0.1.0"
PREFIX = r"/v{version:\d+\.\d+}"


def version_text(version: tuple[int, int]) -> str:
    """Return ``1.47``."""
    return f"{version[0]}.{version[1]}"


def asked_version(request: web.Request) -> tuple[int, ...]:
    """Return the version that the path names, without one the newest."""
    text = request.match_info.get("version", "")
    return tuple(int(part) for part in text.split(".")) if text else API_VERSION


@web.middleware
async def version_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse versions that are not served."""
    if "version" in request.match_info:
        check_version(request.match_info["version"])
    return await handler(request)


def check_version(text: str) -> None:
    """Raise InvalidParameter for a version that is too old or too new."""
    asked = tuple(int(part) for part in re.findall(r"\d+", text))
    if asked < LEAST_API_VERSION:
        raise InvalidParameter(
            f"client version {text} is too old. Minimum supported API version is {version_text(LEAST_API_VERSION)},"
            " please upgrade your client to a newer version"
        )
    if asked > API_VERSION:
        raise InvalidParameter(f"client version {text} is too new. Maximum supported API version is {version_text(API_VERSION)}")
