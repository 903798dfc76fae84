"""Routes of tenants: decode, one service call, encode. They are the administrators' alone."""

from dataclasses import asdict

from aiohttp import web

from engine.api.context import engine_of, is_tenants
from engine.api.decode import read_document
from engine.api.responses import json_response, no_content
from engine.core.tenants import Tenant, parse_tenant
from engine.errors import Forbidden
from engine.service.tenants import TenantView, delete_limits, find_tenant, list_tenants, set_limits
from engine.tenants.limits import parse_tenant_limits
from engine.tenants.rules import parse_tenant_rules


async def listing(request: web.Request) -> web.Response:
    _check_administrator(request)
    return json_response([tenant_json(view) for view in await list_tenants(engine_of(request))])


async def inspect(request: web.Request) -> web.Response:
    tenant = _named(request)
    return json_response(tenant_json(await find_tenant(engine_of(request), tenant)))


async def put(request: web.Request) -> web.Response:
    tenant = _named(request)
    body = await read_document(request)
    limits = parse_tenant_limits({name: body.get(name) for name in body.keys_of() if name != "rules"})
    rules = body.document("rules")
    parsed = parse_tenant_rules({name: rules.get(name) for name in rules.keys_of()})
    return json_response(tenant_json(await set_limits(engine_of(request), tenant, limits, parsed)))


async def delete(request: web.Request) -> web.Response:
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
        "usage": {
            "disk": usage.disk_bytes,
            "network_in_bytes": usage.network_in_bytes,
            "network_out_bytes": usage.network_out_bytes,
            "io_read_bytes": usage.io.read_bytes,
            "io_write_bytes": usage.io.write_bytes,
            "io_read_operations": usage.io.read_operations,
            "io_write_operations": usage.io.write_operations,
        },
        "members": [member.name for member in view.members],
    }


def _named(request: web.Request) -> Tenant:
    """Return the tenant of the route. Raises Forbidden for whoever acts as one, InvalidParameter."""
    _check_administrator(request)
    return parse_tenant("/".join(request.match_info[part] for part in ("team", "member") if part in request.match_info))


def _check_administrator(request: web.Request) -> None:
    """Any header at all means to be less than an administrator, whatever it says."""
    if is_tenants(request):
        raise Forbidden("limits of tenants are the administrators' affair: ask one of them")
