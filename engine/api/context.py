"""What every handler needs of its request: the engine and the acting tenant.

On a tenant's own socket that is this tenant, whatever the request says; on the administrators' the request says it.
"""

from collections.abc import Callable
from pathlib import Path

from aiohttp import web

from engine.api.server import handler_of
from engine.core.tenants import ADMINISTRATOR, Tenant, parse_tenant
from engine.errors import InvalidParameter
from engine.service.engine import Engine

ENGINE: web.AppKey[Engine] = web.AppKey("engine", Engine)
TENANT_HEADER = "Atelier-Tenant"


def engine_of(request: web.Request) -> Engine:
    """Return the engine that this application serves."""
    return request.app[ENGINE]


def tenant_of(request: web.Request) -> Tenant:
    """Return who is acting: whose socket it is, else whom the header names, else the administrators. Raises InvalidParameter.

    A header that is empty or there twice is refused: whoever sends one means to be less than an administrator.
    """
    if (owner := handler_of(request).tenant) is not None:
        return owner
    match request.headers.getall(TENANT_HEADER, []):
        case []:
            return ADMINISTRATOR
        case [name] if name.strip():
            return parse_tenant(name)
        case given:
            raise InvalidParameter(f"invalid header {TENANT_HEADER}: give one name, not {', '.join(given)[:140]!r}")


def is_on_own_socket(request: web.Request) -> bool:
    """Whether a request comes from a tenant itself, and not from somebody who acts for it."""
    return handler_of(request).tenant is not None


def is_tenants(request: web.Request) -> bool:
    """Whether a request acts as less than an administrator: any header at all means that, whatever it says."""
    return is_on_own_socket(request) or bool(request.headers.getall(TENANT_HEADER, []))


def volume_path_for(request: web.Request) -> Callable[[str], Path] | None:
    """Return what tells where the files of a volume lie, by its id; None for tenants, who are told no place on the host."""
    return engine_of(request).volumes.path if tenant_of(request).is_administrator else None


def name_of(request: web.Request) -> str:
    """Return the object's name or id of the route."""
    return request.match_info["name"]
