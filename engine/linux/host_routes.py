"""What the kernel lists of routes and devices (rtnetlink(7)), read from the bytes of the answers.

A host with 200 networks has a thousand routes: decoding each by a library's class would take longer than making a network. Knows
only what is needed: which destinations lead where, and names, groups and sizes of devices.
"""

import fcntl
import socket
import struct
from collections.abc import Callable, Iterator
from ipaddress import IPv4Network, IPv6Network
from typing import NamedTuple

_RTM_GETLINK, _RTM_NEWROUTE, _RTM_GETROUTE = 18, 24, 26
_NLM_F_REQUEST, _NLM_F_DUMP = 1, 0x300
_HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port
_INTERFACE = struct.Struct("=BxHiII")  # family, device type, index, flags, change
_ROUTE = struct.Struct("=BBBBBBBBI")  # family, prefix of the destination, …, table, protocol, scope, type, flags
_ATTRIBUTE = struct.Struct("=HH")  # length, type
_NUMBER = struct.Struct("=I")
_RTA_DST, _RTA_OIF = 1, 4
_IFLA_IFNAME, _IFLA_MTU, _IFLA_GROUP = 3, 4, 27
_TABLE_MAIN = 254
_SIOCGIFMTU = 0x8921
_REQUEST = struct.Struct("16si20x")  # struct ifreq
_KIND_MASK = 0x3FFF  # the two bits above are flags


class Link(NamedTuple):
    """A network device as listed; ``group`` is the number that `ip link` shows as group."""

    name: str
    number: int  # the kernel's ifindex; `index` is a method of every tuple
    group: int
    mtu: int


class Route(NamedTuple):
    """``destination`` is empty for a default route; ``device`` is 0 where the route names none or several."""

    destination: bytes
    prefix: int
    device: int
    is_main: bool  # in the main table

    def subnet(self) -> IPv4Network:
        return IPv4Network((self.destination, self.prefix))

    def subnet6(self) -> IPv6Network:
        return IPv6Network((self.destination, self.prefix))


Dump = Callable[[bytes], Iterator[bytes]]  # sends a request and yields what each message of the answer says


def read_links(dump: Dump) -> list[Link]:
    """Return all devices of the network namespace."""
    return [_link(payload) for payload in dump(_request(_RTM_GETLINK, _INTERFACE.pack(socket.AF_UNSPEC, 0, 0, 0, 0)))]


def read_routes(dump: Dump, family: int) -> list[Route]:
    """Return the routes of all tables, of ``AF_INET`` or ``AF_INET6``."""
    return [_route(payload) for payload in dump(_request(_RTM_GETROUTE, _ROUTE.pack(family, *[0] * 8)))]


def mtu_of(number: int) -> int:
    """Return how large packets on a device may be, by its index. Raises OSError when it is gone."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as asking:
        answer = fcntl.ioctl(asking, _SIOCGIFMTU, _REQUEST.pack(socket.if_indextoname(number).encode(), 0))
    return int(_REQUEST.unpack(answer)[1])


def _request(kind: int, payload: bytes) -> bytes:
    return _HEADER.pack(_HEADER.size + len(payload), kind, _NLM_F_REQUEST | _NLM_F_DUMP, 0, 0) + payload


def _link(payload: bytes) -> Link:
    found = _attributes(payload, _INTERFACE.size)
    name = found.get(_IFLA_IFNAME, b"").rstrip(b"\0").decode(errors="replace")
    return Link(name, _INTERFACE.unpack_from(payload)[2], _number(found.get(_IFLA_GROUP)), _number(found.get(_IFLA_MTU)))


def _route(payload: bytes) -> Route:
    _, prefix, _, _, table, *_ = _ROUTE.unpack_from(payload)
    found = _attributes(payload, _ROUTE.size)
    return Route(found.get(_RTA_DST, b""), prefix, _number(found.get(_RTA_OIF)), table == _TABLE_MAIN)


def _attributes(payload: bytes, offset: int) -> dict[int, bytes]:
    found = {}
    while offset + _ATTRIBUTE.size <= len(payload):
        length, kind = _ATTRIBUTE.unpack_from(payload, offset)
        found[kind & _KIND_MASK] = payload[offset + _ATTRIBUTE.size : offset + length]
        offset += max(_ATTRIBUTE.size, (length + 3) & ~3)
    return found


def _number(value: bytes | None) -> int:
    return int(_NUMBER.unpack(value)[0]) if value is not None else 0
