"""Who holds which subnet and address: in memory, with a record on disk for each.

Knows nothing of devices. Used from one thread; values may be read from others.
"""

import secrets
import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

from engine.core.addresses import Pool, choose_address, choose_subnet
from engine.core.networks import NetworkRequest
from engine.core.tenants import Tenant
from engine.errors import Forbidden, InvalidParameter
from engine.network.model import DEFAULT_NETWORK, Lease, Network
from engine.network.records import Records


class Ledger:
    """Networks by id; the leases of a container, in the order of its interfaces, by its id."""

    def __init__(self, records: Records, pools: Sequence[Pool]) -> None:
        self._records = records
        self._pools = pools
        self._last: dict[str, IPv4Address] = {}  # the address given last, by network id
        self.networks = {network.network_id: network for network in records.load_networks()}
        self.leases: dict[str, tuple[Lease, ...]] = {}
        for network in self.networks.values():
            for lease in records.load_leases(network):
                self._enter(lease)

    def _enter(self, lease: Lease) -> None:
        """Also in place of the one on the same network."""
        others = (one for one in self.leases.get(lease.container_id, ()) if one.network_id != lease.network_id)
        self.leases[lease.container_id] = tuple(sorted((*others, lease), key=lambda one: one.number))

    def default_network(self, tenant: Tenant) -> Network | None:
        """Return the tenant's own default network, if it has one yet."""
        return self.find_network(tenant, DEFAULT_NETWORK)

    def find_network(self, owner: Tenant, name: str) -> Network | None:
        """Return the owner's network of a name."""
        for network in list(self.networks.values()):
            if network.name == name and network.owner == owner:
                return network
        return None

    def add_network(self, tenant: Tenant, taken: Iterable[IPv4Network], request: NetworkRequest | None = None) -> Network:
        """Make a network, the tenant's default one without a request, on a subnet that is free here and in ``taken``.

        A subnet that was chosen is not looked at.
        """
        wanted = request or NetworkRequest(DEFAULT_NETWORK)
        own = [network.subnet for network in self.networks.values()]
        network = Network(
            network_id=secrets.token_hex(32),
            name=wanted.name,
            owner=tenant,
            subnet=wanted.ipam.subnet or choose_subnet(self._pools, [*own, *taken]),
            created_ns=time.time_ns(),
            ipam=wanted.ipam,
            internal=wanted.internal,
            labels=wanted.labels,
            options=wanted.options,
        )
        self._records.save_network(network)
        self.networks[network.network_id] = network
        return network

    def remove_network(self, network: Network) -> None:
        """Forget a network; nothing for one that is forgotten already."""
        self.networks.pop(network.network_id, None)
        self._last.pop(network.network_id, None)
        self._records.remove_network(network)

    def leases_of(self, network: Network) -> list[Lease]:
        return [lease for lease in self.all_leases() if lease.network_id == network.network_id]

    def all_leases(self) -> list[Lease]:
        return [lease for leases in list(self.leases.values()) for lease in leases]

    def lease_on(self, container_id: str, network: Network) -> Lease | None:
        """Return a container's lease on a network."""
        found = (one for one in self.leases.get(container_id, ()) if one.network_id == network.network_id)
        return next(found, None)

    def idle_networks(self) -> list[Network]:
        """Return the default networks without a lease, oldest first: each is made again when it is needed."""
        busy = {lease.network_id for lease in self.all_leases()}
        return [network for network in self.networks.values() if network.is_default and network.network_id not in busy]

    def add_lease(
        self,
        network: Network,
        *,
        container_id: str,
        hostname: str,
        aliases: Sequence[str],
        avoid: Collection[IPv4Address],
        address: IPv4Address | None = None,
    ) -> Lease:
        """Give a container an address of the network, ``address`` or else any but those of ``avoid``.

        Raises Unavailable, Forbidden for an address that is held, InvalidParameter for one that cannot be.
        """
        held = {lease.address for lease in self.leases_of(network)}
        if address is not None:
            _check_wanted(network, address, held)
        last = self._last.get(network.network_id)
        lease = Lease(
            container_id=container_id,
            network_id=network.network_id,
            endpoint_id=secrets.token_hex(32),
            address=address
            or choose_address(network.subnet, held | set(avoid), last, reserved=network.reserved, within=network.ipam.ip_range),
            hostname=hostname,
            aliases=tuple(aliases),
            number=self._free_number(container_id),
        )
        self._records.save_lease(lease)
        self._enter(lease)
        if address is None:
            self._last[network.network_id] = lease.address
        return lease

    def _free_number(self, container_id: str) -> int:
        numbers = {lease.number for lease in self.leases.get(container_id, ())}
        return next(number for number in range(len(numbers) + 1) if number not in numbers)

    def rename_lease(self, container_id: str, *, old: str, new: str) -> None:
        """Let a container be known by another name; nothing for one without a lease."""
        for lease in self.leases.get(container_id, ()):
            renamed = replace(lease, aliases=tuple(new if alias == old else alias for alias in lease.aliases))
            self._records.save_lease(renamed)
            self._enter(renamed)

    def remove_lease(self, lease: Lease) -> None:
        """Give one address back."""
        left = tuple(one for one in self.leases.get(lease.container_id, ()) if one.network_id != lease.network_id)
        if left:
            self.leases[lease.container_id] = left
        else:
            self.leases.pop(lease.container_id, None)
        self._records.remove_lease(lease)

    def remove_leases(self, container_id: str) -> tuple[Lease, ...]:
        """Give all addresses of a container back; return what it held."""
        leases = self.leases.pop(container_id, ())
        for lease in leases:
            self._records.remove_lease(lease)
        return leases


def _check_wanted(network: Network, address: IPv4Address, held: Collection[IPv4Address]) -> None:
    edges = (network.subnet.network_address, network.subnet.broadcast_address)
    if address not in network.subnet or address in edges:
        raise InvalidParameter(f"requested address {address} is out of range: network {network.name} has {network.subnet}")
    if address in held or address in network.reserved:
        raise Forbidden(f"address already in use: {address} of network {network.name}")
