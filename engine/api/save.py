"""Routes that give images back as an archive."""

import asyncio
import logging

from aiohttp import web

from engine.api.context import engine_of, name_of, tenant_of
from engine.api.image_platform import query_platform
from engine.errors import EngineError
from engine.service.save_images import saved_images

log = logging.getLogger(__name__)


async def save(request: web.Request) -> web.StreamResponse:
    return await _send(request, [name for names in request.query.getall("names", []) for name in names.split(",") if name])


async def save_one(request: web.Request) -> web.StreamResponse:
    return await _send(request, [name_of(request)])


async def _send(request: web.Request, names: list[str]) -> web.StreamResponse:
    """What fails before the first byte has a status; later the connection is cut, so that nobody takes half of it for whole."""
    platform = query_platform(request)
    async with saved_images(engine_of(request), tenant_of(request), names, platform=platform) as pieces:
        first = await anext(pieces, b"")
        response = web.StreamResponse(headers={"Content-Type": "application/x-tar"})
        await response.prepare(request)
        try:
            await response.write(first)
            async for piece in pieces:
                await response.write(piece)
        except (EngineError, asyncio.CancelledError) as error:
            if request.transport is not None:
                request.transport.abort()
            if isinstance(error, asyncio.CancelledError):
                raise
            log.warning("%s was cut off: %s", request.path, error.message)
            return response
        await response.write_eof()
        return response
