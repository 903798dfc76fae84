"""Networks and endpoints as Docker's JSON. Owns the shape only."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from engine.core.containers import ContainerRecord
from engine.core.ids import short_id
from engine.core.namespace_modes import has_own_network, joined_container
from engine.core.networks import BRIDGE, NONE, NetworkJoin
from engine.core.timeformat import format_time
from engine.network.model import Endpoint, Network
from engine.service.builtin_networks import Builtin
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
        "EnableIPv6": network.subnet6 is not None,
        "IPAM": {"Driver": "default", "Options": _options_json(network), "Config": _ipam_json(network)},
        "Internal": network.internal,
        "Attachable": network.attachable,
        "Ingress": False,
        "ConfigFrom": {"Network": ""},
        "ConfigOnly": False,
        "Containers": {endpoint.container_id: _endpoint_json(endpoint, name_of) for endpoint in endpoints},
        "Options": dict(network.options),
        "Labels": dict(network.labels),
        "Atelier": {"Tenant": network.owner.name},
    }


def builtin_network_json(builtin: Builtin, containers: Sequence[ContainerRecord], *, created_ns: int) -> dict[str, Any]:
    """Return what stands for having no network, or the host's, with who runs so."""
    return {
        "Name": builtin.name,
        "Id": builtin.network_id,
        "Created": format_time(created_ns),
        "Scope": "local",
        "Driver": builtin.driver,
        "EnableIPv4": True,
        "EnableIPv6": False,
        "IPAM": {"Driver": "default", "Options": None, "Config": []},
        "Internal": False,
        "Attachable": False,
        "Ingress": False,
        "ConfigFrom": {"Network": ""},
        "ConfigOnly": False,
        "Containers": {record.container_id: _without_address(builtin, record) for record in containers},
        "Options": {},
        "Labels": {},
        "Atelier": {"Tenant": builtin.owner.name},
    }


def _without_address(builtin: Builtin, record: ContainerRecord) -> dict[str, Any]:
    endpoint_id = builtin.endpoint_id(record.container_id)
    return {"Name": record.name, "EndpointID": endpoint_id, "MacAddress": "", "IPv4Address": "", "IPv6Address": ""}


def _options_json(network: Network) -> dict[str, str] | None:
    """Clients that compare what is with what they want take null and no options for two things."""
    return None if network.ipam.options is None else dict(network.ipam.options)


def _ipam_json(network: Network) -> list[dict[str, Any]]:
    ipam = network.ipam
    both = [_config_json(network.subnet, network.gateway, ipam.ip_range, ipam.auxiliary)]
    if network.subnet6 is not None:
        both.append(_config_json(network.subnet6, network.gateway6, ipam.ip_range6, ipam.auxiliary6))
    return both


def _config_json(subnet: object, gateway: object, ip_range: object, auxiliary: Mapping[str, object]) -> dict[str, Any]:
    held = {name: str(address) for name, address in auxiliary.items()}
    return {
        "Subnet": str(subnet),
        **({"IPRange": str(ip_range)} if ip_range else {}),
        "Gateway": str(gateway),
        **({"AuxiliaryAddresses": held} if held else {}),
    }


def _endpoint_json(endpoint: Endpoint, name_of: Callable[[str], str]) -> dict[str, Any]:
    return {
        "Name": name_of(endpoint.container_id),
        "EndpointID": endpoint.endpoint_id,
        "MacAddress": endpoint.mac,
        "IPv4Address": f"{endpoint.address}/{endpoint.prefix}",
        "IPv6Address": f"{endpoint.address6}/{endpoint.prefix6}" if endpoint.address6 else "",
    }


def container_networks_json(
    record: ContainerRecord, endpoints: Sequence[Endpoint], network_ids: Mapping[str, str]
) -> dict[str, Any]:
    """Return ``NetworkSettings.Networks``: where the container is, and where it is to be when it runs.

    ``network_ids`` are those of the networks that it is to be on and that exist, by name.
    """
    present = {endpoint.name: endpoint for endpoint in endpoints}
    mode = record.host.network_mode
    if joined_container(mode):
        return {}
    joins = joins_of(record)
    if not joins and record.networks is None:
        joins = (NetworkJoin(mode),)
    shown = {join.network: _settings_json(record, join, present.get(join.network)) for join in joins}
    if record.run.started_ns:  # as dockerd, which learns the ids with the first start
        for name, settings in shown.items():
            settings["NetworkID"] = network_ids.get(name, settings["NetworkID"])
    return shown


def with_older_aliases(record: ContainerRecord, shown: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """Return networks of a container as clients before version 1.45 know them: with its own names among the aliases.

    These come with the first start. Compose 1 takes one that has them for one that it has put on its networks already.
    """
    if not record.run.started_ns:
        return dict(shown)
    own = (short_id(record.container_id), record.config.hostname)
    return {
        name: {**settings, "Aliases": list(dict.fromkeys((*(settings["Aliases"] or ()), *own)))} if _has_names(name) else settings
        for name, settings in shown.items()
    }


def own_mac(record: ContainerRecord) -> str:
    """Return the hardware address that was asked for the container itself, which is its first interface's; empty if none was."""
    return next((join.mac for join in joins_of(record) if join.network == record.host.network_mode), "")


def _has_names(network: str) -> bool:
    return has_own_network(network) and network not in (BRIDGE, NONE)


def _settings_json(record: ContainerRecord, join: NetworkJoin, endpoint: Endpoint | None) -> dict[str, Any]:
    has_names = _has_names(join.network)
    names = dict.fromkeys((record.name, *join.aliases, short_id(record.container_id), record.config.hostname))
    chosen = {"IPv4Address": join.address, "IPv6Address": join.address6}
    asked = {name: address for name, address in chosen.items() if address}
    return {
        "IPAMConfig": asked or ({} if has_names else None),
        "Links": list(join.links) or None,
        "Aliases": list(join.aliases) or None,
        "MacAddress": endpoint.mac if endpoint else join.mac,
        "DriverOpts": dict(join.driver_options) or None,
        "NetworkID": endpoint.network_id if endpoint else "",
        "EndpointID": endpoint.endpoint_id if endpoint else "",
        "Gateway": endpoint.gateway if endpoint else "",
        "IPAddress": endpoint.address if endpoint else "",
        "IPPrefixLen": endpoint.prefix if endpoint else 0,
        "IPv6Gateway": endpoint.gateway6 if endpoint else "",
        "GlobalIPv6Address": endpoint.address6 if endpoint else "",
        "GlobalIPv6PrefixLen": endpoint.prefix6 if endpoint else 0,
        "DNSNames": list(names) if has_names else None,
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
