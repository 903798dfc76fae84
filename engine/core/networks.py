"""What is asked of networks: names, options, addresses, and how a container joins one. Pure."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from engine.core.addresses import Subnet, gateway6_of, gateway_of
from engine.errors import Forbidden, InvalidParameter

BRIDGE = "bridge"  # the network that each tenant has without making it
NONE = "none"
PREDEFINED = frozenset({BRIDGE, NONE, "host", "default"})
MTU_OPTION = "com.docker.network.driver.mtu"
ICC_OPTION = "com.docker.network.bridge.enable_icc"
_NAME = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,127}")
_DEVICE_NAME = re.compile(r"[a-zA-Z0-9_.-]{1,15}")
_ALIAS = re.compile(r"[a-zA-Z0-9_-](?:[a-zA-Z0-9_.-]{0,251}[a-zA-Z0-9_-])?")
_MOST_ALIASES = 64
BRIDGE_NAME_OPTION = "com.docker.network.bridge.name"
MASQUERADE_OPTION = "com.docker.network.bridge.enable_ip_masquerade"
# What says what is so anyway is harmless.
_REFUSED = {
    "com.docker.network.container_iface_prefix": "interfaces of containers are called eth",
}
_FIXED = {
    "com.docker.network.bridge.default_bridge": "false",
    "com.docker.network.bridge.host_binding_ipv4": "0.0.0.0",
}
_LEAST_MTU, _MOST_MTU = 576, 65_535
_WORDS = {"1": True, "t": True, "true": True, "0": False, "f": False, "false": False}

# Containers cannot be there: the host itself, multicast and the like, and what only means something on one link.
_RESERVED = tuple(map(IPv4Network, ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3")))
# A subnet is a route of the host's: a tenant could catch with it what others send to an address of the outside. These are
# private ones (RFC 1918), and the one next to them that courses like to take for private.
_CHOOSABLE = tuple(map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "172.32.0.0/11", "192.168.0.0/16")))
_PRIVATE = tuple(map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))
_UNIQUE_LOCAL = IPv6Network("fd00::/8")
_LEAST_PREFIX6, _MOST_PREFIX6 = 48, 112
_LEAST_PREFIX, _LEAST_PREFIX_OF_TENANTS, _MOST_PREFIX = 8, 16, 30


@dataclass(frozen=True, slots=True)
class NetworkJoin:
    """How a container is to be on a network. ``network`` is its name among those of the container's tenant."""

    network: str
    aliases: tuple[str, ...] = ()
    address: str = ""  # that it is to have, empty for any
    address6: str = ""  # the same, of IPv6
    mac: str = ""  # the hardware address, empty for the one that follows from the address
    links: tuple[str, ...] = ()  # other containers as "name:alias": names for this container alone
    driver_options: Mapping[str, str] = field(default_factory=dict)  # told back, so that clients find what they asked for


@dataclass(frozen=True, slots=True)
class Ipam:
    """Where a network's addresses come from, as far as somebody has chosen."""

    subnet: IPv4Network | None = None
    gateway: IPv4Address | None = None
    ip_range: IPv4Network | None = None  # where addresses are taken from that nobody has asked for
    auxiliary: Mapping[str, IPv4Address] = field(default_factory=dict)  # held for others
    subnet6: IPv6Network | None = None
    gateway6: IPv6Address | None = None
    ip_range6: IPv6Network | None = None
    auxiliary6: Mapping[str, IPv6Address] = field(default_factory=dict)
    options: Mapping[str, str] | None = None  # of no effect, told back; None where nobody spoke of them


@dataclass(frozen=True, slots=True)
class NetworkRequest:
    """What somebody wants a network to be."""

    name: str
    ipam: Ipam = field(default_factory=Ipam)
    internal: bool = False
    attachable: bool = False  # kept for who asks: every container of the owner may be on it
    has_ipv6: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)


def check_network_name(name: str) -> str:
    """Return the name of a network to be made. Raises InvalidParameter, Forbidden."""
    if name in PREDEFINED:
        raise Forbidden(f"operation is not permitted on predefined {name} network: use another name")
    if _NAME.fullmatch(name) is None:
        raise InvalidParameter(
            f"invalid network name {name[:140]!r}: use 1 to 128 of a-z, A-Z, 0-9, underscore, dot and dash,"
            " beginning with neither a dot nor a dash"
        )
    return name


def check_aliases(aliases: Sequence[str]) -> tuple[str, ...]:
    """Return names that a container is to have on a network, each once. Raises InvalidParameter."""
    if len(aliases) > _MOST_ALIASES:
        raise InvalidParameter(f"too many aliases: {len(aliases)}, use at most {_MOST_ALIASES}")
    for alias in aliases:
        if _ALIAS.fullmatch(alias) is None:
            raise InvalidParameter(f"invalid alias {alias[:80]!r}: use letters, digits, underscores, dots and dashes")
    return tuple(dict.fromkeys(aliases))


def check_options(options: Mapping[str, str]) -> list[str]:
    """Look at a network's options; return warnings for those that have no effect. Raises InvalidParameter."""
    for name, reason in _REFUSED.items():
        if name in options:
            raise InvalidParameter(f"network option {name} is not supported: {reason}, leave it out")
    for name, value in _FIXED.items():
        if options.get(name, value).lower() != value:
            raise InvalidParameter(f"network option {name}={options[name][:40]!r} is not supported: it is always {value}")
    _check_bridge_name(options.get(BRIDGE_NAME_OPTION, ""))
    option_mtu(options)
    option_icc(options)
    option_masquerade(options)
    known = {*_FIXED, MTU_OPTION, ICC_OPTION, BRIDGE_NAME_OPTION, MASQUERADE_OPTION}
    return [f"network option {name[:80]} has no effect" for name in options if name not in known]


def option_mtu(options: Mapping[str, str]) -> int | None:
    """Return the largest packet that was asked for. Raises InvalidParameter."""
    text = options.get(MTU_OPTION, "")
    if not text or text == "0":
        return None
    if not text.isascii() or not text.isdigit() or not _LEAST_MTU <= int(text[:9]) <= _MOST_MTU:
        raise InvalidParameter(f"invalid network option {MTU_OPTION}={text[:40]!r}: use {_LEAST_MTU} to {_MOST_MTU}")
    return int(text)


def option_icc(options: Mapping[str, str]) -> bool:
    """Return whether containers of the network may talk to each other. Raises InvalidParameter."""
    return _option_bool(options, ICC_OPTION)


def option_masquerade(options: Mapping[str, str]) -> bool:
    """Return whether packets leave the host under the host's address. Raises InvalidParameter."""
    return _option_bool(options, MASQUERADE_OPTION)


def _option_bool(options: Mapping[str, str], name: str) -> bool:
    text = options.get(name, "true")
    if text.lower() not in _WORDS:
        raise InvalidParameter(f"invalid network option {name}={text[:40]!r}: use true or false")
    return _WORDS[text.lower()]


def _check_bridge_name(name: str) -> None:
    if (name and _DEVICE_NAME.fullmatch(name) is None) or name in (".", ".."):
        raise InvalidParameter(
            f"invalid network option {BRIDGE_NAME_OPTION}={name[:40]!r}: use up to 15 letters, digits, dots, dashes, underscores"
        )


def check_host_options(options: Mapping[str, str], *, is_administrator: bool) -> None:
    """Look at the options that touch the host's own network. Raises Forbidden."""
    if is_administrator:
        return
    if options.get(BRIDGE_NAME_OPTION):
        raise Forbidden(f"network option {BRIDGE_NAME_OPTION} is for administrators: names of the host's devices are theirs")
    if not option_masquerade(options):
        raise Forbidden(f"network option {MASQUERADE_OPTION} is for administrators: neighbours of the host would see it")


def check_ipam(ipam: Ipam, *, any_subnet: bool) -> None:
    """Look at chosen addresses. ``any_subnet``: also one that is not private. Raises InvalidParameter."""
    if ipam.subnet is not None:
        _check_subnet(ipam.subnet, any_subnet=any_subnet)
        _check_parts(ipam.subnet, ipam.gateway or gateway_of(ipam.subnet), ipam.ip_range, ipam.auxiliary.values())
    elif ipam.gateway or ipam.ip_range or ipam.auxiliary:
        raise InvalidParameter("invalid network: a gateway, range or auxiliary address takes a subnet, give one")
    if ipam.subnet6 is not None:
        _check_subnet6(ipam.subnet6, any_subnet=any_subnet)
        _check_parts(ipam.subnet6, ipam.gateway6 or gateway6_of(ipam.subnet6), ipam.ip_range6, ipam.auxiliary6.values())


def _check_parts(
    subnet: Subnet, gateway: IPv4Address | IPv6Address, ip_range: Subnet | None, auxiliary: Collection[IPv4Address | IPv6Address]
) -> None:
    edges = (subnet.network_address, subnet.broadcast_address)
    if ip_range is not None and not (ip_range.network_address in subnet and ip_range.broadcast_address in subnet):
        raise InvalidParameter(f"invalid ip-range {ip_range}: it is not in subnet {subnet}")
    for what, address in (("gateway", gateway), *(("auxiliary address", address) for address in auxiliary)):
        if address not in subnet or address in edges:
            raise InvalidParameter(f"invalid {what} {address}: no host of subnet {subnet} can have it")
    if gateway in auxiliary:
        raise InvalidParameter(f"invalid auxiliary address {gateway}: it is the gateway's")


def check_not_around_host(subnet: Subnet, beside: Iterable[Subnet]) -> None:
    """Refuse a subnet in the private range that the host itself is in.

    ``beside`` are the networks that the host's way out leads through. The host has no route to the rest of their range: with it
    a tenant would take the place of a server that the host and others reach by the default route alone.

    Raises Forbidden.
    """
    for around in map(_around, beside):
        if around is not None and around.version == subnet.version and subnet.overlaps(around):
            raise Forbidden(f"subnet {subnet} may be in use around this host, which is in {around} itself: choose another one")


def _around(beside: Subnet) -> Subnet | None:
    """The private range that a network is in; for IPv6 the site (RFC 4193). None for public ones."""
    if isinstance(beside, IPv6Network):
        return beside.supernet(new_prefix=min(48, beside.prefixlen)) if beside.subnet_of(_UNIQUE_LOCAL) else None
    return next((private for private in _PRIVATE if beside.subnet_of(private)), None)


def _check_subnet(subnet: IPv4Network, *, any_subnet: bool) -> None:
    least = _LEAST_PREFIX if any_subnet else _LEAST_PREFIX_OF_TENANTS
    if not least <= subnet.prefixlen <= _MOST_PREFIX:
        raise InvalidParameter(f"invalid subnet {subnet}: use a prefix of {least} to {_MOST_PREFIX}")
    if any(subnet.overlaps(reserved) for reserved in _RESERVED):
        raise InvalidParameter(f"invalid subnet {subnet}: it holds addresses that no container can have")
    if not any_subnet and not any(subnet.subnet_of(allowed) for allowed in _CHOOSABLE):
        raise InvalidParameter(f"invalid subnet {subnet}: use a part of {', '.join(map(str, _CHOOSABLE))}")


def _check_subnet6(subnet: IPv6Network, *, any_subnet: bool) -> None:
    if not _LEAST_PREFIX6 <= subnet.prefixlen <= _MOST_PREFIX6:
        raise InvalidParameter(f"invalid subnet {subnet}: use a prefix of {_LEAST_PREFIX6} to {_MOST_PREFIX6}")
    if not (subnet.is_private or subnet.is_global) or subnet.is_multicast or subnet.is_link_local or subnet.is_loopback:
        raise InvalidParameter(f"invalid subnet {subnet}: it holds addresses that no container can have")
    if not any_subnet and not subnet.subnet_of(_UNIQUE_LOCAL):
        raise InvalidParameter(f"invalid subnet {subnet}: use a part of {_UNIQUE_LOCAL}")


def parse_subnet6(text: str, *, name: str = "subnet") -> IPv6Network:
    """Read ``fd12:3456:789a::/64``. Raises InvalidParameter."""
    try:
        return IPv6Network(text)
    except ValueError:
        raise InvalidParameter(
            f"invalid {name} {text[:60]!r}: use an IPv6 network, as fd12:3456:789a::/64, without bits beyond the prefix"
        ) from None


def parse_address6(text: str, *, name: str) -> IPv6Address:
    """Read ``fd12:3456:789a::2``. Raises InvalidParameter."""
    try:
        return _plain(IPv6Address(text))
    except ValueError:
        raise InvalidParameter(f"invalid {name} {text[:60]!r}: use an IPv6 address") from None


def _plain(address: IPv6Address) -> IPv6Address:
    """One on a device (``%eth0``) names more than itself. Raises ValueError."""
    if address.scope_id is not None:
        raise ValueError("a scope stands behind it")
    return address


def parse_subnet(text: str, *, name: str = "subnet") -> IPv4Network:
    """Read ``172.20.0.0/16``. Raises InvalidParameter."""
    try:
        return IPv4Network(text)
    except ValueError:
        raise InvalidParameter(
            f"invalid {name} {text[:60]!r}: use an IPv4 network, as 172.20.0.0/16, whose address has no bits beyond the prefix"
        ) from None


def parse_address(text: str, *, name: str) -> IPv4Address:
    """Read ``172.20.0.2``. Raises InvalidParameter."""
    try:
        return IPv4Address(text)
    except ValueError:
        raise InvalidParameter(f"invalid {name} {text[:60]!r}: use an IPv4 address") from None
