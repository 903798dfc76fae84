"""Which binds of a tenant's mean the engine's socket, and what comes of them."""

import pytest

from engine.core.mount_plan import wants_host_paths
from engine.core.mounts import BIND, VOLUME, MountPoint, MountRequest
from engine.core.tenant_socket import CLI, CLI_TARGET, SOCKET, SOCKET_TARGET, is_of_engine, with_own_socket

SOURCES = {
    "/var/run/docker.sock": False,
    "/run/docker.sock": False,
    "//run/./docker.sock": False,
    "/run/x/../docker.sock": False,
    "/var/run/docker.sock/": False,
    "/var/run": True,
    "/var/run/docker.sock/x": True,
    "/var/run/docker.sock.d": True,
    "/etc/run/docker.sock": True,
    "/": True,
}


@pytest.mark.parametrize(("source", "is_of_host"), SOURCES.items())
def test_only_the_socket_is_no_path_of_the_host(source: str, is_of_host: bool) -> None:
    assert wants_host_paths([f"{source}:/x:ro"], []) is is_of_host
    assert wants_host_paths([], [MountRequest(kind=BIND, target="/x", source=source)]) is is_of_host


def test_one_bind_of_the_socket_excuses_no_other() -> None:
    assert wants_host_paths(["/run/docker.sock:/a", "/etc:/b"], [])


def test_a_bind_of_the_socket_is_the_own_one_at_its_place() -> None:
    points = with_own_socket([MountPoint(BIND, "/s", source="/run/docker.sock", makes_source=True)], wanted=False)
    assert [(point.target, point.backing, point.makes_source) for point in points] == [("/s", SOCKET, False)]


def test_what_was_wanted_comes_beside_what_was_asked_for() -> None:
    asked = MountPoint(VOLUME, CLI_TARGET, name="own-tools")
    points = {point.target: point for point in with_own_socket([asked], wanted=True)}
    assert points[CLI_TARGET] is asked
    assert points[SOCKET_TARGET].backing == SOCKET
    assert {point.backing for point in with_own_socket([], wanted=True) if is_of_engine(point)} == {SOCKET, CLI}
