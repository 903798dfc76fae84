"""Bodies of requests that are read whole: how many large ones the daemon holds for a tenant, and for how long it waits for them.

Owns the turns. A body counts until its request is over, as the objects that were made of it live as long.
"""

import asyncio
from contextlib import ExitStack

from aiohttp import web

from engine.api.context import tenant_of
from engine.api.responses import Handler
from engine.errors import InvalidParameter
from engine.service.turns import Turns

SMALL_BYTES = 64 * 2**10  # as much as is taken from a connection before anybody asks for it
LARGE_AT_ONCE = 2  # of one tenant
PATIENCE_SECONDS = 30.0
TURNS: web.AppKey[Turns] = web.AppKey("turns of large bodies", Turns)
_HELD: web.RequestKey[ExitStack] = web.RequestKey("what is given back when the request is over", ExitStack)


def holding_bodies(handler: Handler) -> Handler:
    """Return a handler that gives back, when it is done, the turn that reading its body has taken."""

    async def hold(request: web.Request) -> web.StreamResponse:
        with ExitStack() as held:
            request[_HELD] = held
            return await handler(request)

    return hold


async def read_body(request: web.Request) -> bytes:
    """Return the body; of a tenant's large ones so many at once, the others wait. Raises InvalidParameter if it does not come."""
    if not request.can_read_body:
        return b""
    tenant = tenant_of(request)
    is_small = request.content_length is not None and request.content_length <= SMALL_BYTES
    if tenant.is_administrator or is_small:
        return await request.read()
    turns = request.app[TURNS].of(tenant)
    await turns.acquire()
    request[_HELD].callback(turns.release)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await request.read()
    except TimeoutError:
        raise InvalidParameter(f"the body did not come within {PATIENCE_SECONDS:g} seconds: send it faster, or less") from None
