"""Routes of containers, but for their streams: decode, one service call, encode."""

import time
from dataclasses import replace

from aiohttp import web

from engine.api.breaths import Breaths
from engine.api.container_json import inspect_json, summary_json
from engine.api.context import engine_of, is_on_own_socket, name_of, tenant_of, volume_path_for
from engine.api.create_isolation import older_ipc_mode
from engine.api.create_request import decode_create
from engine.api.decode import query_bool, query_int, query_text, read_document
from engine.api.responses import dumps, json_list, json_response, no_content
from engine.api.server import handler_of
from engine.api.update_request import decode_update
from engine.api.version import asked_version
from engine.core.filters import parse_filters
from engine.core.own_labels import PREFIX, find_own
from engine.errors import Forbidden, InvalidParameter, NotFound
from engine.service.create_container import create_container
from engine.service.inspect_container import FILTERS, inspect_container, list_containers
from engine.service.kill_container import kill_container
from engine.service.pause_container import pause_container, unpause_container
from engine.service.prune_containers import FILTERS as PRUNE_FILTERS
from engine.service.prune_containers import prune_containers
from engine.service.remove_container import remove_container
from engine.service.remove_link import remove_link as remove_link_of
from engine.service.rename_container import rename_container
from engine.service.resize_container import resize_container
from engine.service.restart_container import restart_container
from engine.service.start_container import start_container
from engine.service.stop_container import stop_container
from engine.service.update_container import update_container

_OWN_NAMES_APART_SINCE = (1, 45)
_PRIVATE_IPC_SINCE = (1, 40)


async def create(request: web.Request) -> web.Response:
    body = await read_document(request)
    wanted, warnings = decode_create(body, name=query_text(request, "name"), platform=query_text(request, "platform"))
    if asked_version(request) < _PRIVATE_IPC_SINCE:
        wanted = replace(wanted, host=replace(wanted.host, ipc_mode=older_ipc_mode(body.document("HostConfig"))))
    if is_on_own_socket(request) and (label := find_own(wanted.config.labels)):
        raise Forbidden(f"label {label[:60]} is refused: names that begin with {PREFIX} mark what is managed for a tenant")
    created = await create_container(engine_of(request), tenant_of(request), wanted)
    return json_response({"Id": created.container_id, "Warnings": [*warnings, *created.warnings]}, status=201)


async def listing(request: web.Request) -> web.Response:
    found = await list_containers(
        engine_of(request),
        tenant_of(request),
        filters=parse_filters(query_text(request, "filters"), known=FILTERS),
        is_all=query_bool(request, "all"),
        limit=query_int(request, "limit"),
        with_size=query_bool(request, "size"),
    )
    now_ns, breaths, summaries, volume_path = time.time_ns(), Breaths(handler_of(request).turn), [], volume_path_for(request)
    for one in found:
        summaries.append(dumps(summary_json(one, volume_path=volume_path, now_ns=now_ns)))
        await breaths.take()
    return json_list(summaries)


async def inspect(request: web.Request) -> web.Response:
    tenant, with_size = tenant_of(request), query_bool(request, "size")
    found = await inspect_container(engine_of(request), tenant, name_of(request), with_size=with_size)
    older_aliases = asked_version(request) < _OWN_NAMES_APART_SINCE
    return json_response(inspect_json(found, volume_path=volume_path_for(request), older_aliases=older_aliases))


async def start(request: web.Request) -> web.Response:
    await start_container(engine_of(request), tenant_of(request), name_of(request))
    return no_content()


async def stop(request: web.Request) -> web.Response:
    await stop_container(
        engine_of(request),
        tenant_of(request),
        name_of(request),
        timeout_seconds=query_int(request, "t"),
        signal_name=query_text(request, "signal"),
    )
    return no_content()


async def restart(request: web.Request) -> web.Response:
    await restart_container(
        engine_of(request),
        tenant_of(request),
        name_of(request),
        timeout_seconds=query_int(request, "t"),
        signal_name=query_text(request, "signal"),
    )
    return no_content()


async def kill(request: web.Request) -> web.Response:
    await kill_container(engine_of(request), tenant_of(request), name_of(request), signal_name=query_text(request, "signal"))
    return no_content()


async def pause(request: web.Request) -> web.Response:
    await pause_container(engine_of(request), tenant_of(request), name_of(request))
    return no_content()


async def unpause(request: web.Request) -> web.Response:
    await unpause_container(engine_of(request), tenant_of(request), name_of(request))
    return no_content()


async def update(request: web.Request) -> web.Response:
    wanted = decode_update(await read_document(request), asked_version(request))
    await update_container(engine_of(request), tenant_of(request), name_of(request), wanted)
    return json_response({"Warnings": []})


async def prune(request: web.Request) -> web.Response:
    filters = parse_filters(query_text(request, "filters"), known=PRUNE_FILTERS)
    is_trial = query_bool(request, "dryrun")
    engine, tenant = engine_of(request), tenant_of(request)
    pruned = await prune_containers(engine, tenant, filters, now_ns=time.time_ns(), is_trial=is_trial)
    return json_response({"ContainersDeleted": pruned.container_ids or None, "SpaceReclaimed": pruned.freed_bytes})


async def rename(request: web.Request) -> web.Response:
    await rename_container(engine_of(request), tenant_of(request), name_of(request), new_name=query_text(request, "name"))
    return no_content()


async def remove(request: web.Request) -> web.Response:
    if query_bool(request, "link"):
        raise InvalidParameter("cannot remove the default link name of the container: name the link, as container/alias")
    force, with_volumes = query_bool(request, "force"), query_bool(request, "v")
    await remove_container(engine_of(request), tenant_of(request), name_of(request), force=force, with_volumes=with_volumes)
    return no_content()


async def remove_link(request: web.Request) -> web.Response:
    name, alias = name_of(request), request.match_info["alias"]
    if not query_bool(request, "link"):
        raise NotFound(f"no such container: {name[:80]}/{alias[:80]}")
    await remove_link_of(engine_of(request), tenant_of(request), name, alias=alias)
    return no_content()


async def resize(request: web.Request) -> web.Response:
    rows, columns = terminal_size(request)
    resize_container(engine_of(request), tenant_of(request), name_of(request), rows=rows, columns=columns)
    return web.Response(status=200)


def terminal_size(request: web.Request) -> tuple[int, int]:
    """Return rows and columns of the query. Raises InvalidParameter."""
    rows, columns = query_int(request, "h"), query_int(request, "w")
    if rows is None or columns is None:
        raise InvalidParameter("no terminal size given: give h and w")
    if not (0 <= rows < 65_536 and 0 <= columns < 65_536):
        raise InvalidParameter(f"invalid terminal size {rows} x {columns}: use 0 to 65535")
    return rows, columns
