"""Where an address lies, and which addresses someone else may send the engine to.

Pure: asks no resolver. A name says nothing here, only the address that is really connected to does.
"""

from enum import IntEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address


class AddressKind(IntEnum):
    """The greater, the closer to the host itself."""

    PUBLIC = 0
    PRIVATE = 1
    LOOPBACK = 2
    FORBIDDEN = 3  # link-local, multicast, unspecified: no registry has its home there


# Services of clouds for their own machines that are not link-local as the others.
_HOST_SERVICES = frozenset(map(ip_address, ("168.63.129.16", "100.100.100.200", "192.0.0.192", "fd00:ec2::254")))
_THIS_NETWORK = IPv4Network("0.0.0.0/8")
_NAT64 = IPv6Network("64:ff9b::/96")
_COMPATIBLE = IPv6Network("::/96")
# Not called private by the library, but nowhere else either.
_LOCAL = (IPv6Network("64:ff9b:1::/48"), IPv6Network("fec0::/10"))


def kind_of(address: str) -> AddressKind:
    """Return where an address lies; what is no address is FORBIDDEN."""
    try:
        return _kind(ip_address(address.partition("%")[0].strip("[]")))
    except ValueError:
        return AddressKind.FORBIDDEN


def _kind(address: IPv4Address | IPv6Address) -> AddressKind:
    if isinstance(address, IPv6Address) and (inner := _carried(address)) is not None:
        return _kind(inner)
    if address in _HOST_SERVICES or address.is_link_local or address.is_multicast or address.is_unspecified:
        return AddressKind.FORBIDDEN
    if isinstance(address, IPv4Address) and (address in _THIS_NETWORK or int(address) == 2**32 - 1):
        return AddressKind.FORBIDDEN
    if address.is_loopback:
        return AddressKind.LOOPBACK
    is_local = isinstance(address, IPv6Address) and any(address in network for network in _LOCAL)
    return AddressKind.PUBLIC if address.is_global and not is_local else AddressKind.PRIVATE


def _carried(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that packets for such an address end at."""
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    is_compatible = address in _COMPATIBLE and int(address) > 1
    return IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 or is_compatible else None


def is_loopback_host(host: str) -> bool:
    """Whether a host is written as this machine itself. Other names may lead here too, but do not promise it."""
    return host.lower() == "localhost" or kind_of(host) is AddressKind.LOOPBACK


def may_lead_to(kind: AddressKind, *, registry: AddressKind, is_trusted: bool) -> bool:
    """Whether a registry that lies at ``registry`` may send the engine on to another host at ``kind``.

    Services of this machine are out of a container's reach, so no registry may pass them requests of its choice: not even one on
    this machine, unless it is trusted (an administrator asked for it, or the settings name it).
    """
    if kind in (AddressKind.PUBLIC, AddressKind.FORBIDDEN):
        return kind is AddressKind.PUBLIC
    if kind is AddressKind.LOOPBACK:
        return is_trusted and registry is AddressKind.LOOPBACK
    return registry is not AddressKind.PUBLIC
