"""Answers that stream lines of progress while something is done.

Owns what a client has not read yet: of each line that says how far something is only the latest, so that a client that never
reads takes neither memory nor holds anything up. The answer begins with the first line: what fails before it has a status.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from aiohttp import web

from engine.api.responses import dumps
from engine.core.progress import Line, error_line
from engine.errors import EngineError, Fault

log = logging.getLogger(__name__)
_MOST_WAITING = 4096
Tell = Callable[[Line], None]


class Lines:
    """Lines that wait to be sent."""

    def __init__(self) -> None:
        self._waiting: dict[object, Line] = {}
        self._some = asyncio.Event()
        self._count = 0
        self._is_closed = False

    def put(self, line: Line) -> None:
        """Add a line; one about the same thing in the same state that nobody has taken yet gives it its place."""
        self._count += 1
        line_id = line.get("id")
        key = (line_id, line.get("status")) if line_id and "progressDetail" in line else self._count
        if key in self._waiting or len(self._waiting) < _MOST_WAITING:
            self._waiting[key] = line
        self._some.set()

    def close(self) -> None:
        """No more will come."""
        self._is_closed = True
        self._some.set()

    async def take(self) -> list[Line]:
        """Return what waits, as soon as something does; nothing at the end."""
        await self._some.wait()
        taken, self._waiting = list(self._waiting.values()), {}
        if not self._is_closed:
            self._some.clear()
        return taken


async def stream_progress(
    request: web.Request, work: Callable[[Tell], Awaitable[None]], *, is_always_ok: bool = False
) -> web.StreamResponse:
    """Do ``work`` and send what it tells. It is cancelled when the client leaves. Raises what it raises before its first line.

    ``is_always_ok``: never raises that, for routes whose clients look for failures in the lines alone.
    """
    lines = Lines()
    task = asyncio.ensure_future(work(lines.put))
    task.add_done_callback(lambda _: lines.close())
    try:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        while taken := await lines.take():
            await _send(request, response, taken)
        if not response.prepared and not is_always_ok:
            await task
        await _send(request, response, _last(request, task))
        await response.write_eof()
        return response
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _send(request: web.Request, response: web.StreamResponse, lines: list[Line]) -> None:
    if not response.prepared:
        await response.prepare(request)
    if lines:
        await response.write(b"".join(dumps(line) + b"\r\n" for line in lines))


def _last(request: web.Request, task: asyncio.Future[None]) -> list[Line]:
    failure = None if task.cancelled() else task.exception()
    if failure is None:
        return []
    if not isinstance(failure, EngineError) or isinstance(failure, Fault):
        log.error("%s %s failed", request.method, request.path, exc_info=failure)
    return [error_line(failure.message if isinstance(failure, EngineError) else "internal error: the engine's log tells more")]
