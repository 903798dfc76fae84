"""Documents that tell of all that a tenant has, which may be large: how many are in memory at once, and for how long.

Owns the turns. A document counts from when it is put together until its client has read it.
"""

import asyncio

from aiohttp import web

from engine.api.context import is_on_own_socket, tenant_of
from engine.api.responses import Handler
from engine.service.turns import Turns

DOCUMENTS_AT_ONCE = 2  # of one tenant, which may have made each as large as all its records together
READING_SECONDS = 30.0
DOCUMENTS: web.AppKey[Turns] = web.AppKey("turns of documents", Turns)
SURVEYS: web.AppKey[Turns] = web.AppKey("turns of documents that take long to put together", Turns)


def telling(handler: Handler, turns: web.AppKey[Turns]) -> Handler:
    """Return a handler that also sends its answer. Who acts for a tenant does not wait for what that tenant asks itself."""

    async def tell(request: web.Request) -> web.StreamResponse:
        if not is_on_own_socket(request):
            return await handler(request)
        async with request.app[turns].of(tenant_of(request)):
            response = await handler(request)
            await _send(request, response)
        return response

    return tell


async def _send(request: web.Request, response: web.StreamResponse) -> None:
    try:
        async with asyncio.timeout(READING_SECONDS):
            await response.prepare(request)
            await response.write_eof()
    except TimeoutError:
        if request.transport is not None:
            request.transport.abort()
    finally:
        if isinstance(response, web.Response):
            response.body = None  # request and response keep each other until somebody collects such cycles
