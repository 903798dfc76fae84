"""The application: every route with and without its version prefix, and what holds for all of them.

Owns the table of routes. A route that the engine leaves out says so with 501; an unknown one is 404.
"""

from aiohttp import web

from engine.api import (
    archive,
    attach_ws,
    build,
    commit,
    container_streams,
    containers,
    dial,
    execs,
    images,
    load,
    networks,
    registries,
    save,
    stats,
    swarm,
    system,
    tenants,
    top,
    volumes,
)
from engine.api.answers import DOCUMENTS, DOCUMENTS_AT_ONCE, SURVEYS, telling
from engine.api.bodies import LARGE_AT_ONCE, TURNS, holding_bodies
from engine.api.context import ENGINE
from engine.api.decode import MAX_BODY_BYTES
from engine.api.finishing import to_the_end
from engine.api.hangup import HangupWatcher
from engine.api.hijack import HANGUPS
from engine.api.responses import Handler, errors_middleware
from engine.api.server import handler_of
from engine.api.streaming import STREAMS, Streams, end_streams, streaming_middleware
from engine.api.tenant_sockets import guests_middleware
from engine.api.version import API_VERSION, ENGINE_VERSION, PREFIX, version_middleware, version_text
from engine.errors import Unimplemented
from engine.service.engine import Engine
from engine.service.turns import Turns

_IMAGE = "/images/{name:.+}"
_CONTAINER = "/containers/{name}"

# In order: a name of an image may hold slashes, so its fixed endings come before the bare name.
ROUTES: list[tuple[str, str, Handler]] = [
    ("GET", "/_ping", system.ping),
    ("HEAD", "/_ping", system.ping),
    ("GET", "/version", system.version),
    ("GET", "/info", system.info),
    ("GET", "/events", system.events),
    ("GET", "/system/df", system.usage),
    ("POST", "/images/create", registries.create),
    ("POST", "/auth", registries.auth),
    ("GET", "/images/search", registries.search),
    ("GET", "/distribution/{name:.+}/json", registries.distribution),
    ("POST", f"{_IMAGE}/push", registries.push),
    ("POST", "/images/load", load.load),
    ("POST", "/images/prune", images.prune),
    ("POST", "/build/prune", images.prune_build_cache),
    ("POST", "/commit", commit.commit),
    ("POST", "/build", build.build),
    ("GET", "/images/json", images.listing),
    ("GET", "/images/get", save.save),
    ("GET", f"{_IMAGE}/get", save.save_one),
    ("GET", f"{_IMAGE}/json", images.inspect),
    ("GET", f"{_IMAGE}/history", images.history),
    ("POST", f"{_IMAGE}/tag", images.tag),
    ("DELETE", _IMAGE, images.remove),
    ("POST", "/containers/create", containers.create),
    ("POST", "/containers/prune", containers.prune),
    ("GET", "/containers/json", containers.listing),
    ("GET", f"{_CONTAINER}/json", containers.inspect),
    ("POST", f"{_CONTAINER}/start", containers.start),
    ("POST", f"{_CONTAINER}/stop", containers.stop),
    ("POST", f"{_CONTAINER}/restart", containers.restart),
    ("POST", f"{_CONTAINER}/kill", containers.kill),
    ("POST", f"{_CONTAINER}/pause", containers.pause),
    ("POST", f"{_CONTAINER}/unpause", containers.unpause),
    ("POST", f"{_CONTAINER}/update", containers.update),
    ("POST", f"{_CONTAINER}/rename", containers.rename),
    ("POST", f"{_CONTAINER}/resize", containers.resize),
    ("POST", f"{_CONTAINER}/wait", container_streams.wait),
    ("POST", f"{_CONTAINER}/attach", container_streams.attach),
    ("POST", f"{_CONTAINER}/dial", dial.dial),
    ("GET", f"{_CONTAINER}/attach/ws", attach_ws.attach_ws),
    ("GET", f"{_CONTAINER}/logs", container_streams.logs),
    ("HEAD", f"{_CONTAINER}/archive", archive.head),
    ("GET", f"{_CONTAINER}/archive", archive.get),
    ("PUT", f"{_CONTAINER}/archive", archive.put),
    ("GET", f"{_CONTAINER}/export", archive.export),
    ("GET", f"{_CONTAINER}/changes", archive.changes),
    ("GET", f"{_CONTAINER}/stats", stats.stats),
    ("GET", f"{_CONTAINER}/top", top.top),
    ("DELETE", _CONTAINER, containers.remove),
    ("DELETE", f"{_CONTAINER}/{{alias}}", containers.remove_link),
    ("POST", f"{_CONTAINER}/exec", execs.create),
    ("POST", "/exec/{name}/start", execs.start),
    ("POST", "/exec/{name}/attach", execs.attach),
    ("POST", "/exec/{name}/resize", execs.resize),
    ("GET", "/exec/{name}/json", execs.inspect),
    ("GET", "/networks", networks.listing),
    ("GET", "/networks/", networks.listing),
    ("POST", "/networks/create", networks.create),
    ("POST", "/networks/prune", networks.prune),
    ("GET", "/networks/{name}", networks.inspect),
    ("DELETE", "/networks/{name}", networks.remove),
    ("POST", "/networks/{name}/connect", networks.connect),
    ("POST", "/networks/{name}/disconnect", networks.disconnect),
    ("GET", "/volumes", volumes.listing),
    ("POST", "/volumes/create", volumes.create),
    ("POST", "/volumes/prune", volumes.prune),
    ("GET", "/volumes/{name}", volumes.inspect),
    ("DELETE", "/volumes/{name}", volumes.remove),
    ("GET", "/volumes/{name}/archive", volumes.backup),
    ("PUT", "/volumes/{name}/archive", volumes.restore),
    ("GET", "/tenants", tenants.listing),
    ("GET", "/tenants/{team}", tenants.inspect),
    ("PUT", "/tenants/{team}", tenants.put),
    ("DELETE", "/tenants/{team}", tenants.delete),
    ("GET", "/tenants/{team}/{member}", tenants.inspect),
    ("PUT", "/tenants/{team}/{member}", tenants.put),
    ("DELETE", "/tenants/{team}/{member}", tenants.delete),
    ("GET", "/plugins/{name}/json", system.inspect_plugin),
    ("POST", "/swarm/leave", swarm.leave),
]

# Parts of Docker's API that are left out, some for now and some for good.
LEFT_OUT: list[tuple[str, str]] = [
    *(
        ("*", f"/{name}{tail}")
        for name in ("swarm", "nodes", "services", "tasks", "secrets", "configs", "plugins")
        for tail in ("", "/{rest:.*}")
    ),
    *(("POST", path) for path in ("/session", "/grpc")),
    ("PUT", "/volumes/{name}"),  # of cluster volumes
]

_CHANGES: frozenset[Handler] = frozenset(
    {
        containers.create,
        containers.start,
        containers.stop,
        containers.restart,
        containers.kill,
        containers.pause,
        containers.unpause,
        containers.update,
        containers.prune,
        containers.rename,
        containers.remove,
        containers.remove_link,
        load.load,
        images.prune,
        images.prune_build_cache,
        images.tag,
        images.remove,
        commit.commit,
        volumes.create,
        volumes.remove,
        volumes.restore,
        volumes.prune,
        networks.create,
        networks.remove,
        networks.prune,
        networks.connect,
        networks.disconnect,
        tenants.put,
        tenants.delete,
    }
)

_TELLS: dict[Handler, web.AppKey[Turns]] = {
    archive.changes: SURVEYS,
    system.usage: SURVEYS,
    top.top: SURVEYS,
    containers.inspect: DOCUMENTS,
    containers.listing: DOCUMENTS,
    execs.inspect: DOCUMENTS,
    images.history: DOCUMENTS,
    images.inspect: DOCUMENTS,
    images.listing: DOCUMENTS,
    networks.inspect: DOCUMENTS,
    networks.listing: DOCUMENTS,
    volumes.inspect: DOCUMENTS,
    volumes.listing: DOCUMENTS,
}


def build_app(engine: Engine) -> web.Application:
    """Return the application of an engine."""
    middlewares = [guests_middleware, streaming_middleware, hijack_middleware, errors_middleware, version_middleware]
    app = web.Application(middlewares=middlewares, client_max_size=MAX_BODY_BYTES)
    app[ENGINE] = engine
    app[HANGUPS] = HangupWatcher()
    app[STREAMS] = Streams()
    app[TURNS] = Turns(LARGE_AT_ONCE)
    for turns in (DOCUMENTS, SURVEYS):
        app[turns] = Turns(DOCUMENTS_AT_ONCE)
    app.on_shutdown.append(end_streams)
    app.on_response_prepare.append(_stamp)
    routes = [*ROUTES, *((method, path, _left_out) for method, path in LEFT_OUT)]
    for method, path, handler in sorted(routes, key=lambda route: route[1] == _IMAGE):
        whole = holding_bodies(handler)
        whole = _finishing(whole) if handler in _CHANGES else whole
        whole = telling(whole, _TELLS[handler]) if handler in _TELLS else whole
        for prefix in ("", PREFIX):
            app.router.add_route(method, prefix + path, whole)
    return app


def _finishing(handler: Handler) -> Handler:
    async def finish(request: web.Request) -> web.StreamResponse:
        return await to_the_end(handler(request))

    return finish


@web.middleware
async def hijack_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A hijack route that answers plainly leaves a connection behind whose next bytes nobody could place: it is closed."""
    response = await handler(request)
    if handler_of(request).is_hijack() and request.protocol.transport is not None:
        response.force_close()
    return response


async def _left_out(request: web.Request) -> web.StreamResponse:
    raise Unimplemented(f"{request.method} {request.path} is not implemented by this engine")


async def _stamp(request: web.Request, response: web.StreamResponse) -> None:
    response.headers["Api-Version"] = version_text(API_VERSION)
    response.headers["Docker-Experimental"] = "false"
    response.headers["Ostype"] = "linux"
    response.headers["Server"] = f"Atelier/{ENGINE_VERSION} (linux)"
