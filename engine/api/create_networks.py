"""Networks in request bodies: of a container to be made, of one to be connected, and a network itself.

Owns which of Docker's fields are honoured, which are refused and which draw a warning: nothing is dropped in silence.
"""

from dataclasses import replace

from engine.api.create_rates import has_other_options
from engine.api.decode import Document
from engine.core.addresses import parse_mac
from engine.core.links import parse_links
from engine.core.namespace_modes import HOST, has_own_network, joined_container
from engine.core.networks import (
    BRIDGE,
    NONE,
    Ipam,
    NetworkJoin,
    NetworkRequest,
    check_aliases,
    check_options,
    parse_address,
    parse_address6,
    parse_subnet,
    parse_subnet6,
)
from engine.errors import InvalidParameter

_MOST_NETWORKS = 32
_WITHOUT_EFFECT = ("DriverOpts", "GwPriority", "LinkLocalIPs")
_FLAGS = {"Ingress": "swarm", "ConfigOnly": "configurations of other networks"}


def network_mode(mode: str) -> str:
    """Return the mode of ``HostConfig``. Raises InvalidParameter."""
    if mode in ("", "default", BRIDGE):
        return BRIDGE
    if not has_own_network(mode) and mode != HOST and not joined_container(mode):
        raise InvalidParameter(f"invalid network mode {mode[:60]!r}: name the container after the colon")
    return mode


def build_network_mode(mode: str) -> str:
    """Return the mode of a build's steps. Raises InvalidParameter."""
    if not has_own_network(mode):
        raise InvalidParameter(f"network {mode[:60]!r} is not supported: use bridge, none or a network of your own")
    return network_mode(mode)


def decode_joins(body: Document, host: Document) -> tuple[NetworkJoin, ...]:
    """Return the settings for networks of a container to be made. Raises InvalidParameter."""
    networks = body.document("NetworkingConfig").document("EndpointsConfig")
    names, mode = networks.keys_of(), network_mode(host.text("NetworkMode"))
    if len(names) > _MOST_NETWORKS:
        raise InvalidParameter(f"too many networks: {len(names)}, a container may be on {_MOST_NETWORKS}")
    joins = tuple(decode_join(networks.document(name), BRIDGE if name == "default" else name) for name in names)
    mac = parse_mac(body.text("MacAddress")) if body.text("MacAddress") else ""
    if mode == NONE or not has_own_network(mode):
        _check_without_network(mode, joins, mac)
        return ()
    if any(not has_own_network(join.network) or join.network == NONE for join in joins):
        raise InvalidParameter(
            f"conflicting options: a container with network mode {mode!r} cannot be on {', '.join(names)[:200]}"
        )
    return _with_mac(mode, joins, mac) if mac else joins


def _check_without_network(mode: str, joins: tuple[NetworkJoin, ...], mac: str) -> None:
    """Clients name the mode itself as a network, as a rule without any settings."""
    if others := [join.network for join in joins if join.network != mode and join.network not in (NONE, HOST)]:
        raise InvalidParameter(
            f"conflicting options: a container with network mode {mode!r} cannot be on {', '.join(others)[:200]}"
        )
    if mode != NONE and (mac or any(join.mac for join in joins)):
        raise InvalidParameter(f"conflicting options: mac-address and the network mode: {mode!r} has its own, leave one out")
    if any(join.address or join.address6 for join in joins):
        raise InvalidParameter("user specified IP address is supported on user defined networks only")


def _with_mac(mode: str, joins: tuple[NetworkJoin, ...], mac: str) -> tuple[NetworkJoin, ...]:
    """The address of the container is that of its first interface."""
    if any(join.network == mode and join.mac not in ("", mac) for join in joins):
        raise InvalidParameter(
            "the container-wide MAC address must match the endpoint-specific MAC address for the main network, or be left empty"
        )
    if all(join.network != mode for join in joins):
        return (NetworkJoin(mode, mac=mac), *joins)
    return tuple(replace(join, mac=mac) if join.network == mode else join for join in joins)


def decode_join(endpoint: Document, network: str) -> NetworkJoin:
    """Return the settings for one network. Raises InvalidParameter."""
    ipam = endpoint.document("IPAMConfig")
    address, address6, mac = ipam.text("IPv4Address"), ipam.text("IPv6Address"), endpoint.text("MacAddress")
    return NetworkJoin(
        network,
        check_aliases(endpoint.texts("Aliases")),
        str(parse_address(address, name="IPv4 address")) if address else "",
        address6=str(parse_address6(address6, name="IPv6 address")) if address6 else "",
        mac=parse_mac(mac) if mac else "",
        links=tuple(map(str, parse_links(endpoint.texts("Links")))),
        driver_options=endpoint.labels("DriverOpts"),
    )


def join_warnings(body: Document) -> list[str]:
    """Return what of the settings for networks has no effect."""
    networks = body.document("NetworkingConfig").document("EndpointsConfig")
    settings = [(name, networks.document(name)) for name in networks.keys_of()]
    return [
        f"{field} of network {name[:60]} has no effect"
        for name, endpoint in settings
        for field in _WITHOUT_EFFECT
        if _says_something(endpoint, field)
    ]


def _says_something(endpoint: Document, field: str) -> bool:
    if field == "LinkLocalIPs":
        return bool(endpoint.document("IPAMConfig").texts(field))
    return endpoint.is_set(field) and (field != "DriverOpts" or has_other_options(endpoint))


def decode_network(body: Document) -> tuple[NetworkRequest, list[str]]:
    """Return a network to be made, and warnings. Raises InvalidParameter."""
    _check_kind(body)
    options = body.labels("Options")
    has_ipv6 = body.boolean("EnableIPv6")
    ipam, warnings = _ipam(body.document("IPAM"), has_ipv6=has_ipv6)
    request = NetworkRequest(
        name=body.text("Name"),
        ipam=ipam,
        internal=body.boolean("Internal"),
        attachable=body.boolean("Attachable"),
        has_ipv6=has_ipv6,
        labels=body.labels(),
        options=options,
    )
    return request, [*check_options(options), *warnings]


def _check_kind(body: Document) -> None:
    driver = body.text("Driver")
    if driver not in ("", "default", BRIDGE):
        raise InvalidParameter(f"network driver {driver[:60]!r} is not supported: use bridge")
    if body.text("Scope") not in ("", "local"):
        raise InvalidParameter(f"network scope {body.text('Scope')[:60]!r} is not supported: use local")
    for field, what in _FLAGS.items():
        if body.boolean(field):
            raise InvalidParameter(f"{field} is not supported: networks have no {what} here, leave it out")
    if body.optional_boolean("EnableIPv4") is False:
        raise InvalidParameter("EnableIPv4 false is not supported: each network has IPv4, leave it out")
    if body.document("ConfigFrom").text("Network"):
        raise InvalidParameter("ConfigFrom is not supported: give the settings themselves")


def _ipam(ipam: Document, *, has_ipv6: bool) -> tuple[Ipam, list[str]]:
    driver = ipam.text("Driver")
    if driver not in ("", "default"):
        raise InvalidParameter(f"IPAM driver {driver[:60]!r} is not supported: use default")
    configs = [config for config in ipam.documents("Config") if any(config.is_set(name) for name in config.keys_of())]
    of_ipv6 = [config for config in configs if any(":" in config.text(name) for name in ("Subnet", "Gateway", "IPRange"))]
    of_ipv4 = [config for config in configs if config not in of_ipv6]
    if max(len(of_ipv4), len(of_ipv6)) > 1:
        raise InvalidParameter(f"too many subnets: {len(configs)}, a network has one of IPv4 and, with EnableIPv6, one of IPv6")
    if of_ipv6 and not has_ipv6:
        raise InvalidParameter("an IPv6 subnet takes EnableIPv6: give it too (docker network create --ipv6)")
    options = ipam.labels("Options") if ipam.get("Options") is not None else None
    warnings = ["IPAM options have no effect"] if options else []
    chosen = replace(_one_config(of_ipv4[0]) if of_ipv4 else Ipam(), options=options)
    return (_with_ipv6(chosen, of_ipv6[0]) if of_ipv6 else chosen), warnings


def _one_config(config: Document) -> Ipam:
    subnet, gateway, ip_range = (config.text(name) for name in ("Subnet", "Gateway", "IPRange"))
    return Ipam(
        subnet=parse_subnet(subnet) if subnet else None,
        gateway=parse_address(gateway, name="gateway") if gateway else None,
        ip_range=parse_subnet(ip_range, name="ip-range") if ip_range else None,
        auxiliary={name: parse_address(text, name="auxiliary address") for name, text in _auxiliary(config).items()},
    )


def _with_ipv6(ipam: Ipam, config: Document) -> Ipam:
    gateway, ip_range = config.text("Gateway"), config.text("IPRange")
    return replace(
        ipam,
        subnet6=parse_subnet6(config.text("Subnet")),
        gateway6=parse_address6(gateway, name="gateway") if gateway else None,
        ip_range6=parse_subnet6(ip_range, name="ip-range") if ip_range else None,
        auxiliary6={name: parse_address6(text, name="auxiliary address") for name, text in _auxiliary(config).items()},
    )


def _auxiliary(config: Document) -> dict[str, str]:
    auxiliary = config.mapping("AuxiliaryAddresses")
    if len(auxiliary) > _MOST_NETWORKS:
        raise InvalidParameter(f"too many auxiliary addresses: {len(auxiliary)}, use at most {_MOST_NETWORKS}")
    return auxiliary
