"""Versions of the API: which are served, and how a path names one.

Owns the numbers and the check; every route exists with and without the prefix.
"""

import re

from aiohttp import web

from engine.api.responses import Handler
from engine.errors import InvalidParameter

API_VERSION = (1, 47)
LEAST_API_VERSION = (1, 24)
LEAST_OF_ARCHIVES = (1, 12)  # skopeo asks by 1.22, and saving and loading have always had one form
ENGINE_VERSION = "0.1.0"
PREFIX = r"/v{version:\d+\.\d+}"
_ARCHIVES = re.compile(r"/v[^/]+/images/(?:(?:.+/)?get|load)")


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
        is_archive = _ARCHIVES.fullmatch(request.path) is not None
        check_version(request.match_info["version"], least=LEAST_OF_ARCHIVES if is_archive else LEAST_API_VERSION)
    return await handler(request)


def check_version(text: str, *, least: tuple[int, int] = LEAST_API_VERSION) -> None:
    """Raise InvalidParameter for a version that is too old or too new."""
    asked = tuple(int(part) for part in re.findall(r"\d+", text))
    if asked < least:
        raise InvalidParameter(
            f"client version {text} is too old. Minimum supported API version is {version_text(least)},"
            " please upgrade your client to a newer version"
        )
    if asked > API_VERSION:
        raise InvalidParameter(f"client version {text} is too new. Maximum supported API version is {version_text(API_VERSION)}")
