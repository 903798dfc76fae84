"""Places outside of the host that an allow list names: ``CIDR[:port[-port]][/tcp|/udp]``, and what two such lists have in common.

Pure. Without port and protocol everything is meant, with a port alone TCP and UDP.
"""

import re
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from itertools import pairwise
from typing import NamedTuple

from engine.errors import InvalidParameter

TCP_NUMBER, UDP_NUMBER, LAST_PROTOCOL, LAST_PORT = 6, 17, 255, 65_535
MOST_DESTINATIONS = 64
_PROTOCOLS = {"": 0, "/tcp": TCP_NUMBER, "/udp": UDP_NUMBER}
_FOUR = re.compile(r"(?P<net>[0-9.]+(?:/[0-9]+)?)(?::(?P<first>[0-9]{1,5})(?:-(?P<last>[0-9]{1,5}))?)?(?P<kind>/tcp|/udp)?")
_SIX = re.compile(r"(?P<net>[0-9a-fA-F:.]*:[0-9a-fA-F:.]*(?:/[0-9]+)?)(?P<kind>/tcp|/udp)?")
_SIX_CLOSED = re.compile(
    r"\[(?P<net>[0-9a-fA-F:.]+(?:/[0-9]+)?)\](?::(?P<first>[0-9]{1,5})(?:-(?P<last>[0-9]{1,5}))?)?(?P<kind>/tcp|/udp)?"
)


class Destination(NamedTuple):
    """``protocol`` 0 is any; with ports it means TCP and UDP."""

    network: IPv4Network | IPv6Network
    first_port: int = 0
    last_port: int = LAST_PORT
    protocol: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether every port of it is meant, so that other protocols than TCP and UDP are meant as well."""
        return (self.first_port, self.last_port, self.protocol) == (0, LAST_PORT, 0)


Reach = tuple[Destination, ...] | None
"""Where a tenant's containers may send packets outside of the host; None is everywhere."""


class Box(NamedTuple):
    """Addresses, numbers of protocols and ports, each from the first to the last; the boxes of a list do not overlap."""

    first_address: int
    last_address: int
    first_protocol: int
    last_protocol: int
    first_port: int
    last_port: int


def parse_destination(text: str) -> Destination:
    """Read one entry of an allow list. Raises InvalidParameter."""
    match = _FOUR.fullmatch(text) or _SIX_CLOSED.fullmatch(text) or _SIX.fullmatch(text)
    if match is None:
        raise _invalid(text, "use 10.0.0.0/8, 192.0.2.7:443, 192.0.2.0/24:8000-8010/tcp or [2001:db8::/32]:53/udp")
    found = match.groupdict()
    try:
        network = ip_network(found["net"])
    except ValueError as error:
        raise _invalid(text, str(error)) from None
    first = int(found.get("first") or 0)
    last = int(found.get("last") or first or LAST_PORT)
    if found.get("first") and not 0 < first <= last <= LAST_PORT:
        raise _invalid(text, f"ports are 1 to {LAST_PORT}, the smaller one first")
    return Destination(network, first, last, _PROTOCOLS[found["kind"] or ""])


def _invalid(text: str, reason: str) -> InvalidParameter:
    return InvalidParameter(f"invalid destination {text[:80]!r}: {reason}")


def reaches(reach: Reach, address: str, port: int) -> bool:
    """Whether a TCP connection to a port of an address is allowed."""
    written = ip_address(address)
    found = (written.ipv4_mapped if isinstance(written, IPv6Address) else None) or written
    return reach is None or any(
        found in one.network and one.first_port <= port <= one.last_port and one.protocol in (0, TCP_NUMBER) for one in reach
    )


def common(one: Reach, other: Reach) -> Reach:
    """Return what both lists allow."""
    if one is None or other is None:
        return one if other is None else other
    found = (_both(left, right) for left in one for right in other)
    return tuple(dict.fromkeys(both for both in found if both is not None))


def _both(one: Destination, other: Destination) -> Destination | None:
    first, last = max(one.first_port, other.first_port), min(one.last_port, other.last_port)
    protocols = {one.protocol, other.protocol} - {0}
    if (
        one.network.version != other.network.version
        or not one.network.overlaps(other.network)
        or len(protocols) > 1
        or first > last
    ):
        return None
    smaller = max(one.network, other.network, key=lambda network: network.prefixlen)
    return Destination(smaller, first, last, protocols.pop() if protocols else 0)


def boxes(reach: Sequence[Destination], version: int) -> tuple[Box, ...]:
    """Return a list's places of one version of IP as boxes that do not overlap, as the kernel's sets want them."""
    spans = [
        (int(one.network.network_address), int(one.network.broadcast_address), one)
        for one in reach
        if one.network.version == version
    ]
    edges = sorted({edge for first, last, _ in spans for edge in (first, last + 1)})
    found: list[Box] = []
    for start, end in pairwise(edges):
        within = [one for first, last, one in spans if first <= start and end - 1 <= last]
        found += [Box(start, end - 1, *rest) for rest in _services(within)]
    return tuple(found)


def _services(within: Sequence[Destination]) -> list[tuple[int, int, int, int]]:
    """Return protocols and ports that any of these allow."""
    if any(one.is_whole for one in within):
        return [(0, LAST_PROTOCOL, 0, LAST_PORT)]
    return [
        (number, number, first, last)
        for number in (TCP_NUMBER, UDP_NUMBER)
        for first, last in _merged((one.first_port, one.last_port) for one in within if one.protocol in (0, number))
    ]


def _merged(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], last))
        else:
            merged.append((first, last))
    return merged
