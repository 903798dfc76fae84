"""Where the sockets of tenants lie, and what a container mounts of them.

Owns these files, and listens to nothing. A tenant's socket stands in a folder of its own, the door, which stays while the tenant
does: who has mounted the door finds whatever socket a next daemon puts there. A mounted socket would die with its daemon.
"""

import os
import socket
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from engine.core.tenant_socket import DOOR, SOCKET_NAME
from engine.core.tenants import Tenant

_TEAM = "_team"  # in the place of a member: no name begins like that
_DOORS, _LINK = ".doors", ".socket"  # nor like these


class Doors:
    """``root`` is for the host's root alone, what stands in a door is for any user of a container that mounts it."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @property
    def link(self) -> Path:
        """A symbolic link that leads, in a container that has the door, to its socket."""
        return self._root / _LINK

    def door(self, tenant: Tenant) -> Path:
        return self._root / _DOORS / tenant.team / (tenant.member or _TEAM)

    def name(self, tenant: Tenant) -> Path:
        """Under which name the host finds the socket: ``<team>/<member>.sock``, of a team itself ``<team>/_team.sock``."""
        return self._root / tenant.team / f"{tenant.member or _TEAM}.sock"

    def prepare(self, known: Collection[Tenant], *, in_use: Collection[Tenant]) -> None:
        """Make the folders, and take away what a former daemon left of tenants that are not known any more. Raises OSError."""
        self._make_root()
        kept = {self.door(tenant) for tenant in (*known, *in_use)}
        for door in [*(self._root / _DOORS).glob("*/*")]:
            if door not in kept:
                self.remove(Tenant(door.parent.name, "" if door.name == _TEAM else door.name))
        for folder in [*(self._root / _DOORS).glob("*")]:
            _remove_if_empty(folder)

    def make_door(self, tenant: Tenant) -> Path:
        """Return the folder that a tenant's containers mount, made if it is missing. Raises OSError."""
        self._make_root()
        door = self.door(tenant)
        door.mkdir(parents=True, exist_ok=True)
        door.chmod(0o755)  # whatever the umask says
        return door

    def bind(self, tenant: Tenant) -> socket.socket:
        """Return a socket that has the tenant's name from now on, in place of one of a former daemon. Raises OSError."""
        door, name = self.make_door(tenant), self.name(tenant)
        sock = _bound(door)
        try:
            name.parent.mkdir(exist_ok=True)
            _link(name, os.path.relpath(door / SOCKET_NAME, name.parent))
        except OSError:
            sock.close()
            raise
        return sock

    def _make_root(self) -> None:
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._root.chmod(0o700)
        _link(self.link, f"{DOOR}/{SOCKET_NAME}")

    def close(self, tenant: Tenant) -> None:
        """Take the socket's names away; the door stays for those who have it."""
        for path in (self.name(tenant), self.door(tenant) / SOCKET_NAME):
            path.unlink(missing_ok=True)
            _half(path).unlink(missing_ok=True)  # of a daemon that was killed over it
        _remove_if_empty(self.name(tenant).parent)

    def remove(self, tenant: Tenant) -> None:
        """Take the door away too."""
        self.close(tenant)
        _remove_if_empty(self.door(tenant))
        _remove_if_empty(self.door(tenant).parent)


def _bound(door: Path) -> socket.socket:
    """By way of a descriptor: a socket's path has at most 107 bytes (unix(7)), names of tenants and folders can be longer."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    temporary = _half(Path(SOCKET_NAME)).name
    door_fd = os.open(door, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with suppress(FileNotFoundError):
            os.unlink(temporary, dir_fd=door_fd)
        sock.bind(f"/proc/self/fd/{door_fd}/{temporary}")
        os.chmod(temporary, 0o666, dir_fd=door_fd)  # noqa: S103 - for any user of a container; on the host no other gets here
        os.rename(temporary, SOCKET_NAME, src_dir_fd=door_fd, dst_dir_fd=door_fd)
    except OSError:
        sock.close()
        raise
    finally:
        os.close(door_fd)
    return sock


def _link(path: Path, target: str) -> None:
    """Make a symbolic link, or leave the one that is there."""
    if path.is_symlink() and os.fspath(path.readlink()) == target:
        return
    temporary = _half(path)
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    temporary.rename(path)


def _half(path: Path) -> Path:
    """What is to become a path."""
    return path.with_name(f".{path.name}.new")


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()
