"""Which addresses mean something to the host already: where its routes lead, and who answers it for names. Values only."""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network, IPv6Network
from typing import NamedTuple

from engine.linux.host_routes import Route
from engine.network.resolver import nameserver_subnets, nameserver_subnets6

_NOBODYS = tuple(map(IPv6Network, ("fe80::/10", "ff00::/8", "::1/128")))  # each device has routes to these


class Surroundings(NamedTuple):
    """``routed``: where routes lead; ``servers``: name servers; ``beside``: the networks that the way out goes through."""

    routed: tuple[IPv4Network, ...]
    routed6: tuple[IPv6Network, ...]
    servers: tuple[IPv4Network, ...]
    servers6: tuple[IPv6Network, ...]
    beside: tuple[IPv4Network, ...]
    beside6: tuple[IPv6Network, ...]

    @property
    def taken(self) -> tuple[IPv4Network, ...]:
        """What no network of ours may overlap."""
        return (*self.routed, *self.servers)

    @property
    def taken6(self) -> tuple[IPv6Network, ...]:
        return (*self.routed6, *self.servers6)


def surroundings_of(routes: Sequence[Route], routes6: Sequence[Route]) -> Surroundings:
    """Tell what the host's routes say. Its name servers are looked up."""
    ways = _ways_out(routes)
    ways6 = _ways_out(routes6)
    return Surroundings(
        routed=tuple(dict.fromkeys(route.subnet() for route in routes if route.prefix)),
        routed6=_of_somebody(route.subnet6() for route in routes6 if route.prefix),
        servers=tuple(nameserver_subnets()),
        servers6=tuple(nameserver_subnets6()),
        beside=tuple(dict.fromkeys(route.subnet() for route in routes if route.prefix and route.device in ways)),
        beside6=_of_somebody(route.subnet6() for route in routes6 if route.prefix and route.device in ways6),
    )


def _ways_out(routes: Iterable[Route]) -> set[int]:
    return {route.device for route in routes if not route.prefix and route.is_main and route.device}


def _of_somebody(subnets: Iterable[IPv6Network]) -> tuple[IPv6Network, ...]:
    found = dict.fromkeys(subnets)
    return tuple(one for one in found if not any(one.subnet_of(nobodys) for nobodys in _NOBODYS))
