"""Choosing subnets, addresses and hardware addresses.

Pure: what is taken is passed in. Owns no lease; the network room keeps those.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network
from typing import NamedTuple

from engine.errors import Unavailable


class Pool(NamedTuple):
    """A range that is cut into subnets of one size."""

    network: IPv4Network
    prefix: int


# 512 networks of 253 containers each, in a part of 172.16.0.0/12 (RFC 1918) that Docker reaches last with its own defaults.
DEFAULT_POOLS = (Pool(IPv4Network("172.30.0.0/15"), 24),)


def choose_subnet(pools: Sequence[Pool], taken: Iterable[IPv4Network]) -> IPv4Network:
    """Return the lowest subnet of the pools that overlaps nothing taken.

    Raises Unavailable when the pools are used up.
    """
    ranges = sorted((int(network.network_address), int(network.broadcast_address)) for network in taken)
    for pool in pools:
        subnet = _first_free(pool, ranges)
        if subnet is not None:
            return subnet
    names = ", ".join(str(pool.network) for pool in pools)
    raise Unavailable(f"no free subnet in {names}: remove networks that are not used, or give the engine a larger pool")


def _first_free(pool: Pool, ranges: Sequence[tuple[int, int]]) -> IPv4Network | None:
    """``ranges`` are sorted by their first address, so one pass is enough."""
    size = 1 << (32 - pool.prefix)
    start = int(pool.network.network_address)
    for first, last in ranges:
        if start + size <= first:
            break
        if last >= start:
            start = (last // size + 1) * size
    if start + size - 1 > int(pool.network.broadcast_address):
        return None
    return IPv4Network((start, pool.prefix))


def gateway_of(subnet: IPv4Network) -> IPv4Address:
    """Return the address of the bridge: the first of the subnet."""
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
    for address in _round_from(subnet, within or subnet, after):
        if address not in taken and address not in kept:
            return address
    raise Unavailable(f"no free address in {within or subnet}: {len(taken)} are held; remove containers that are not used")


def _round_from(subnet: IPv4Network, within: IPv4Network, after: IPv4Address | None) -> Iterator[IPv4Address]:
    """All but the first and the last address of the subnet, which name it and its broadcast."""
    first = max(int(within.network_address), int(subnet.network_address) + 1)
    count = min(int(within.broadcast_address), int(subnet.broadcast_address) - 1) - first + 1
    offset = int(after) - first + 1 if after is not None and after in within else 0
    for step in range(count):
        yield IPv4Address(first + (offset + step) % count)


def mac_address(address: IPv4Address) -> str:
    """Return the hardware address of a holder of ``address``: locally administered, ending in the four bytes of the address.

    A new container on an old address then answers with the hardware address that its neighbours remember.
    """
    return "02:42:" + ":".join(f"{byte:02x}" for byte in address.packed)
