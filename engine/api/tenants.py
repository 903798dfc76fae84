"""Routes of tenants: decode, one service call, encode. To set anything is the administrators' alone."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import asdict
from typing import TypeVar

from aiohttp import web

from engine.api.context import engine_of, is_tenants, tenant_of
from engine.api.decode import query_bool, read_document
from engine.api.responses import dumps, json_response, no_content
from engine.api.streaming import streaming
from engine.core.tenants import Tenant, parse_tenant
from engine.errors import Forbidden
from engine.service.tenant_views import TenantView, find_tenant, list_tenants, watch_tenant, watch_tenants
from engine.service.tenants import delete_limits, set_limits
from engine.tenants.limits import parse_tenant_limits
from engine.tenants.rules import parse_tenant_rules

Item = TypeVar("Item")


async def listing(request: web.Request) -> web.StreamResponse:
    engine, acting = engine_of(request), tenant_of(request)
    if query_bool(request, "stream"):
        return await _stream(request, watch_tenants(engine, acting), lambda views: [tenant_json(view) for view in views])
    return json_response([tenant_json(view) for view in await list_tenants(engine, acting)])


async def inspect(request: web.Request) -> web.StreamResponse:
    engine, acting, tenant = engine_of(request), tenant_of(request), _named(request)
    if query_bool(request, "stream"):
        return await _stream(request, watch_tenant(engine, acting, tenant), tenant_json)
    return json_response(tenant_json(await find_tenant(engine, acting, tenant)))


async def put(request: web.Request) -> web.Response:
    _check_administrator(request)
    tenant = _named(request)
    body = await read_document(request)
    limits = parse_tenant_limits({name: body.get(name) for name in body.keys_of() if name != "rules"})
    rules = body.document("rules")
    parsed = parse_tenant_rules({name: rules.get(name) for name in rules.keys_of()})
    return json_response(tenant_json(await set_limits(engine_of(request), tenant, limits, parsed)))


async def delete(request: web.Request) -> web.Response:
    _check_administrator(request)
    tenant = _named(request)
    await delete_limits(engine_of(request), tenant)
    return no_content()


def tenant_json(view: TenantView) -> dict[str, object]:
    """Return a tenant; a limit that is not set is null."""
    usage = view.usage
    return {
        "name": view.tenant.name,
        "limits": asdict(view.limits),
        "rules": asdict(view.rules),
        "usage": {**usage.used, **usage.sums},
        "peak": dict(usage.peak),
        "pressure": usage.pressure,
        "over": list(usage.over),
        "refusals": dict(usage.refusals),
        "last_refusal": None if usage.last_refusal is None else dict(usage.last_refusal),
        "members": [member.name for member in view.members],
    }


async def _stream(
    request: web.Request, items: AsyncGenerator[Item, None], document_of: Callable[[Item], object]
) -> web.StreamResponse:
    """One document a line until the client goes; one that does not read is waited for."""
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    with streaming(request):
        async with aclosing(items):
            async for item in items:
                if not response.prepared:  # only now: the first may be refused
                    await response.prepare(request)
                await response.write(dumps(document_of(item)) + b"\n")
    return response


def _named(request: web.Request) -> Tenant:
    """Return the tenant of the route. Raises InvalidParameter."""
    return parse_tenant("/".join(request.match_info[part] for part in ("team", "member") if part in request.match_info))


def _check_administrator(request: web.Request) -> None:
    """Any header at all means to be less than an administrator, whatever it says."""
    if is_tenants(request):
        raise Forbidden("limits of tenants are the administrators' affair: ask one of them")
