"""Answers: JSON bodies, and the one place where kinds of error become statuses.

Owns the mapping; decides nothing else.
"""

import errno
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import orjson
from aiohttp import web

from engine import errors

log = logging.getLogger(__name__)

STATUS: dict[type[errors.EngineError], int] = {
    errors.NotModified: 304,
    errors.InvalidParameter: 400,
    errors.CommandNotRunnable: 400,
    errors.Unauthorized: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.Unimplemented: 501,
    errors.Unavailable: 503,
    errors.Fault: 500,
}
_DISK_REFUSES = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO))
_COPIED_BYTES = 2**20
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def dumps(value: object) -> bytes:
    """Return JSON text."""
    return orjson.dumps(value)


def json_response(value: object, *, status: int = 200) -> web.Response:
    """Return ``value`` as JSON."""
    return web.Response(body=dumps(value), status=status, content_type="application/json")


def json_list(items: Sequence[bytes]) -> web.Response:
    """Return texts in JSON as one list. A long one is sent text by text: to copy it as a whole would keep others waiting."""
    if sum(map(len, items)) > _COPIED_BYTES:
        return web.Response(body=_pieces(items), content_type="application/json")
    return web.Response(body=b"[" + b",".join(items) + b"]", content_type="application/json")


async def _pieces(items: Sequence[bytes]) -> AsyncIterator[bytes]:
    yield b"[" + items[0]
    for item in items[1:]:
        yield b"," + item
    yield b"]"


def no_content() -> web.Response:
    """Return the answer of a verb that has nothing to say."""
    return web.Response(status=204)


def status_of(error: errors.EngineError) -> int:
    """Return the status of a kind of error, a subclass having its parent's."""
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def error_response(error: errors.EngineError) -> web.Response:
    """Return Docker's error document; a refused quota carries its figures beside the message."""
    status = status_of(error)
    if status == 304:
        return web.Response(status=304)
    body: dict[str, object] = {"message": error.message}
    if isinstance(error, errors.QuotaExceeded):
        body["quota"] = error.figures
    return json_response(body, status=status)


@web.middleware
async def errors_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every failure into Docker's error document."""
    try:
        return await handler(request)
    except errors.EngineError as error:
        if isinstance(error, errors.Fault):
            log.exception("%s %s failed", request.method, request.path)
        return error_response(error)
    except web.HTTPException as error:
        if error.status in (404, 405):
            return json_response({"message": "page not found"}, status=404)
        return json_response({"message": error.reason.lower()}, status=error.status)
    except ConnectionError:
        raise
    except Exception as failure:
        log.exception("%s %s failed", request.method, request.path)
        if isinstance(failure, OSError) and failure.errno in _DISK_REFUSES:
            return json_response({"message": f"the engine's disk refuses: {errors.reason_of(failure)}"}, status=500)
        return json_response({"message": "internal error: the engine's log tells more"}, status=500)
