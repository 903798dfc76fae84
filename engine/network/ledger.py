"""Who holds which subnet and address: in memory, with a record on disk for each.

Knows nothing of devices. Used from one thread; values may be read from others.
"""

import secrets
import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

from engine.core.addresses import Pool, choose_address, choose_subnet
from engine.core.tenants import Tenant
from engine.network.model import DEFAULT_NETWORK, Lease, Network
from engine.network.records import Records


class Ledger:
    """Networks by id, leases by container id."""

    def __init__(self, records: Records, pools: Sequence[Pool]) -> None:
        self._records = records
        self._pools = pools
        self._last: dict[str, IPv4Address] = {}  # the address given last, by network id
        self.networks = {network.network_id: network for network in records.load_networks()}
        loaded = (lease for network in self.networks.values() for lease in records.load_leases(network))
        self.leases = {lease.container_id: lease for lease in loaded}

    def default_network(self, tenant: Tenant) -> Network | None:
        """Return the tenant's own default network, if it has one yet."""
        for network in list(self.networks.values()):
            if network.owner == tenant and network.name == DEFAULT_NETWORK:
                return network
        return None

    def add_network(self, tenant: Tenant, taken: Iterable[IPv4Network]) -> Network:
        """Make the tenant's default network on a subnet that is free here and overlaps none of ``taken``."""
        own = [network.subnet for network in self.networks.values()]
        network = Network(
            network_id=secrets.token_hex(32),
            name=DEFAULT_NETWORK,
            owner=tenant,
            subnet=choose_subnet(self._pools, [*own, *taken]),
            created_ns=time.time_ns(),
        )
        self._records.save_network(network)
        self.networks[network.network_id] = network
        return network

    def remove_network(self, network: Network) -> None:
        del self.networks[network.network_id]
        self._last.pop(network.network_id, None)
        self._records.remove_network(network)

    def leases_of(self, network: Network) -> list[Lease]:
        return [lease for lease in list(self.leases.values()) if lease.network_id == network.network_id]

    def idle_networks(self) -> list[Network]:
        """Return the networks without a lease, oldest first."""
        busy = {lease.network_id for lease in self.leases.values()}
        return [network for network in self.networks.values() if network.network_id not in busy]

    def add_lease(
        self, network: Network, *, container_id: str, hostname: str, aliases: Sequence[str], avoid: Collection[IPv4Address]
    ) -> Lease:
        """Give a container an address of the network, but none of ``avoid``."""
        taken = {lease.address for lease in self.leases_of(network)} | set(avoid)
        lease = Lease(
            container_id=container_id,
            network_id=network.network_id,
            endpoint_id=secrets.token_hex(32),
            address=choose_address(network.subnet, taken, self._last.get(network.network_id)),
            hostname=hostname,
            aliases=tuple(aliases),
        )
        self._records.save_lease(lease)
        self.leases[container_id] = lease
        self._last[network.network_id] = lease.address
        return lease

    def rename_lease(self, container_id: str, *, old: str, new: str) -> None:
        """Let a container be known by another name; nothing for one without a lease."""
        lease = self.leases.get(container_id)
        if lease is not None:
            renamed = replace(lease, aliases=tuple(new if alias == old else alias for alias in lease.aliases))
            self._records.save_lease(renamed)
            self.leases[container_id] = renamed

    def remove_lease(self, container_id: str) -> Lease | None:
        """Give an address back; None when the container has none."""
        lease = self.leases.pop(container_id, None)
        if lease is not None:
            self._records.remove_lease(lease)
        return lease
