"""Choosing subnets, addresses and hardware addresses.

Pure: what is taken is passed in. Owns no lease; the network room keeps those.
"""

import hashlib
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import NamedTuple

from engine.errors import InvalidParameter, Unavailable

Subnet = IPv4Network | IPv6Network
_MAC = re.compile(r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}|[0-9a-f]{2}(?:-[0-9a-f]{2}){5}")
_MOST_SUBNETS_BITS = 24  # of one pool
# RFC 1918, RFC 6598, and what courses take for private; RFC 4193.
_FOR_POOLS = tuple(
    map(ip_network, ("10.0.0.0/8", "172.16.0.0/12", "172.32.0.0/11", "192.168.0.0/16", "100.64.0.0/10", "fd00::/8"))
)


class Pool(NamedTuple):
    """A range that is cut into subnets of one size."""

    network: Subnet
    prefix: int


# 512 networks of 253 containers each, in a part of 172.16.0.0/12 (RFC 1918) that Docker reaches last with its own defaults; when
# those are used up or something of the host lies there, as many again.
DEFAULT_POOLS = (Pool(IPv4Network("172.30.0.0/15"), 24), Pool(IPv4Network("172.28.0.0/15"), 24))


def parse_pool(text: str) -> Pool:
    """Read ``172.30.0.0/15:24``, also of IPv6: a range, and the prefix of the subnets cut from it. Raises InvalidParameter."""
    base, _, prefix_text = text.rpartition(":")
    try:
        network = ip_network(base)
        prefix = int(prefix_text) if prefix_text.isascii() and prefix_text.isdigit() else -1
    except ValueError:
        raise InvalidParameter(f"invalid address pool {text[:80]!r}: use CIDR:PREFIX, as 10.80.0.0/16:24") from None
    most = 30 if network.version == 4 else 112
    if not network.prefixlen <= prefix <= most or prefix - network.prefixlen > _MOST_SUBNETS_BITS:
        raise InvalidParameter(
            f"invalid address pool {text[:80]!r}: the prefix of its subnets is {network.prefixlen} to"
            f" {min(most, network.prefixlen + _MOST_SUBNETS_BITS)}"
        )
    if not any(network[0] in private and network[-1] in private for private in _FOR_POOLS):
        raise InvalidParameter(f"invalid address pool {text[:80]!r}: use private addresses, nobody's on the outside")
    return Pool(network, prefix)


def default_pool6(instance: str) -> Pool:
    """Return an engine's own range of unique local IPv6 addresses (RFC 4193): 40 bits that nobody else is likely to have."""
    own_bits = hashlib.sha256(f"atelier {instance}".encode()).digest()[:5]
    return Pool(IPv6Network((b"\xfd" + own_bits + bytes(10), 48)), 64)


def choose_subnet(pools: Sequence[Pool], taken: Iterable[IPv4Network]) -> IPv4Network:
    """Return the lowest IPv4 subnet of the pools that overlaps nothing taken.

    Raises Unavailable when the pools are used up.
    """
    return IPv4Network(_choose(pools, 4, taken))


def choose_subnet6(pools: Sequence[Pool], taken: Iterable[IPv6Network]) -> IPv6Network:
    """Return the lowest IPv6 subnet of the pools that overlaps nothing taken. Raises Unavailable."""
    return IPv6Network(_choose(pools, 6, taken))


def _choose(pools: Sequence[Pool], version: int, taken: Iterable[Subnet]) -> tuple[int, int]:
    ranges = sorted((int(network.network_address), int(network.broadcast_address)) for network in taken)
    of_version = [pool for pool in pools if pool.network.version == version]
    for pool in of_version:
        start = _first_free(pool, ranges)
        if start is not None:
            return start, pool.prefix
    names = ", ".join(str(pool.network) for pool in of_version) or f"pools of IPv{version}"
    raise Unavailable(f"no free subnet in {names}: remove networks that are not used, or give the engine a larger pool")


def _first_free(pool: Pool, ranges: Sequence[tuple[int, int]]) -> int | None:
    """``ranges`` are sorted by their first address, so one pass is enough."""
    size = 1 << (pool.network.max_prefixlen - pool.prefix)
    start = int(pool.network.network_address)
    for first, last in ranges:
        if start + size <= first:
            break
        if last >= start:
            start = (last // size + 1) * size
    return None if start + size - 1 > int(pool.network.broadcast_address) else start


def gateway_of(subnet: IPv4Network) -> IPv4Address:
    """Return the address of the bridge: the first of the subnet."""
    return subnet.network_address + 1


def gateway6_of(subnet: IPv6Network) -> IPv6Address:
    """Return the IPv6 address of the bridge: the first of the subnet."""
    return subnet.network_address + 1


def choose_address(
    subnet: IPv4Network,
    taken: Collection[IPv4Address],
    after: IPv4Address | None,
    *,
    reserved: Collection[IPv4Address] | None = None,
    within: IPv4Network | None = None,
) -> IPv4Address:
    """Return the next free address past ``after``, starting again at the low end.

    ``reserved`` are never given, without it the gateway alone; ``within`` is the part of the subnet to choose from.

    Going round, rather than taking the lowest, keeps a released address unused for as long as possible: connections that the host
    still tracks for the former holder do not reach the next one.

    Raises Unavailable when all are held.
    """
    kept = {gateway_of(subnet)} if reserved is None else reserved
    for number in _round_from(subnet, within or subnet, after):
        address = IPv4Address(number)
        if address not in taken and address not in kept:
            return address
    raise Unavailable(f"no free address in {within or subnet}: {len(taken)} are held; remove containers that are not used")


def choose_address6(
    subnet: IPv6Network,
    taken: Collection[IPv6Address],
    after: IPv6Address | None,
    *,
    reserved: Collection[IPv6Address],
    within: IPv6Network | None = None,
) -> IPv6Address:
    """Return the next free IPv6 address past ``after``, as ``choose_address`` does. Raises Unavailable."""
    for number in _round_from(subnet, within or subnet, after):
        address = IPv6Address(number)
        if address not in taken and address not in reserved:
            return address
    raise Unavailable(f"no free address in {within or subnet}: {len(taken)} are held; remove containers that are not used")


def _round_from(subnet: Subnet, within: Subnet, after: IPv4Address | IPv6Address | None) -> Iterator[int]:
    """All but the first and the last address of the subnet, which name it and its broadcast (IPv6: all routers on it)."""
    first = max(int(within.network_address), int(subnet.network_address) + 1)
    count = min(int(within.broadcast_address), int(subnet.broadcast_address) - 1) - first + 1
    offset = int(after) - first + 1 if after is not None and after in within else 0
    step = 0
    while step < count:  # no range: a subnet of IPv6 may hold more than one can count
        yield first + (offset + step) % count
        step += 1


def mac_address(address: IPv4Address) -> str:
    """Return the hardware address of a holder of ``address``: locally administered, ending in the four bytes of the address.

    A new container on an old address then answers with the hardware address that its neighbours remember.
    """
    return "02:42:" + ":".join(f"{byte:02x}" for byte in address.packed)


def parse_mac(text: str) -> str:
    """Read the hardware address of one device, in the form ``02:42:ac:1e:00:02``. Raises InvalidParameter."""
    found = text.lower()
    if _MAC.fullmatch(found) is None:
        raise InvalidParameter(f"invalid MAC address {text[:40]!r}: use six pairs of hexadecimal digits, as 02:42:ac:1e:00:02")
    found = found.replace("-", ":")
    if int(found[:2], 16) & 1 or found == "00:00:00:00:00:00":
        raise InvalidParameter(f"invalid MAC address {text}: it is no single device's, use an even first number, best 02")
    return found
