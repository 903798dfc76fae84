"""What every handler needs of its request: the engine and the acting tenant."""

from aiohttp import web

from engine.core.tenants import Tenant, parse_tenant
from engine.service.engine import Engine

ENGINE: web.AppKey[Engine] = web.AppKey("engine", Engine)
TENANT_HEADER = "Atelier-Tenant"


def engine_of(request: web.Request) -> Engine:
    """Return the engine that this application serves."""
    return request.app[ENGINE]


def tenant_of(request: web.Request) -> Tenant:
    """Return who is acting: whom the header names, else the administrators. Raises InvalidParameter."""
    return parse_tenant(request.headers.get(TENANT_HEADER, ""))


def name_of(request: web.Request) -> str:
    """Return the object's name or id of the route."""
    return request.match_info["name"]
