"""What is asked of networks: names, options, addresses, and how a container joins one. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from engine.core.addresses import gateway_of
from engine.errors import Forbidden, InvalidParameter

BRIDGE = "bridge"  # the network that each tenant has without making it
NONE = "none"
PREDEFINED = frozenset({BRIDGE, NONE, "host", "default"})
MTU_OPTION = "com.docker.network.driver.mtu"
ICC_OPTION = "com.docker.network.bridge.enable_icc"
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}")
_DEVICE_NAME = re.compile(r"[a-zA-Z0-9_.-]{1,15}")
_ALIAS = re.compile(r"[a-zA-Z0-9_](?:[a-zA-Z0-9_.-]{0,251}[a-zA-Z0-9_])?")
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


@dataclass(frozen=True, slots=True)
class NetworkRequest:
    """What somebody wants a network to be."""

    name: str
    ipam: Ipam = field(default_factory=Ipam)
    internal: bool = False
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
            " beginning with a letter or digit"
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
    subnet = ipam.subnet
    if subnet is None:
        if ipam.gateway or ipam.ip_range or ipam.auxiliary:
            raise InvalidParameter("invalid network: a gateway, range or auxiliary address takes a subnet, give one")
        return
    _check_subnet(subnet, any_subnet=any_subnet)
    if ipam.ip_range is not None and not ipam.ip_range.subnet_of(subnet):
        raise InvalidParameter(f"invalid ip-range {ipam.ip_range}: it is not in subnet {subnet}")
    gateway = ipam.gateway or gateway_of(subnet)
    for what, address in (("gateway", gateway), *(("auxiliary address", address) for address in ipam.auxiliary.values())):
        if address not in subnet or address in (subnet.network_address, subnet.broadcast_address):
            raise InvalidParameter(f"invalid {what} {address}: no host of subnet {subnet} can have it")
    if gateway in ipam.auxiliary.values():
        raise InvalidParameter(f"invalid auxiliary address {gateway}: it is the gateway's")


def _check_subnet(subnet: IPv4Network, *, any_subnet: bool) -> None:
    least = _LEAST_PREFIX if any_subnet else _LEAST_PREFIX_OF_TENANTS
    if not least <= subnet.prefixlen <= _MOST_PREFIX:
        raise InvalidParameter(f"invalid subnet {subnet}: use a prefix of {least} to {_MOST_PREFIX}")
    if any(subnet.overlaps(reserved) for reserved in _RESERVED):
        raise InvalidParameter(f"invalid subnet {subnet}: it holds addresses that no container can have")
    if not any_subnet and not any(subnet.subnet_of(allowed) for allowed in _CHOOSABLE):
        raise InvalidParameter(f"invalid subnet {subnet}: use a part of {', '.join(map(str, _CHOOSABLE))}")


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
