"""A container's mounts: decided at its create, with the volumes that they need, and given back when it is removed.

Owns the order in which a volume is made, held, filled and told of, so that a daemon that ends anywhere in between leaves nothing.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from engine.core.containers import ContainerRecord, HostConfig
from engine.core.mount_plan import inherit, plan_mounts
from engine.core.mounts import BIND, VOLUME, MountPoint, parse_volumes_from
from engine.core.tenant_socket import is_of_engine, with_own_socket
from engine.core.tenants import Tenant
from engine.core.volume_options import IN_MEMORY, ON_HOST
from engine.core.volumes import DRIVER, VolumeRecord, check_driver
from engine.errors import Conflict, Fault, Forbidden, InvalidParameter, NotFound, reason_of
from engine.service.engine import Engine
from engine.service.volumes import check_volume_options, filling_volume, publish_volume
from engine.storage.volume_fill import check_mount_point, fill_volume, open_beneath


def plan_container_mounts(engine: Engine, record: ContainerRecord) -> list[MountPoint]:
    """Return what a new container is to mount. Raises InvalidParameter, Forbidden."""
    host = record.host
    check_driver(host.volume_driver, {})
    points = plan_mounts(
        binds=host.bind_texts,
        mounts=host.mounts,
        volumes=record.config.volumes,
        tmpfs=host.tmpfs,
        inherited=_inherited(engine, record.tenant, host),
    )
    points = _with_socket(record, points)
    if not record.tenant.is_administrator and any(point.kind == BIND and not is_of_engine(point) for point in points):
        raise Forbidden("only administrators may use binds of the host's paths: leave it out")
    for point in points:
        check_volume_options(engine, record.tenant, point.driver_options)
    return points


async def make_mounts(
    engine: Engine, record: ContainerRecord, points: Sequence[MountPoint], layers: Sequence[Path]
) -> ContainerRecord:
    """Return the record with its mounts, whose volumes are made, held and filled. ``release_volumes`` undoes it.

    ``layers`` are the image's, base first. Raises InvalidParameter, Conflict, Fault.
    """
    return replace(record, mounts=tuple([await _make_mount(engine, record, point, layers) for point in points]))


async def keep_volumes(engine: Engine, record: ContainerRecord) -> None:
    """The container is there now: its new volumes no longer depend on that, and are told of."""
    if engine.volumes.held_by(record.container_id):
        for volume in await asyncio.to_thread(engine.volumes.settle, record.container_id, exists=True):
            publish_volume(engine, volume, "create")


async def expect_removal(engine: Engine, record: ContainerRecord) -> None:
    """Before a container is removed with its anonymous volumes."""
    anonymous = {point.volume_id for point in record.mounts if point.kind == VOLUME and point.is_anonymous}
    if held := anonymous & engine.volumes.held_by(record.container_id):
        await asyncio.to_thread(engine.volumes.expect, held, record.container_id)


async def release_volumes(engine: Engine, container_id: str, *, is_told: bool) -> None:
    """A container is gone, or did not come to be: so are the volumes that were to share its fate, unless another has them."""
    if engine.volumes.held_by(container_id):
        gone = await asyncio.to_thread(engine.volumes.settle, container_id, exists=False)
        for volume in gone if is_told else ():
            publish_volume(engine, volume, "destroy")


def publish_mounts(engine: Engine, record: ContainerRecord, action: str) -> None:
    """Tell that a container's volumes are in use now (``mount``), or no longer (``unmount``)."""
    for point in record.mounts:
        if point.kind == VOLUME:
            place = {"destination": point.target, "propagation": "", "read/write": str(not point.readonly).lower()}
            known = VolumeRecord(point.volume_id, point.name, record.tenant, 0)
            publish_volume(engine, known, action, container=record.container_id, **(place if action == "mount" else {}))


def _with_socket(record: ContainerRecord, points: list[MountPoint]) -> list[MountPoint]:
    if not record.tenant.is_administrator:
        return with_own_socket(points, wanted=record.host.docker_socket)
    if record.host.docker_socket:
        raise InvalidParameter(
            "DockerSocket is the socket of a tenant, and administrators are none: act as a tenant, or bind the engine's socket"
        )
    return points


def _inherited(engine: Engine, tenant: Tenant, host: HostConfig) -> list[MountPoint]:
    return [point for text in host.volumes_from for point in _mounts_of(engine, tenant, text)]


def _mounts_of(engine: Engine, tenant: Tenant, text: str) -> list[MountPoint]:
    """Only of the very same tenant: files of others, set-user-id ones among them, are never shared."""
    name, readonly = parse_volumes_from(text)
    try:
        other = engine.containers.find(tenant, name)
    except NotFound as error:  # not found is the image's word: clients would fetch it and try again
        raise InvalidParameter(error.message) from None
    if other.tenant != tenant:
        raise InvalidParameter(f"container {name} belongs to another tenant: its volumes cannot be shared")
    return inherit(other.mount_points, readonly=readonly)


async def _make_mount(engine: Engine, record: ContainerRecord, point: MountPoint, layers: Sequence[Path]) -> MountPoint:
    if point.kind != VOLUME:
        return point
    volume = await asyncio.to_thread(_volume, engine, record, point)
    decided = _decided(point, volume)
    try:
        await engine.fillers.fill(record.tenant, volume.volume_id, _filling(engine, volume, decided, layers))
    except OSError as error:
        raise Fault(f"cannot fill the volume for {point.target}: {reason_of(error)}") from error
    return decided


def _decided(point: MountPoint, volume: VolumeRecord) -> MountPoint:
    """Raises InvalidParameter for a part of a volume in memory."""
    meaning = volume.meaning
    if meaning.backing == IN_MEMORY and point.subpath:
        raise InvalidParameter(f"cannot use subpath {point.subpath[:120]!r} of volume {volume.name}: it is in memory, and empty")
    return replace(
        point,
        volume_id=volume.volume_id,
        name=volume.name,
        driver=DRIVER,
        backing=meaning.backing,
        source=meaning.device,
        options=meaning.mount_options,
        readonly=point.readonly or meaning.readonly,
        copies=point.copies and not meaning.backing,
        labels={},
        driver_options={},
    )


def _volume(engine: Engine, record: ContainerRecord, point: MountPoint) -> VolumeRecord:
    if not point.volume_id:
        volume, _ = engine.volumes.ensure(
            record.tenant, point.name, labels=point.labels, options=point.driver_options, holder=record.container_id
        )
        return volume
    try:
        return engine.volumes.hold(point.volume_id, record.container_id)
    except NotFound:
        raise Conflict(f"volume {point.name} was removed meanwhile, with the container that had it") from None


def _filling(engine: Engine, volume: VolumeRecord, point: MountPoint, layers: Sequence[Path]) -> Callable[[], None]:
    path = Path(point.source) if point.backing == ON_HOST else engine.volumes.data_path(point.volume_id)

    def fill() -> None:
        if point.copies:
            marked = None if point.subpath else engine.volumes.filling(point.volume_id)
            with filling_volume(engine, volume):
                fill_volume(layers, point.target, path, point.subpath, marked=marked)
            return
        check_mount_point(layers, point.target)
        if point.backing == ON_HOST and not path.is_dir():
            raise InvalidParameter(f"volume {point.name} is the host's folder {path}, which does not exist: make it first")
        if point.subpath:
            with open_beneath(path, point.subpath):
                pass

    return fill
