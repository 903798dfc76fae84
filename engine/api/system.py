"""Routes about the engine itself: ping, version, info, events, disk usage."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from aiohttp import web

from engine.api.container_json import summary_json
from engine.api.context import engine_of, name_of, tenant_of, volume_path_for
from engine.api.decode import query_text
from engine.api.image_json import build_json
from engine.api.image_json import summary_json as image_summary_json
from engine.api.registry_config_json import INDEX_SERVER, registry_config_json
from engine.api.responses import dumps, json_response
from engine.api.version import API_VERSION, ENGINE_VERSION, LEAST_API_VERSION, asked_version, version_text
from engine.api.volumes import usage_json
from engine.core.events import FILTERS, EngineEvent
from engine.core.filters import parse_filters
from engine.core.lifecycle import State
from engine.core.tenants import Tenant
from engine.core.timeformat import format_time, parse_time
from engine.errors import InvalidParameter, NotFound
from engine.service.disk_usage import KINDS, disk_usage
from engine.service.engine import Engine
from engine.service.host_share import cpus_of, memory_of

T = TypeVar("T")
_USAGE_BY_TYPE_SINCE = (1, 42)
_NO_SWARM = {
    "NodeID": "",
    "NodeAddr": "",
    "LocalNodeState": "inactive",
    "ControlAvailable": False,
    "Error": "",
    "RemoteManagers": None,
}
_NO_CACHE = {"Cache-Control": "no-cache, no-store, must-revalidate", "Pragma": "no-cache"}


async def ping(request: web.Request) -> web.Response:
    return web.Response(text="" if request.method == "HEAD" else "OK", headers={**_NO_CACHE, "Builder-Version": "1"})


async def version(request: web.Request) -> web.Response:
    host = engine_of(request).host
    details = {
        "ApiVersion": version_text(API_VERSION),
        "MinAPIVersion": version_text(LEAST_API_VERSION),
        "Os": "linux",
        "Arch": host.architecture,
        "KernelVersion": host.kernel,
    }
    return json_response(
        {
            "Platform": {"Name": "Atelier"},
            "Components": [{"Name": "Engine", "Version": ENGINE_VERSION, "Details": {**details, "Experimental": "false"}}],
            "Version": ENGINE_VERSION,
            **details,
            "GitCommit": "",
            "GoVersion": "",
            "BuildTime": "",
        }
    )


async def info(request: web.Request) -> web.Response:
    engine, tenant = engine_of(request), tenant_of(request)
    return json_response({**_counts(engine, tenant), **_host(engine, tenant), **_abilities(engine)})


def _counts(engine: Engine, tenant: Tenant) -> dict[str, object]:
    states = [record.run.state for record in engine.containers.visible(tenant)]
    paused, running = states.count(State.PAUSED), states.count(State.RUNNING)
    return {
        "ID": engine.engine_id,
        "Containers": len(states),
        "ContainersRunning": running,
        "ContainersPaused": paused,
        "ContainersStopped": len(states) - running - paused,
        "Images": len(engine.images.list(tenant)),
        "NEventsListener": engine.events.listeners if tenant.is_administrator else 0,
    }


def _host(engine: Engine, tenant: Tenant) -> dict[str, object]:
    host = engine.host
    return {
        "Name": host.name,
        "ServerVersion": ENGINE_VERSION,
        "KernelVersion": host.kernel,
        "OperatingSystem": host.system,
        "OSVersion": "",
        "OSType": "linux",
        "Architecture": host.machine,
        "NCPU": cpus_of(engine, tenant),
        "MemTotal": memory_of(engine, tenant),
        "DockerRootDir": str(engine.data_path) if tenant.is_administrator else "",
        "SystemTime": format_time(time.time_ns()),
        "Labels": [],
        "HttpProxy": "",
        "HttpsProxy": "",
        "NoProxy": "",
    }


def _abilities(engine: Engine) -> dict[str, object]:
    cgroups = engine.host.cgroups
    seccomp = ["name=seccomp,profile=builtin"] if engine.host.is_seccomp_available else []
    return {
        "Driver": "overlay2",
        "DriverStatus": [
            ["Backing Filesystem", engine.disk.kind if engine.disk.has_limits else "as found"],
            ["Backing layers", "id-mapped"],
            ["Disk quotas", "members within teams" if engine.disk.has_nested_limits else "none"],
        ],
        "Plugins": {
            "Volume": ["local"],
            "Network": ["bridge", "null"],
            "Authorization": None,
            "Log": ["json-file", "local", "none"],
        },
        "MemoryLimit": True,
        "SwapLimit": True,
        "CpuCfsPeriod": True,
        "CpuCfsQuota": True,
        "CPUShares": True,
        "CPUSet": cgroups.version == 2 or "cpuset" in cgroups.mounts,
        "PidsLimit": cgroups.version == 2 or "pids" in cgroups.mounts,
        "OomKillDisable": False,
        "IPv4Forwarding": True,
        "Debug": False,
        "LoggingDriver": "json-file",
        "CgroupDriver": "cgroupfs",
        "CgroupVersion": str(cgroups.version),
        "IndexServerAddress": INDEX_SERVER,
        "RegistryConfig": registry_config_json(engine.registries.settings),
        "ExperimentalBuild": False,
        "Runtimes": {"atelier": {"path": "atelier"}},
        "DefaultRuntime": "atelier",
        "Swarm": _NO_SWARM,
        "LiveRestoreEnabled": True,
        "Isolation": "",
        "InitBinary": "built in",
        "SecurityOptions": [*seccomp, "name=userns", "name=cgroupns"],
        # null makes older clients look for some themselves
        "Warnings": [f"WARNING: {warning}" for warning in engine.disk.status().warnings],
    }


async def inspect_plugin(request: web.Request) -> web.Response:
    """There are none; ``docker inspect`` asks for one when nothing else has the name."""
    raise NotFound(f"plugin {name_of(request)} not found")


def _event_time(text: str, now_ns: int) -> int | None:
    """Zero is a time like others here, where with logs it is none."""
    return 0 if text == "0" else parse_time(text, now_ns=now_ns)


async def events(request: web.Request) -> web.StreamResponse:
    engine, tenant, now_ns = engine_of(request), tenant_of(request), time.time_ns()
    filters = parse_filters(query_text(request, "filters"), known=FILTERS)
    since_ns, until_ns = (_event_time(query_text(request, name), now_ns) for name in ("since", "until"))
    if since_ns is not None and until_ns is not None and since_ns > until_ns:
        raise InvalidParameter("invalid since: it is after until, give an earlier time")
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    await response.write(b"")
    async for event in engine.events.follow(tenant, filters, since_ns=since_ns, until_ns=until_ns):
        await response.write(dumps(event_json(event)) + b"\n")
    await response.write_eof()
    return response


def event_json(event: EngineEvent) -> dict[str, object]:
    """Return an event in Docker's form, the old top-level fields of containers and images among it."""
    old = {"status": event.action, "id": event.actor_id} if event.kind in ("container", "image") else {}
    if event.kind == "container":
        old["from"] = event.attributes.get("image", "")
    return {
        **old,
        "Type": event.kind,
        "Action": event.action,
        "Actor": {"ID": event.actor_id, "Attributes": dict(event.attributes)},
        "scope": "local",
        "time": event.time_ns // 10**9,
        "timeNano": event.time_ns,
        "Atelier": {"Tenant": event.tenant.name},
    }


async def usage(request: web.Request) -> web.Response:
    """What was not asked for is null; older clients ask for everything."""
    kinds = request.query.getall("type", []) if asked_version(request) >= _USAGE_BY_TYPE_SINCE else []
    found = await disk_usage(engine_of(request), tenant_of(request), kinds or KINDS)
    summary = partial(summary_json, volume_path=volume_path_for(request), now_ns=time.time_ns())
    return json_response(
        {
            "LayersSize": found.layers_bytes,
            "Images": _each(image_summary_json, found.images),
            "Containers": _each(summary, found.containers),
            "Volumes": None if found.volumes is None else usage_json(request, found.volumes),
            "BuildCache": _each(build_json, found.builds),
        }
    )


def _each(encode: Callable[[T], dict[str, Any]], found: list[T] | None) -> list[dict[str, Any]] | None:
    return None if found is None else [encode(one) for one in found]
