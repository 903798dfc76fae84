"""Which mounts a container gets: the request's binds and mounts, those of other containers, and the volumes of its image.

Pure, and the whole truth about what covers what: later sources win over inherited mounts, and no target may be asked for twice.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from engine.core.mounts import (
    BIND,
    TMPFS,
    VOLUME,
    MountPoint,
    MountRequest,
    check_propagation,
    check_subpath,
    clean_path,
    parse_bind,
    parse_target,
)
from engine.core.tenant_socket import SOCKET_SOURCES, is_own_socket
from engine.core.volumes import check_driver, check_volume_name
from engine.errors import InvalidParameter

MOST_MOUNTS = 500  # each is a step of every start, and a volume perhaps


def plan_mounts(
    *,
    binds: Sequence[str],
    mounts: Sequence[MountRequest],
    volumes: Iterable[str],
    tmpfs: Mapping[str, str],
    inherited: Iterable[MountPoint] = (),
) -> list[MountPoint]:
    """Return the mount points, outermost decisions made; volumes without a name are still to get one.

    ``volumes`` are targets of anonymous volumes, given up where something else is mounted. Raises InvalidParameter.
    """
    decided = {point.target: point for point in inherited}
    asked: set[str] = set()
    covered = {clean_path(target) for target in tmpfs}
    for text in binds:
        point = parse_bind(text)
        _claim(asked, point.target, covered)
        decided[point.target] = point
    for request in mounts:
        point = mount_point(request)
        _claim(asked, point.target, covered if point.kind != TMPFS else set())
        decided[point.target] = point
    for path in volumes:
        target = parse_target(path, "volume")
        if target not in decided and target not in covered:
            decided[target] = MountPoint(VOLUME, target, is_anonymous=True, copies=True)
    points = [point for target, point in decided.items() if target not in covered]
    if len(points) + len(covered) > MOST_MOUNTS:
        raise InvalidParameter(f"too many mounts: {len(points) + len(covered)}, use at most {MOST_MOUNTS}")
    return points


def mount_point(request: MountRequest) -> MountPoint:
    """Turn an entry of ``Mounts`` into a mount point. Raises InvalidParameter."""
    try:
        match request.kind:
            case "bind":
                return _bind(request)
            case "volume":
                return _volume(request)
            case "tmpfs":
                return _tmpfs(request)
    except InvalidParameter as error:
        raise InvalidParameter(f'invalid mount config for type "{request.kind}": {error.message}') from None
    raise InvalidParameter(f"mount type {request.kind[:40]!r} unknown: use bind, volume or tmpfs")


def inherit(points: Iterable[MountPoint], *, readonly: bool) -> list[MountPoint]:
    """Return the mounts of another container as ``volumes-from`` hands them on; memory is not shared."""
    return [replace(point, mode="", copies=False, readonly=point.readonly or readonly) for point in points if point.kind != TMPFS]


def wants_host_paths(binds: Iterable[str], mounts: Iterable[MountRequest]) -> bool:
    """Whether a tenant's request reaches for the host's files, of which the engine's socket is none. Raises InvalidParameter."""
    points = (parse_bind(text) for text in binds)
    if any(point.kind == BIND and not is_own_socket(point) for point in points):
        return True
    return any(request.kind == BIND and clean_path(request.source) not in SOCKET_SOURCES for request in mounts)


def _claim(asked: set[str], target: str, covered: set[str]) -> None:
    if target in asked or target in covered:
        raise InvalidParameter(f"duplicate mount point: {target}")
    asked.add(target)


def _bind(request: MountRequest) -> MountPoint:
    target = parse_target(request.target, "mount")
    if not request.source:
        raise InvalidParameter("field Source must not be empty")
    if not request.source.startswith("/") or "\0" in request.source:
        raise InvalidParameter(f"invalid mount path {request.source[:120]!r}: mount path must be absolute")
    check_propagation(request.propagation)
    if request.propagation not in ("", "rprivate", "private"):
        raise InvalidParameter(f"invalid propagation {request.propagation[:40]!r}: use rprivate")
    if request.no_copy or request.labels or request.driver or request.subpath:
        raise InvalidParameter("field VolumeOptions must not be specified")
    return MountPoint(
        BIND,
        target,
        source=clean_path(request.source),
        readonly=request.readonly,
        is_recursive=not request.non_recursive,
        makes_source=request.makes_source,
    )


def _volume(request: MountRequest) -> MountPoint:
    target = parse_target(request.target, "mount")
    if request.source:
        check_volume_name(request.source)
    if request.propagation or request.non_recursive or request.makes_source:
        raise InvalidParameter("field BindOptions must not be specified")
    check_driver(request.driver, request.driver_options)
    check_subpath(request.subpath)
    if request.subpath and not request.source:
        raise InvalidParameter("must not set Subpath when using anonymous volumes")
    return MountPoint(
        VOLUME,
        target,
        name=request.source,
        mode="z",
        readonly=request.readonly,
        is_anonymous=not request.source,
        copies=not request.no_copy,
        subpath=request.subpath.strip("/"),
        labels=request.labels,
        driver_options=request.driver_options,
    )


def _tmpfs(request: MountRequest) -> MountPoint:
    target = parse_target(request.target, "mount")
    if request.source:
        raise InvalidParameter("field Source must not be specified")
    size, mode = request.tmpfs_bytes, request.tmpfs_mode
    if size < 0 or not 0 <= mode <= 0o7777:
        raise InvalidParameter(f"invalid tmpfs of {size} bytes and mode {mode:o}: use a positive size and up to 7777")
    options = ",".join([*([f"size={size}"] if size else []), *([f"mode={mode:o}"] if mode else [])])
    return MountPoint(TMPFS, target, readonly=request.readonly, options=options)
