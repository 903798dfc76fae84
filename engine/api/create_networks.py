"""Networks in request bodies: of a container to be made, of one to be connected, and a network itself.

Owns which of Docker's fields are honoured, which are refused and which draw a warning: nothing is dropped in silence.
"""

from engine.api.decode import Document
from engine.core.networks import (
    BRIDGE,
    NONE,
    Ipam,
    NetworkJoin,
    NetworkRequest,
    check_aliases,
    check_options,
    parse_address,
    parse_subnet,
)
from engine.errors import InvalidParameter

_MOST_NETWORKS = 32
_WITHOUT_EFFECT = ("Links", "MacAddress", "DriverOpts", "GwPriority")
_FLAGS = {"Ingress": "swarm", "ConfigOnly": "configurations of other networks", "EnableIPv6": "IPv6"}
_CONTAINER = "container:"


def network_mode(mode: str) -> str:
    """Return the mode of ``HostConfig``. Raises InvalidParameter."""
    if mode in ("", "default", BRIDGE):
        return BRIDGE
    if mode == "host" or mode.startswith(_CONTAINER):
        raise InvalidParameter(f"network {mode[:60]!r} is not supported: use bridge, none or a network of your own")
    return mode


def decode_joins(body: Document, host: Document) -> tuple[NetworkJoin, ...]:
    """Return the settings for networks of a container to be made. Raises InvalidParameter."""
    networks = body.document("NetworkingConfig").document("EndpointsConfig")
    names, mode = networks.keys_of(), network_mode(host.text("NetworkMode"))
    if len(names) > _MOST_NETWORKS:
        raise InvalidParameter(f"too many networks: {len(names)}, a container may be on {_MOST_NETWORKS}")
    called = {name: BRIDGE if name == "default" else name for name in names}
    if "host" in names or (NONE in names) != (mode == NONE and bool(names)):
        raise InvalidParameter(
            f"conflicting options: a container with network mode {mode!r} cannot be on {', '.join(names)[:200]}"
        )
    return tuple(decode_join(networks.document(name), called[name]) for name in names)


def decode_join(endpoint: Document, network: str) -> NetworkJoin:
    """Return the settings for one network. Raises InvalidParameter."""
    ipam = endpoint.document("IPAMConfig")
    if ipam.text("IPv6Address") or endpoint.text("GlobalIPv6Address"):
        raise InvalidParameter("IPv6 addresses are not supported: leave out IPv6Address")
    address = ipam.text("IPv4Address")
    aliases = check_aliases(endpoint.texts("Aliases"))
    return NetworkJoin(network, aliases, str(parse_address(address, name="IPv4 address")) if address else "")


def join_warnings(body: Document) -> list[str]:
    """Return what of the settings for networks has no effect."""
    networks = body.document("NetworkingConfig").document("EndpointsConfig")
    settings = [(name, networks.document(name)) for name in networks.keys_of()]
    return [
        f"{field} of network {name[:60]} has no effect"
        for name, endpoint in settings
        for field in _WITHOUT_EFFECT
        if endpoint.is_set(field)
    ]


def decode_network(body: Document) -> tuple[NetworkRequest, list[str]]:
    """Return a network to be made, and warnings. Raises InvalidParameter."""
    _check_kind(body)
    options = body.mapping("Options")
    ipam, warnings = _ipam(body.document("IPAM"))
    request = NetworkRequest(
        name=body.text("Name"),
        ipam=ipam,
        internal=body.boolean("Internal"),
        labels=body.mapping("Labels"),
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
    if body.document("ConfigFrom").text("Network"):
        raise InvalidParameter("ConfigFrom is not supported: give the settings themselves")


def _ipam(ipam: Document) -> tuple[Ipam, list[str]]:
    driver = ipam.text("Driver")
    if driver not in ("", "default"):
        raise InvalidParameter(f"IPAM driver {driver[:60]!r} is not supported: use default")
    configs = [config for config in ipam.documents("Config") if any(config.is_set(name) for name in config.keys_of())]
    if len(configs) > 1:
        raise InvalidParameter(f"too many subnets: {len(configs)}, a network has one")
    warnings = ["IPAM options have no effect"] if ipam.mapping("Options") else []
    return (_one_config(configs[0]) if configs else Ipam()), warnings


def _one_config(config: Document) -> Ipam:
    subnet, gateway, ip_range = (config.text(name) for name in ("Subnet", "Gateway", "IPRange"))
    auxiliary = config.mapping("AuxiliaryAddresses")
    if len(auxiliary) > _MOST_NETWORKS:
        raise InvalidParameter(f"too many auxiliary addresses: {len(auxiliary)}, use at most {_MOST_NETWORKS}")
    return Ipam(
        subnet=parse_subnet(subnet) if subnet else None,
        gateway=parse_address(gateway, name="gateway") if gateway else None,
        ip_range=parse_subnet(ip_range, name="ip-range") if ip_range else None,
        auxiliary={name: parse_address(address, name="auxiliary address") for name, address in auxiliary.items()},
    )
