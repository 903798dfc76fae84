"""Handlers that may run for hours: followers of events and output, attached clients, waits.

Owns the set of them, so that a daemon that stops ends them at once instead of waiting for clients that never leave by themselves.
"""

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web

from engine.api.context import ENGINE
from engine.api.responses import Handler


class Streams(set["asyncio.Task[object]"]):
    """The tasks of streaming handlers that run."""


STREAMS: web.AppKey[Streams] = web.AppKey("streams", Streams)
_OF_CONTAINER = "attach|attach/ws|archive|changes|dial|export|logs|stats|wait"
_PATH = re.compile(
    rf"(?:/v[^/]*)?/(?:build|events|images/(?:create|(?:.+/)?get|.+/push)|volumes/[^/]+/archive|containers/[^/]+/(?:{_OF_CONTAINER})|exec/[^/]+/(?:start|attach))"
)
_FAREWELL_SECONDS = 0.2


@web.middleware
async def streaming_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Remember the task of a handler that streams."""
    if _PATH.fullmatch(request.path) is None:
        return await handler(request)
    with streaming(request):
        return await handler(request)


@contextmanager
def streaming(request: web.Request) -> Iterator[None]:
    """While a handler streams: for those whose path alone does not tell."""
    task, streams = asyncio.current_task(), request.app[STREAMS]
    if task is None:
        yield
        return
    streams.add(task)
    try:
        yield
    finally:
        streams.discard(task)


async def end_streams(app: web.Application) -> None:
    """Let followers of events finish their answers, then cancel what is left."""
    app[ENGINE].events.close()
    streams = app[STREAMS]
    if streams:
        await asyncio.wait([*streams], timeout=_FAREWELL_SECONDS)
    for task in [*streams]:
        task.cancel()
