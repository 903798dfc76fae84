"""The route of dialled connections into a container."""

from aiohttp import web

from engine.api.context import engine_of, name_of, tenant_of
from engine.api.decode import query_int
from engine.api.hijack import RAW_STREAM, Hijacked, hijack
from engine.service.dial_container import dial_container, find_dialled


async def dial(request: web.Request) -> web.StreamResponse:
    engine = engine_of(request)
    record = find_dialled(engine, tenant_of(request), name_of(request))
    with engine.dials.one_more(record.container_id):
        dialled = await dial_container(engine, record, port=query_int(request, "port"))
        try:
            client = await hijack(request, content_type=RAW_STREAM)
        except BaseException:
            dialled.close()
            raise
        try:
            await dialled.run(client)
        finally:
            await client.close()
    return Hijacked()
