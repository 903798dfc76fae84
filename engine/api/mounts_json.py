"""Mounts and volumes as Docker's JSON. Owns the shapes; a path of the host is told to administrators only."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.core.containers import ContainerRecord, HostConfig
from engine.core.mounts import BIND, VOLUME, MountPoint, MountRequest
from engine.core.timeformat import format_seconds
from engine.core.volumes import DRIVER, VolumeRecord
from engine.service.volumes import VolumeUse

VolumePath = Callable[[str], Path]  # where the files of a volume lie, by its id


def mounts_config_json(host: HostConfig) -> dict[str, Any]:
    """Return the fields of ``HostConfig`` that ask for mounts, as the client wrote them."""
    older = [f"{bind.source}:{bind.target}{':ro' if bind.readonly else ''}" for bind in host.binds]
    return {
        "Binds": [*older, *host.bind_texts] or None,
        "VolumeDriver": host.volume_driver,
        "VolumesFrom": list(host.volumes_from) or None,
        **({"Mounts": [_request_json(request) for request in host.mounts]} if host.mounts else {}),
    }


def mounts_json(record: ContainerRecord, volume_path: VolumePath | None) -> list[dict[str, Any]]:
    """Return what a container mounts; without ``volume_path`` for somebody who is not to know places on the host."""
    return [_point_json(point, volume_path) for point in record.mount_points]


def volume_json(volume: VolumeRecord, *, data_path: Path | None) -> dict[str, Any]:
    """Return a volume; without ``data_path`` for somebody who is not to know it."""
    return {
        "CreatedAt": format_seconds(volume.created_ns),
        "Driver": DRIVER,
        "Labels": dict(volume.labels) or None,
        "Mountpoint": str(data_path) if data_path else "",
        "Name": volume.name,
        "Options": dict(volume.options) or None,
        "Scope": "local",
        "Atelier": {"Tenant": volume.tenant.name, "Id": volume.volume_id},
    }


def volume_use_json(use: VolumeUse, *, data_path: Path | None) -> dict[str, Any]:
    """Return a volume with what it takes."""
    usage = {"Size": use.size_bytes, "RefCount": use.holders}
    return {**volume_json(use.volume, data_path=data_path), "UsageData": usage}


def _point_json(point: MountPoint, volume_path: VolumePath | None) -> dict[str, Any]:
    return {
        "Type": point.kind,
        **({"Name": point.name} if point.kind == VOLUME else {}),
        "Source": _source(point, volume_path),
        "Destination": point.target,
        **({"Driver": point.driver} if point.kind == VOLUME else {}),
        "Mode": point.mode,
        "RW": not point.readonly,
        "Propagation": "rprivate" if point.kind == BIND else "",
    }


def _source(point: MountPoint, volume_path: VolumePath | None) -> str:
    if point.kind == BIND:
        return point.source
    return str(volume_path(point.volume_id)) if point.volume_id and volume_path else ""


def _request_json(request: MountRequest) -> dict[str, Any]:
    """Only what was asked for is shown, as with dockerd."""
    bind = _set_only(Propagation=request.propagation, NonRecursive=request.non_recursive, CreateMountpoint=request.makes_source)
    driver = _set_only(Name=request.driver, Options=dict(request.driver_options))
    volume = _set_only(NoCopy=request.no_copy, Labels=dict(request.labels), DriverConfig=driver, Subpath=request.subpath)
    tmpfs = _set_only(SizeBytes=request.tmpfs_bytes, Mode=request.tmpfs_mode)
    fields = _set_only(Source=request.source, ReadOnly=request.readonly)
    options = _set_only(BindOptions=bind, VolumeOptions=volume, TmpfsOptions=tmpfs)
    return {"Type": request.kind, "Target": request.target, **fields, **options}


def _set_only(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value}
