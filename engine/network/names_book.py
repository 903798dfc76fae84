"""Which name means which addresses for which container. Pure data in the resolver's process: no sockets, no wire.

A container knows the names of the networks that it is on, and no others. What is asked is compared without regard to case.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

Addresses = tuple[str, ...]
_MOST_LABELS = 127  # that a name can have (RFC 1035)


@dataclass(frozen=True, slots=True)
class Place:
    """A container on a network. ``names`` are in lower case, its own first; ``links`` are names that it alone knows others by."""

    network_id: str
    network_name: str
    addresses: Addresses
    names: tuple[str, ...]
    links: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Known:
    """What a name is: addresses of both kinds. A name that exists may have none of the kind that is asked for."""

    addresses: Addresses

    def of_kind(self, *, is_ipv6: bool) -> Addresses:
        return tuple(address for address in self.addresses if (":" in address) == is_ipv6)


class _Names:
    """The names of one network, each with its containers' addresses in the order in which they came."""

    def __init__(self) -> None:
        self._by_name: dict[str, dict[str, Addresses]] = {}
        self._by_address: dict[str, str] = {}

    def put(self, container_id: str, place: Place) -> None:
        for name in place.names:
            self._by_name.setdefault(name, {})[container_id] = place.addresses
        for address in place.addresses:
            self._by_address[address] = f"{place.names[0]}.{place.network_name}" if place.names else ""

    def remove(self, container_id: str, place: Place) -> None:
        for name in place.names:
            holders = self._by_name.get(name, {})
            holders.pop(container_id, None)
            if not holders:
                self._by_name.pop(name, None)
        for address in place.addresses:
            self._by_address.pop(address, None)

    def addresses(self, name: str) -> Addresses:
        return tuple(address for held in self._by_name.get(name, {}).values() for address in held)

    def name_of(self, address: str) -> str:
        return self._by_address.get(address, "")

    def __bool__(self) -> bool:
        return bool(self._by_name or self._by_address)


class NamesBook:
    """All networks, and where each container is."""

    def __init__(self) -> None:
        self._networks: dict[str, _Names] = {}
        self._places: dict[str, tuple[Place, ...]] = {}

    def put(self, container_id: str, places: Sequence[Place]) -> set[str]:
        """Say where a container is, in place of what was known; return the ids of networks on which names have changed."""
        changed = self.remove(container_id)
        self._places[container_id] = tuple(places)
        for place in places:
            self._networks.setdefault(place.network_id, _Names()).put(container_id, place)
        return changed | {place.network_id for place in places}

    def remove(self, container_id: str) -> set[str]:
        """Forget a container; return the ids of networks on which names have changed."""
        places = self._places.pop(container_id, ())
        for place in places:
            names = self._networks[place.network_id]
            names.remove(container_id, place)
            if not names:
                del self._networks[place.network_id]
        return {place.network_id for place in places}

    def networks_of(self, container_id: str) -> set[str]:
        return {place.network_id for place in self._places.get(container_id, ())}

    def find(self, container_id: str, name: str) -> Known | None:
        """Look a name up as one container knows it. ``name`` is in lower case, without the last dot.

        As dockerd: ``a.b`` may be the container a.b, or a on network b; the first network that knows a name tells it.
        """
        places = self._places.get(container_id, ())
        for host, network_name in _readings(name):
            meant = [place for place in places if not network_name or place.network_name.lower() == network_name]
            if found := self._linked(meant, host) or self._named(meant, host):
                return Known(found)
        return None

    def _linked(self, places: Sequence[Place], name: str) -> Addresses:
        found = (self._addresses(place, place.links[name]) for place in places if name in place.links)
        return next(filter(None, found), ())

    def _named(self, places: Sequence[Place], name: str) -> Addresses:
        """What a container has linked by a name is not looked for among the others' names on that network."""
        found = (self._addresses(place, name) for place in places if name not in place.links)
        return next(filter(None, found), ())

    def _addresses(self, place: Place, name: str) -> Addresses:
        names = self._networks.get(place.network_id)
        return names.addresses(name) if names is not None else ()

    def find_address(self, container_id: str, address: str) -> str:
        """Return the name that an address has for a container, empty for none."""
        networks = (self._networks.get(place.network_id) for place in self._places.get(container_id, ()))
        return next(filter(None, (names.name_of(address) for names in networks if names is not None)), "")


def _readings(name: str) -> Iterator[tuple[str, str]]:
    """``a.b.c``, then ``a.b`` on network c, then ``a`` on network b.c."""
    yield name, ""
    labels = name.split(".", _MOST_LABELS)
    for count in range(len(labels) - 1, 0, -1):
        yield ".".join(labels[:count]), ".".join(labels[count:])
