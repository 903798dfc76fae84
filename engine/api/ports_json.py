"""Ports as Docker's JSON, in the forms of inspect and of the list. Owns the shapes only."""

from collections.abc import Iterable
from operator import attrgetter
from typing import Any

from engine.core.containers import ContainerRecord, HostConfig
from engine.core.ports import Port, PublishedPort, exposed_ports


def bindings_json(host: HostConfig) -> dict[str, Any]:
    """Return ``HostConfig.PortBindings``: what was asked for."""
    bindings: dict[str, list[dict[str, str]]] = {}
    for binding in host.port_bindings:
        wanted = {"HostIp": binding.host_address, "HostPort": binding.host_port_text}
        bindings.setdefault(str(binding.port), []).append(wanted)
    return bindings


def settings_ports_json(record: ContainerRecord, published: Iterable[PublishedPort], *, leads_out: bool) -> dict[str, Any]:
    """Return ``NetworkSettings.Ports``: where each port can be reached, null for nowhere.

    Empty for a container that is on no network, or on such only as do not lead out of the host.
    """
    if not leads_out:
        return {}
    ports: dict[str, Any] = {str(port): None for port in _known_ports(record)}
    for one in published:
        place = {"HostIp": one.host_address, "HostPort": str(one.host_port)}
        ports[str(one.port)] = [*(ports.get(str(one.port)) or []), place]
    return ports


def summary_ports_json(record: ContainerRecord, published: Iterable[PublishedPort], *, leads_out: bool) -> list[dict[str, Any]]:
    """Return ``Ports`` of the list, one entry for each place."""
    if not leads_out:
        return []
    places = list(published)
    reached = {place.port for place in places}
    entries = [
        {"IP": place.host_address, "PrivatePort": place.port.number, "PublicPort": place.host_port, "Type": place.port.protocol}
        for place in places
    ]
    closed = (port for port in _known_ports(record) if port not in reached)
    return [*entries, *({"PrivatePort": port.number, "Type": port.protocol} for port in closed)]


def _known_ports(record: ContainerRecord) -> list[Port]:
    exposed = exposed_ports(record.config.exposed_ports)
    others = {binding.port for binding in record.host.port_bindings}.difference(exposed)
    return sorted([*exposed, *others], key=attrgetter("number", "protocol")) if others else exposed
