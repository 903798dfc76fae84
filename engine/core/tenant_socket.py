"""The engine's socket in a container: where it stands, and which requests mean it. Pure.

A container of a tenant's gets the socket of that very tenant. It is reached through a folder that is mounted aside, to which a
symbolic link at the wanted place leads (see ``tenants/doors.py`` for the reason).
"""

from collections.abc import Iterable
from dataclasses import replace

from engine.core.mounts import BIND, MountPoint

SOCKET_TARGET = "/var/run/docker.sock"
SOCKET_SOURCES = (SOCKET_TARGET, "/run/docker.sock")  # one file on any host
CLI_TARGET = "/usr/local/bin/docker"
DOOR, SOCKET_NAME = "/dev/atelier", "docker.sock"  # beneath /dev, which is in memory and in every container
SOCKET, CLI = "socket", "docker"  # as the backing of a mount point


def is_own_socket(point: MountPoint) -> bool:
    """Whether a tenant's bind means the engine's socket."""
    return point.kind == BIND and point.source in SOCKET_SOURCES


def is_of_engine(point: MountPoint) -> bool:
    """Whether a mount point shows something of the engine's and no path that the request named."""
    return point.kind == BIND and point.backing in (SOCKET, CLI)


def with_own_socket(points: Iterable[MountPoint], *, wanted: bool) -> list[MountPoint]:
    """Return a tenant's mount points: binds of the socket are those of the own one, and all that goes with it if ``wanted``.

    What the request itself mounts at one of the places comes first.
    """
    decided = [replace(point, backing=SOCKET, makes_source=False) if is_own_socket(point) else point for point in points]
    if not wanted:
        return decided
    taken = {point.target for point in decided}
    offered = (
        MountPoint(BIND, SOCKET_TARGET, source=SOCKET_TARGET, backing=SOCKET),
        MountPoint(BIND, CLI_TARGET, source=CLI_TARGET, backing=CLI, readonly=True, mode="ro"),
    )
    return [*decided, *(point for point in offered if point.target not in taken)]
