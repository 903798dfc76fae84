"""Containers that have no network of their own: they share another's, or the host's.

Owns what such a mode contradicts, whose network it comes to, and whose files tell the addresses. Words are dockerd's.
"""

from engine.core.containers import ContainerConfig, ContainerRecord, HostConfig
from engine.core.namespace_modes import has_own_network, joined_container
from engine.errors import InvalidParameter, NotFound
from engine.service.engine import Engine

SHARED = "container sharing network namespace with another container or host cannot be connected to any other network"


def check_network_mode(config: ContainerConfig, host: HostConfig) -> None:
    """Raise InvalidParameter for what can only be set where the network is. ``config`` is what the client asked for."""
    if has_own_network(host.network_mode):
        return
    name = joined_container(host.network_mode)
    kept = f"it is that of container {name}" if name else "it is the host's"
    asked = {
        "hostname and the network mode": bool(name and config.hostname),
        "dns and the network mode": bool(name and host.dns),
        "custom host-to-IP mapping and the network mode": bool(name and host.extra_hosts),
        "port publishing and the container type network mode": bool(name and (host.port_bindings or host.publish_all)),
        "port exposing and the container type network mode": bool(name and config.exposed_ports),
    }
    for what, is_asked in asked.items():
        if is_asked:
            raise InvalidParameter(f"conflicting options: {what}: {kept}, leave one out")
    if name and (other := joined_container(host.pid_mode)) and other != name:
        raise InvalidParameter(
            f"conflicting options: the network of container {name} and the processes of {other}: join both of one container"
        )


def network_owner(engine: Engine, record: ContainerRecord) -> ContainerRecord:
    """Return the container whose network this one has, itself in most cases. Raises NotFound when that one is gone."""
    while name := joined_container(record.host.network_mode):
        found = engine.containers.get(name)
        if found is None or found.tenant != record.tenant:
            raise NotFound(f"no such container: {name}, whose network container {record.name} is to share")
        record = found
    return record
