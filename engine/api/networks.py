"""Routes of networks, which can be looked at only for now."""

from typing import Any

from aiohttp import web

from engine.api.context import engine_of, name_of, tenant_of
from engine.api.decode import query_text
from engine.api.responses import json_response
from engine.core.filters import Filters, matches_name, parse_filters
from engine.core.timeformat import format_time
from engine.errors import InvalidParameter, NotFound
from engine.network.model import Network
from engine.service.engine import Engine

_FILTERS = frozenset({"dangling", "driver", "id", "label", "name", "scope", "type"})


async def listing(request: web.Request) -> web.Response:
    filters = parse_filters(query_text(request, "filters"), known=_FILTERS)
    engine = engine_of(request)
    networks = [network for network in engine.network.list_networks(tenant_of(request)) if _matches(network, filters)]
    return json_response([_network_json(engine, network, is_long=False) for network in networks])


async def inspect(request: web.Request) -> web.Response:
    engine, tenant, name = engine_of(request), tenant_of(request), name_of(request)
    networks = engine.network.list_networks(tenant)
    # A tenant's own network comes first: each has one of the same name.
    found = [one for one in networks if one.name == name and one.owner == tenant] or [
        one for one in networks if one.network_id.startswith(name) or one.name == name
    ]
    if not found:
        raise NotFound(f"network {name} not found")
    if len(found) > 1:
        raise InvalidParameter(f"network {name} is ambiguous: give its id")
    return json_response(_network_json(engine, found[0], is_long=True))


def _matches(network: Network, filters: Filters) -> bool:
    return all(_matches_one(network, name, values) for name, values in filters.items())


def _matches_one(network: Network, name: str, values: tuple[str, ...]) -> bool:
    if name == "id":
        return any(network.network_id.startswith(value) for value in values)
    if name == "name":
        return matches_name(values, [network.name])
    return {"driver": "bridge", "scope": "local", "type": "builtin", "dangling": "false"}.get(name) in values


def _network_json(engine: Engine, network: Network, *, is_long: bool) -> dict[str, Any]:
    endpoints = engine.network.endpoints(network) if is_long else []
    return {
        "Name": network.name,
        "Id": network.network_id,
        "Created": format_time(network.created_ns),
        "Scope": "local",
        "Driver": "bridge",
        "EnableIPv6": False,
        "IPAM": {
            "Driver": "default",
            "Options": None,
            "Config": [{"Subnet": str(network.subnet), "Gateway": str(network.gateway)}],
        },
        "Internal": False,
        "Attachable": False,
        "Ingress": False,
        "ConfigFrom": {"Network": ""},
        "ConfigOnly": False,
        "Containers": {
            endpoint.container_id: {
                "Name": _container_name(engine, endpoint.container_id),
                "EndpointID": endpoint.endpoint_id,
                "MacAddress": endpoint.mac,
                "IPv4Address": f"{endpoint.address}/{endpoint.prefix}",
                "IPv6Address": "",
            }
            for endpoint in endpoints
        },
        "Options": {},
        "Labels": {},
        "Atelier": {"Tenant": network.owner.name},
    }


def _container_name(engine: Engine, container_id: str) -> str:
    record = engine.containers.get(container_id)
    return record.name if record is not None else ""
