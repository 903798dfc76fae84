"""Answers that stream lines of progress while something is done.

The answer begins with the first line: what fails before it has a status. A client that reads slowly holds nothing up.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from aiohttp import web

from engine.api.responses import dumps
from engine.core.progress import Line, error_line
from engine.errors import EngineError, Fault, QuotaExceeded
from engine.service.waiting_lines import WaitingLines

log = logging.getLogger(__name__)
Tell = Callable[[Line], None]


async def stream_progress(
    request: web.Request, work: Callable[[Tell], Awaitable[None]], *, is_always_ok: bool = False
) -> web.StreamResponse:
    """Do ``work`` and send what it tells. It is cancelled when the client leaves. Raises what it raises before its first line.

    ``is_always_ok``: never raises that, for routes whose clients look for failures in the lines alone.
    """
    lines = WaitingLines()
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
    line = error_line(failure.message if isinstance(failure, EngineError) else "internal error: the engine's log tells more")
    return [{**line, "quota": failure.figures} if isinstance(failure, QuotaExceeded) else line]
