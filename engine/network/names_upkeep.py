"""Keeps the resolver in step with the ledger: who is on which network, under which names.

Only networks of users have names; a container on the default one alone has none and asks as the host does.
"""

import errno
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from engine.core.ids import short_id
from engine.core.links import parse_links
from engine.core.networks import NetworkJoin
from engine.network.ledger import Ledger
from engine.network.model import Lease, Network
from engine.network.names_book import Place
from engine.network.names_client import NameServer, Presence
from engine.network.reaches import Reaches
from engine.network.sandbox import configure


@dataclass(frozen=True, slots=True)
class _Wishes:
    servers: tuple[str, ...] = ()
    links: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # by the network's name


class NamesUpkeep:
    """Without a server it does nothing, for engines whose containers need no names."""

    def __init__(self, ledger: Ledger, server: NameServer | None, reaches: Reaches | None = None) -> None:
        self._ledger = ledger
        self._reaches = reaches or Reaches()
        self._server = server
        self._wishes: dict[str, _Wishes] = {}

    def prepare(self, network: Network) -> None:
        """A network has been made: the first container on it need not wait for the resolver."""
        if self._server is not None and not network.is_default:
            self._server.prepare()

    def messages(self, network: Network) -> tuple[bytes, ...]:
        """Return what a container's namespace needs before it can ask, for its first network of a user's."""
        return self._server.messages() if self._server is not None and not network.is_default else ()

    def has_names(self, container_id: str) -> bool:
        return any(not self._ledger.networks[lease.network_id].is_default for lease in self._ledger.leases.get(container_id, ()))

    def arrive(self, container_id: str, joins: Sequence[NetworkJoin], servers: Sequence[str], netns_fd: int) -> None:
        """A container is on its networks now. Raises OSError."""
        self.expect(container_id, joins, servers)
        if self._server is not None and self.has_names(container_id):
            self._server.put(container_id, self._presence(container_id), netns_fd)

    def join(self, container_id: str, join: NetworkJoin, servers: Sequence[str], netns_fd: int) -> None:
        """A running container is on one further network now. Raises OSError."""
        if self._server is None or self._server.answers(container_id):
            self.expect(container_id, [join], servers)
            self.refresh(container_id)
        elif self.has_names(container_id):
            if messages := self._server.messages():
                configure(netns_fd, messages, harmless=errno.EEXIST)
            self.arrive(container_id, [join], servers, netns_fd)

    def expect(self, container_id: str, joins: Sequence[NetworkJoin], servers: Sequence[str]) -> None:
        """Note what the ledger does not know of a container."""
        former = self._wishes.get(container_id, _Wishes())
        links = {join.network: _links(join.links) for join in joins if join.links}
        self._wishes[container_id] = _Wishes(tuple(servers), {**former.links, **links})

    def refresh(self, container_id: str) -> None:
        """A container that stays has other networks or names than before. Raises OSError."""
        if self._server is not None and container_id in self._wishes:
            self._server.put(container_id, self._presence(container_id))

    def refresh_all(self) -> None:
        """Who may ask the outside may be others than before. Raises OSError."""
        for container_id in self._wishes:
            if self._server is not None and self._server.answers(container_id):
                presence = self._presence(container_id)
                if presence != self._server.known(container_id):
                    self._server.put(container_id, presence)

    def leave(self, container_id: str) -> None:
        """A container is on no network any more."""
        self._wishes.pop(container_id, None)
        if self._server is not None:
            self._server.drop(container_id)

    def restore(self, netns: Mapping[str, int]) -> None:
        """Tell a resolver of all containers whose wishes are known. Raises OSError."""
        if self._server is not None:
            named = [container_id for container_id in netns if self.has_names(container_id)]
            self._server.restore({one: self._presence(one) for one in named}, netns)
            for network in list(self._ledger.networks.values()):
                self.prepare(network)

    def _presence(self, container_id: str) -> Presence:
        wishes = self._wishes.get(container_id, _Wishes())
        held = [(self._ledger.networks[lease.network_id], lease) for lease in self._ledger.leases.get(container_id, ())]
        places = [_place(network, lease, wishes.links.get(network.name, {})) for network, lease in held if not network.is_default]
        forwards = any(not network.internal and not self._reaches.is_closed(network.owner) for network, _ in held)
        return Presence(tuple(places), wishes.servers, forwards=forwards)


def _place(network: Network, lease: Lease, links: Mapping[str, str]) -> Place:
    addresses = [str(lease.address), *([str(lease.address6)] if lease.address6 else [])]
    names = dict.fromkeys((*lease.aliases, short_id(lease.container_id), lease.hostname))
    return Place(network.network_id, network.name, tuple(addresses), tuple(filter(None, names)), dict(links))


def _links(texts: Sequence[str]) -> dict[str, str]:
    """``name:alias`` as alias to name."""
    return {link.alias: link.target for link in parse_links(texts)}
