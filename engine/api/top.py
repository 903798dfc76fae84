"""Route ``GET /containers/{id}/top``."""

from aiohttp import web

from engine.api.context import engine_of, name_of, tenant_of
from engine.api.decode import query_text
from engine.api.responses import json_response
from engine.service.top_container import top_container


async def top(request: web.Request) -> web.Response:
    table = await top_container(engine_of(request), tenant_of(request), name_of(request), query_text(request, "ps_args"))
    return json_response({"Titles": list(table.titles), "Processes": [list(row) for row in table.rows]})
