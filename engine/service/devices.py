"""Devices of the host: from paths to numbers, looked up when a container is made and again at each start.

Blocking. What is wrong with the path of a block device is never told apart, as tenants may name one.
"""

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from engine.core.containers import Device
from engine.core.launch import DeviceSpec
from engine.core.limits import DeviceValue, Limits
from engine.errors import InvalidParameter

_MOST_DEVICES = 1000  # of one folder such as /dev/snd or /dev/dri
_PERMISSIONS = 0o777
_PSEUDO_TERMINALS = "/dev/pts"  # a container has its own


def find_devices(devices: Iterable[Device]) -> list[tuple[DeviceSpec, str]]:
    """Return nodes to make with the access to allow; a folder stands for all devices in it. Raises InvalidParameter."""
    return [(node, device.access) for device in devices for node in _nodes(device)]


def with_numbers(limits: Limits) -> Limits:
    """Return limits whose devices have their numbers of today. Raises InvalidParameter."""
    return replace(
        limits,
        blkio_weights=_numbered(limits.blkio_weights),
        read_bps=_numbered(limits.read_bps),
        write_bps=_numbered(limits.write_bps),
        read_iops=_numbered(limits.read_iops),
        write_iops=_numbered(limits.write_iops),
    )


def _nodes(device: Device) -> list[DeviceSpec]:
    source = Path(device.source)
    try:
        if not source.is_dir():
            return [_node(source.stat(), device.source, device.target)]
        found = list(_walk(source))
    except OSError as error:
        reason = (error.strerror or "cannot be read").lower()
        raise InvalidParameter(f"error gathering device information for {device.source}: {reason}") from None
    if not found or len(found) > _MOST_DEVICES:
        raise InvalidParameter(f"invalid device {device.source}: the folder has {len(found)} devices, use 1 to {_MOST_DEVICES}")
    return [_node(path.stat(), str(path), f"{device.target.rstrip('/')}/{path.relative_to(source)}") for path in found]


def _walk(folder: Path) -> Iterator[Path]:
    """Devices in a folder and below it; links in it are not followed."""
    for path in sorted(folder.iterdir()):
        mode = path.lstat().st_mode
        if stat.S_ISDIR(mode) and str(path) != _PSEUDO_TERMINALS:
            yield from _walk(path)
        elif stat.S_ISBLK(mode) or stat.S_ISCHR(mode):
            yield path


def _node(status: os.stat_result, source: str, target: str) -> DeviceSpec:
    if not (stat.S_ISBLK(status.st_mode) or stat.S_ISCHR(status.st_mode)):
        raise InvalidParameter(f"invalid device {source}: it is not a device node")
    return DeviceSpec(
        target=target,
        kind="b" if stat.S_ISBLK(status.st_mode) else "c",
        major=os.major(status.st_rdev),
        minor=os.minor(status.st_rdev),
        mode=status.st_mode & _PERMISSIONS,
    )


def _numbered(values: tuple[DeviceValue, ...]) -> tuple[DeviceValue, ...]:
    return tuple(replace(value, number=_number_of(value.path)) for value in values)


def _number_of(path: str) -> str:
    """The kernel takes whole disks only."""
    try:
        status = Path(path).stat() if os.path.realpath(path).startswith("/dev/") and path.startswith("/dev/") else None
    except (OSError, ValueError):
        status = None
    if status is not None and stat.S_ISBLK(status.st_mode):
        number = f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"
        if not Path(f"/sys/dev/block/{number}/partition").exists():
            return number
    raise InvalidParameter(f"invalid device {path[:120]!r}: use the path of a whole block device under /dev")
