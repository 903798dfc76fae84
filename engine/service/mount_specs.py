"""From a container's mount points to what the supervisor mounts. Owns the translation only."""

from collections.abc import Callable
from pathlib import Path

from engine.core.containers import ContainerRecord
from engine.core.launch import BindSpec, TmpfsSpec
from engine.core.mounts import BIND, VOLUME, MountPoint
from engine.core.tenant_socket import is_of_engine
from engine.core.volume_options import IN_MEMORY, ON_HOST
from engine.errors import Conflict, NotFound

VolumePath = Callable[[str], Path]


def bind_specs(record: ContainerRecord, volume_path: VolumePath) -> list[BindSpec]:
    """Return binds and volumes. Raises Conflict for a volume that cannot be had now."""
    points = (point for point in record.mount_points if not _is_memory(point) and not is_of_engine(point))
    return [_bind_spec(point, volume_path) for point in points]


def tmpfs_specs(record: ContainerRecord) -> list[TmpfsSpec]:
    """Return all forms of tmpfs: options by target, mounts of that type, and volumes in memory, each container having its own."""
    short = [_tmpfs_spec(target, options, is_readonly=False) for target, options in record.host.tmpfs.items()]
    points = (point for point in record.mount_points if _is_memory(point))
    return [*short, *(_tmpfs_spec(point.target, point.options, is_readonly=point.readonly) for point in points)]


def _is_memory(point: MountPoint) -> bool:
    return IN_MEMORY in (point.kind, point.backing)


def _bind_spec(point: MountPoint, volume_path: VolumePath) -> BindSpec:
    """Id-mapped, so that root in the container is root on the files, as with dockerd."""
    return {
        "source": _source(point, volume_path),
        "target": point.target,
        "readonly": point.readonly,
        "idmapped": True,
        "recursive": point.kind == BIND and point.is_recursive,
        "subpath": point.subpath,
    }


def _source(point: MountPoint, volume_path: VolumePath) -> str:
    if point.kind != VOLUME or point.backing == ON_HOST:
        return point.source
    try:
        return str(volume_path(point.volume_id))
    except NotFound:
        raise Conflict(f"volume {point.name} of the container cannot be read: the engine's log told why at its start") from None


def _tmpfs_spec(target: str, text: str, *, is_readonly: bool) -> TmpfsSpec:
    """Of the mount flags only ``exec`` and ``ro`` say anything: a tmpfs is always nosuid and nodev. The last word counts."""
    options = text.split(",")
    return TmpfsSpec(
        target=target,
        options=",".join(option for option in options if "=" in option),
        exec=[option for option in ("noexec", *options) if option in ("exec", "noexec")][-1] == "exec",
        readonly=is_readonly or "ro" in options,
    )
