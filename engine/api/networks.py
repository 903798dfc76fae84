"""Routes of networks: decode, one service call, encode."""

import time
from typing import Any

from aiohttp import web

from engine.api.context import engine_of, name_of, tenant_of
from engine.api.create_networks import decode_join, decode_network
from engine.api.decode import query_bool, query_text, read_document
from engine.api.network_json import builtin_network_json, network_json
from engine.api.responses import json_response
from engine.core.filters import parse_filters
from engine.errors import InvalidParameter, NotFound
from engine.network.model import Network
from engine.service import networks
from engine.service.builtin_networks import containers_on, find_builtin, list_builtins, made_ns
from engine.service.connect_network import connect_network, disconnect_network
from engine.service.engine import Engine
from engine.service.networks import create_network, find_network, list_networks, prune_networks, remove_network


async def create(request: web.Request) -> web.Response:
    wanted, warnings = decode_network(await read_document(request))
    network = await create_network(engine_of(request), tenant_of(request), wanted)
    return json_response({"Id": network.network_id, "Warning": "; ".join(warnings)}, status=201)


async def listing(request: web.Request) -> web.Response:
    filters = parse_filters(query_text(request, "filters"), known=networks.FILTERS)
    engine = engine_of(request)
    tenant = tenant_of(request)
    found = list_networks(engine, tenant, filters=filters)
    since_ns = made_ns(engine)
    builtins = list_builtins(engine, tenant, filters=filters)
    return json_response(
        [
            *(builtin_network_json(one, (), created_ns=since_ns) for one in builtins),
            *(_shown(engine, network, is_long=False) for network in found),
        ]
    )


async def inspect(request: web.Request) -> web.Response:
    engine = engine_of(request)
    tenant, name = tenant_of(request), name_of(request)
    builtin = find_builtin(engine, tenant, name)
    if builtin is not None:
        on_it = containers_on(engine, builtin)
        return json_response(builtin_network_json(builtin, on_it, created_ns=made_ns(engine)))
    network = find_network(engine, tenant, name)
    if query_text(request, "scope") not in ("", "local"):
        raise NotFound(f"network {name_of(request)} not found: networks of this engine are local")
    return json_response(_shown(engine, network, is_long=True))


async def remove(request: web.Request) -> web.Response:
    await remove_network(engine_of(request), tenant_of(request), name_of(request))
    return web.Response(status=204)


async def prune(request: web.Request) -> web.Response:
    filters = parse_filters(query_text(request, "filters"), known=networks.PRUNE_FILTERS)
    is_trial = query_bool(request, "dryrun")
    engine, tenant = engine_of(request), tenant_of(request)
    pruned = await prune_networks(engine, tenant, filters=filters, now_ns=time.time_ns(), is_trial=is_trial)
    return json_response({"NetworksDeleted": pruned or None})


async def connect(request: web.Request) -> web.Response:
    body, name = await read_document(request), name_of(request)
    join = decode_join(body.document("EndpointConfig"), name)
    container = _container(body.text("Container"))
    await connect_network(engine_of(request), tenant_of(request), name, container=container, join=join)
    return web.Response(status=200)


async def disconnect(request: web.Request) -> web.Response:
    body = await read_document(request)
    container, force = _container(body.text("Container")), body.boolean("Force")
    await disconnect_network(engine_of(request), tenant_of(request), name_of(request), container=container, force=force)
    return web.Response(status=200)


def _container(name: str) -> str:
    if not name:
        raise InvalidParameter("no container named: give Container")
    return name


def _shown(engine: Engine, network: Network, *, is_long: bool) -> dict[str, Any]:
    def container_name(container_id: str) -> str:
        record = engine.containers.get(container_id)
        return record.name if record is not None else ""

    return network_json(network, engine.network.endpoints(network) if is_long else [], name_of=container_name)
