"""Networks and endpoints as Docker's JSON. Owns the shape only."""

from collections.abc import Callable, Sequence
from typing import Any

from engine.core.containers import ContainerRecord
from engine.core.ids import short_id
from engine.core.networks import NetworkJoin
from engine.core.timeformat import format_time
from engine.network.model import Endpoint, Network
from engine.service.container_networks import joins_of


def network_json(network: Network, endpoints: Sequence[Endpoint], *, name_of: Callable[[str], str]) -> dict[str, Any]:
    """Return a network with those who are on it; ``name_of`` tells a container's name."""
    return {
        "Name": network.name,
        "Id": network.network_id,
        "Created": format_time(network.created_ns),
        "Scope": "local",
        "Driver": "bridge",
        "EnableIPv4": True,
        "EnableIPv6": False,
        "IPAM": {"Driver": "default", "Options": None if network.is_default else {}, "Config": [_ipam_json(network)]},
        "Internal": network.internal,
        "Attachable": False,
        "Ingress": False,
        "ConfigFrom": {"Network": ""},
        "ConfigOnly": False,
        "Containers": {endpoint.container_id: _endpoint_json(endpoint, name_of) for endpoint in endpoints},
        "Options": dict(network.options),
        "Labels": dict(network.labels),
        "Atelier": {"Tenant": network.owner.name},
    }


def _ipam_json(network: Network) -> dict[str, Any]:
    ipam = network.ipam
    auxiliary = {name: str(address) for name, address in ipam.auxiliary.items()}
    return {
        "Subnet": str(network.subnet),
        **({"IPRange": str(ipam.ip_range)} if ipam.ip_range else {}),
        "Gateway": str(network.gateway),
        **({"AuxiliaryAddresses": auxiliary} if auxiliary else {}),
    }


def _endpoint_json(endpoint: Endpoint, name_of: Callable[[str], str]) -> dict[str, Any]:
    return {
        "Name": name_of(endpoint.container_id),
        "EndpointID": endpoint.endpoint_id,
        "MacAddress": endpoint.mac,
        "IPv4Address": f"{endpoint.address}/{endpoint.prefix}",
        "IPv6Address": "",
    }


def container_networks_json(record: ContainerRecord, endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """Return ``NetworkSettings.Networks``: where the container is, and where it is to be when it runs."""
    present = {endpoint.name: endpoint for endpoint in endpoints}
    joins = joins_of(record)
    if not joins and record.networks is None:
        return {record.host.network_mode: _settings_json(record, NetworkJoin(record.host.network_mode), None)}
    return {join.network: _settings_json(record, join, present.get(join.network)) for join in joins}


def _settings_json(record: ContainerRecord, join: NetworkJoin, endpoint: Endpoint | None) -> dict[str, Any]:
    names = dict.fromkeys((record.name, *join.aliases, short_id(record.container_id), record.config.hostname))
    return {
        "IPAMConfig": {"IPv4Address": join.address} if join.address else ({} if record.networks else None),
        "Links": None,
        "Aliases": list(join.aliases) or None,
        "MacAddress": endpoint.mac if endpoint else "",
        "DriverOpts": None,
        "NetworkID": endpoint.network_id if endpoint else "",
        "EndpointID": endpoint.endpoint_id if endpoint else "",
        "Gateway": endpoint.gateway if endpoint else "",
        "IPAddress": endpoint.address if endpoint else "",
        "IPPrefixLen": endpoint.prefix if endpoint else 0,
        "IPv6Gateway": "",
        "GlobalIPv6Address": "",
        "GlobalIPv6PrefixLen": 0,
        "DNSNames": list(names) if record.networks else None,
    }


def old_settings_json(endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """Return the fields of ``NetworkSettings`` for the default bridge alone, which clients still read."""
    endpoint = next((one for one in endpoints if one.name == "bridge"), None)
    return {
        "Bridge": "",
        "SandboxID": "",
        "SandboxKey": "",
        "HairpinMode": False,
        "LinkLocalIPv6Address": "",
        "LinkLocalIPv6PrefixLen": 0,
        "SecondaryIPAddresses": None,
        "SecondaryIPv6Addresses": None,
        "EndpointID": endpoint.endpoint_id if endpoint else "",
        "Gateway": endpoint.gateway if endpoint else "",
        "GlobalIPv6Address": "",
        "GlobalIPv6PrefixLen": 0,
        "IPAddress": endpoint.address if endpoint else "",
        "IPPrefixLen": endpoint.prefix if endpoint else 0,
        "IPv6Gateway": "",
        "MacAddress": endpoint.mac if endpoint else "",
    }
