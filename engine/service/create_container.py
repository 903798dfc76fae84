"""Create: a record and folders from a request and an image. Nothing runs yet."""

import asyncio
import secrets
import time
from dataclasses import dataclass, field, replace
from functools import partial

from engine.core.containers import ContainerConfig, ContainerRecord, HostConfig
from engine.core.cpusets import check_processors
from engine.core.hosts import hosts_file
from engine.core.ids import ID_BYTES, format_id, is_acceptable_id, short_id
from engine.core.limits import cgroup_path, check_limits, plan_cgroup, tenant_limits
from engine.core.log_options import NO_DRIVER
from engine.core.merge import merge_config
from engine.core.mounts import MountPoint
from engine.core.names import made_up_name, parse_name
from engine.core.namespace_modes import HOST, joined_container
from engine.core.networks import NetworkJoin
from engine.core.storage_options import storage_limit
from engine.core.tenants import Tenant
from engine.core.ulimits import check_ulimits
from engine.errors import Conflict, InvalidParameter, NotFound
from engine.image.store import Image
from engine.service.admit_container import check_sizes, pids_quota
from engine.service.bind_sources import prepare_bind_sources
from engine.service.container_mounts import keep_volumes, make_mounts, plan_container_mounts, release_volumes
from engine.service.container_networks import resolve_networks
from engine.service.create_checks import check_isolation, check_kernel, check_storage, host_warnings, is_special
from engine.service.engine import Engine
from engine.service.init_links import as_system_container
from engine.service.isolation import check_allowed, resolve_modes
from engine.service.links import place_links
from engine.service.room import with_room
from engine.service.tenant_rules import check_ports, check_use
from engine.storage.rootfs import create_rootfs


@dataclass(frozen=True, slots=True)
class CreateRequest:
    """What the client asks for; empty values of ``config`` are taken from the image."""

    config: ContainerConfig
    host: HostConfig = field(default_factory=HostConfig)
    name: str = ""
    platform: str = ""
    joins: tuple[NetworkJoin, ...] = ()  # settings for networks, beside the one that the mode names
    is_build_step: bool = False


@dataclass(frozen=True, slots=True)
class Created:
    """The answer: an id, and what was accepted but will not have its usual effect."""

    container_id: str
    warnings: list[str]


async def create_container(engine: Engine, tenant: Tenant, request: CreateRequest) -> Created:
    """Make a container. Raises NotFound for the image, Conflict for the name, InvalidParameter, Forbidden, QuotaExceeded."""
    async with with_room(engine, tenant):
        return await _create(engine, tenant, request)


async def _create(engine: Engine, tenant: Tenant, request: CreateRequest) -> Created:
    if not tenant.is_administrator:
        check_allowed(request.host)
    _check_values(engine, request)
    check_sizes(engine, tenant, request.host.limits)
    request = replace(request, host=_with_defaults(engine, tenant, resolve_modes(engine, tenant, request.host)))
    if is_special(request.host):
        await engine.slow.run(tenant, partial(check_kernel, engine, tenant, request.host))
    image = engine.images.get(tenant, request.config.image)
    check_use(engine, tenant, image, request.config.image)
    check_ports(engine, tenant, request.host.port_bindings, publishes_all=request.host.publish_all)
    _check_platform(image, request)
    record = _record(engine, tenant, request, image)
    record = replace(record, networks=resolve_networks(engine, tenant, record.host.network_mode, request.joins))
    record = place_links(engine, record)
    points = plan_container_mounts(engine, record)
    engine.containers.reserve(record)
    async with engine.containers.lock(record.container_id):  # free: its name is known from now on, also to who removes it
        record = await _make(engine, record, image, points)
        await keep_volumes(engine, record)
        engine.publish(record, "create")
    return Created(record.container_id, host_warnings(engine, record.host))


async def _make(engine: Engine, record: ContainerRecord, image: Image, points: list[MountPoint]) -> ContainerRecord:
    """On failure nothing of it stays."""
    try:
        await engine.doors.ensure(record.tenant)
        await asyncio.to_thread(_make_folders, engine, record, image, points)
        record = await make_mounts(engine, record, points, engine.images.lowers(image))
        await engine.containers.save(record)
    except BaseException:
        engine.containers.drop(record.container_id)
        await asyncio.to_thread(engine.trash.discard, engine.containers.path(record.container_id))
        await release_volumes(engine, record.container_id, is_told=False)
        raise
    return record


def _with_defaults(engine: Engine, tenant: Tenant, host: HostConfig) -> HostConfig:
    if tenant.is_administrator:
        return host
    return replace(host, limits=tenant_limits(host.limits, pids_quota=pids_quota(engine, tenant)))


def _check_values(engine: Engine, request: CreateRequest) -> None:
    """Find here what would otherwise fail at the start only. Raises InvalidParameter."""
    host = request.host
    check_limits(host.limits)
    check_processors(host.limits, processors=engine.host.processors, memory_nodes=engine.host.memory_nodes)
    plan_cgroup(engine.host.cgroups, cgroup_path(engine.instance, Tenant(), ""), host.limits)
    check_ulimits(host.ulimits)
    check_isolation(request.config, host)
    check_storage(engine, host)
    hosts_file(hostname=request.config.hostname, gateway="0.0.0.0", extra_hosts=host.extra_hosts)


def _check_platform(image: Image, request: CreateRequest) -> None:
    """Raise NotFound for an image of another platform than ``os[/architecture[/variant]]`` of the request."""
    own = (image.config.os, image.config.architecture)
    if request.platform and tuple(request.platform.split("/")[:2]) not in (own, own[:1]):
        raise NotFound(
            f"image {request.config.image} was found but does not match the specified platform: wanted {request.platform[:60]},"
            f" actual {'/'.join(own)}"
        )


def _record(engine: Engine, tenant: Tenant, request: CreateRequest, image: Image) -> ContainerRecord:
    container_id = _new_id()
    config = merge_config(request.config, image.config)
    if not config.args:
        raise InvalidParameter("no command specified: give one, or use an image that has one")
    config, host = as_system_container(config, request.host, lambda: engine.images.lowers(image))
    return ContainerRecord(
        container_id=container_id,
        name=parse_name(request.name) if request.name else _new_name(engine, tenant),
        tenant=tenant,
        created_ns=time.time_ns(),
        image_id=image.id,
        config=replace(config, hostname=config.hostname or _own_hostname(engine, host, container_id)),
        host=host,
        is_build_step=request.is_build_step,
    )


def _own_hostname(engine: Engine, host: HostConfig, container_id: str) -> str:
    if HOST in (host.uts_mode, host.network_mode):
        return engine.host.name
    shared = engine.containers.get(joined_container(host.network_mode))
    return short_id(container_id) if shared is None else shared.config.hostname


def _make_folders(engine: Engine, record: ContainerRecord, image: Image, points: list[MountPoint]) -> None:
    prepare_bind_sources(points)
    path = engine.containers.path(record.container_id)
    create_rootfs(
        path,
        engine.images.lowers(image),
        areas=engine.areas,
        owner=record.tenant,
        limit_bytes=storage_limit(record.host.storage_options),
        keeps_log=record.host.log_driver != NO_DRIVER,
    )


def _new_id() -> str:
    while not is_acceptable_id(container_id := format_id(secrets.token_bytes(ID_BYTES))):
        pass
    return container_id


def _new_name(engine: Engine, tenant: Tenant) -> str:
    """Draw names until one is free; after some draws from the longer ones with a number."""
    for attempt in range(200):
        name = made_up_name(secrets.randbelow(4000 << min(attempt, 12)))
        try:
            engine.containers.check_name_free(tenant, name)
        except Conflict:
            continue
        return name
    return f"container_{secrets.token_hex(8)}"
