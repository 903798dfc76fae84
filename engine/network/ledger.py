"""Who holds which subnet and address: in memory, with a record on disk for each.

Knows nothing of devices. Used from one thread; values may be read from others.
"""

import secrets
import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from engine.core.addresses import Pool, choose_address, choose_address6, choose_subnet, choose_subnet6, mac_address
from engine.core.networks import NetworkJoin, NetworkRequest
from engine.core.tenants import Tenant
from engine.errors import Forbidden, InvalidParameter, Unavailable
from engine.network.members import MOST_MEMBERS, Members
from engine.network.model import DEFAULT_NETWORK, Lease, Network
from engine.network.names import builtin_network_id
from engine.network.records import Records

_NOTHING_ASKED = NetworkJoin(DEFAULT_NETWORK)


class Ledger:
    """Networks by id; the leases of a container, in the order of its interfaces, by its id."""

    def __init__(self, records: Records, pools: Sequence[Pool], *, instance: str = "") -> None:
        self._instance = instance
        self._records = records
        self._pools = pools
        self._last: dict[str, IPv4Address] = {}  # the address given last, by network id
        self._last6: dict[str, IPv6Address] = {}
        self._named: dict[tuple[Tenant, str], Network] = {}
        self._members: dict[str, Members] = {}  # by network id
        self.networks: dict[str, Network] = {}
        self.leases: dict[str, tuple[Lease, ...]] = {}
        for network in records.load_networks():
            self._enter_network(network)
            for lease in records.load_leases(network):
                self._enter(lease)

    def _enter_network(self, network: Network) -> None:
        self._members[network.network_id] = Members()
        self._named.setdefault((network.owner, network.name), network)
        self.networks[network.network_id] = network

    def _enter(self, lease: Lease) -> None:
        """Also in place of the one on the same network."""
        others = (one for one in self.leases.get(lease.container_id, ()) if one.network_id != lease.network_id)
        self.leases[lease.container_id] = tuple(sorted((*others, lease), key=lambda one: one.number))
        self._members[lease.network_id].add(lease)

    def default_network(self, tenant: Tenant) -> Network | None:
        """Return the tenant's own default network, if it has one yet."""
        return self.find_network(tenant, DEFAULT_NETWORK)

    def find_network(self, owner: Tenant, name: str) -> Network | None:
        """Return the owner's network of a name."""
        return self._named.get((owner, name))

    def count_networks(self, tenant: Tenant) -> int:
        """Return how many a tenant and its members have asked for; those that all have by themselves do not count."""
        return sum(tenant.sees(network.owner) and not network.is_default for network in self.networks.values())

    def add_network(
        self,
        tenant: Tenant,
        taken: Iterable[IPv4Network],
        request: NetworkRequest | None = None,
        taken6: Iterable[IPv6Network] = (),
    ) -> Network:
        """Make a network, the tenant's default one without a request, on subnets that are free here and in ``taken``.

        A subnet that was chosen is not looked at. Raises Unavailable when the pools are used up.
        """
        wanted = request or NetworkRequest(DEFAULT_NETWORK)
        network = Network(
            network_id=self._new_id(tenant, wanted.name),
            name=wanted.name,
            owner=tenant,
            subnet=wanted.ipam.subnet or choose_subnet(self._pools, [*self.subnets(), *taken]),
            subnet6=self._subnet6(wanted, taken6),
            created_ns=time.time_ns(),
            ipam=wanted.ipam,
            internal=wanted.internal,
            labels=wanted.labels,
            options=wanted.options,
            attachable=wanted.attachable,
        )
        self._records.save_network(network)
        self._enter_network(network)
        return network

    def _new_id(self, tenant: Tenant, name: str) -> str:
        """That of a default network is known before it is there."""
        is_default = name == DEFAULT_NETWORK
        return builtin_network_id(self._instance, tenant.name, name) if is_default else secrets.token_hex(32)

    def _subnet6(self, wanted: NetworkRequest, taken: Iterable[IPv6Network]) -> IPv6Network | None:
        if wanted.ipam.subnet6 is None and wanted.has_ipv6:
            return choose_subnet6(self._pools, [*self.subnets6(), *taken])
        return wanted.ipam.subnet6

    def subnets(self) -> list[IPv4Network]:
        """Return the subnets of all networks."""
        return [network.subnet for network in self.networks.values()]

    def subnets6(self) -> list[IPv6Network]:
        """Return the IPv6 subnets of all networks that have one."""
        return [network.subnet6 for network in self.networks.values() if network.subnet6 is not None]

    def remove_network(self, network: Network) -> None:
        """Forget a network; nothing for one that is forgotten already."""
        if self._named.get((network.owner, network.name)) is network:
            del self._named[network.owner, network.name]
        self.networks.pop(network.network_id, None)
        self._members.pop(network.network_id, None)
        self._last.pop(network.network_id, None)
        self._last6.pop(network.network_id, None)
        self._records.remove_network(network)

    def leases_of(self, network: Network) -> list[Lease]:
        """Return the leases of a network."""
        members = self._members.get(network.network_id)
        return list(members.leases.values()) if members is not None else []

    def all_leases(self) -> list[Lease]:
        return [lease for leases in list(self.leases.values()) for lease in leases]

    def lease_on(self, container_id: str, network: Network) -> Lease | None:
        """Return a container's lease on a network."""
        members = self._members.get(network.network_id)
        return members.leases.get(container_id) if members is not None else None

    def idle_networks(self) -> list[Network]:
        """Return the default networks without a lease, oldest first: each is made again when it is needed."""
        return [one for one in self.networks.values() if one.is_default and not self._members[one.network_id].leases]

    def add_lease(
        self,
        network: Network,
        *,
        container_id: str,
        hostname: str,
        aliases: Sequence[str],
        avoid: Collection[IPv4Address],
        wanted: NetworkJoin = _NOTHING_ASKED,
    ) -> Lease:
        """Give a container the addresses of the network that are ``wanted``, or else any but those of ``avoid``.

        Raises Unavailable, Forbidden for an address that is held, InvalidParameter for one that cannot be.
        """
        members = self._members[network.network_id]
        if len(members.leases) >= MOST_MEMBERS:
            raise Unavailable(f"network {network.name} is full: {MOST_MEMBERS} containers are on it, use another network")
        address = self._address(network, members, wanted.address, avoid)
        mac = wanted.mac or mac_address(address)
        if mac in members.macs or mac == mac_address(network.gateway):
            raise Forbidden(f"MAC address already in use: {mac} on network {network.name}, choose another one")
        lease = Lease(
            container_id=container_id,
            network_id=network.network_id,
            endpoint_id=secrets.token_hex(32),
            address=address,
            address6=self._address6(network, members, wanted.address6),
            hostname=hostname,
            aliases=tuple(aliases),
            number=self._free_number(container_id),
            mac=mac,
        )
        self._records.save_lease(lease)
        self._enter(lease)
        return lease

    def _address(self, network: Network, members: Members, wanted: str, avoid: Collection[IPv4Address]) -> IPv4Address:
        if wanted:
            return _check_wanted(network, IPv4Address(wanted), members.addresses)
        address = choose_address(
            network.subnet,
            members.addresses | members.claimed | set(avoid),
            self._last.get(network.network_id),
            reserved=network.reserved,
            within=network.ipam.ip_range,
        )
        self._last[network.network_id] = address
        return address

    def _address6(self, network: Network, members: Members, wanted: str) -> IPv6Address | None:
        if wanted:
            return _check_wanted6(network, IPv6Address(wanted), members.addresses6)
        if network.subnet6 is None:
            return None
        address = choose_address6(
            network.subnet6,
            members.addresses6,
            self._last6.get(network.network_id),
            reserved=network.reserved6,
            within=network.ipam.ip_range6,
        )
        self._last6[network.network_id] = address
        return address

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
        self._leave(lease)

    def remove_leases(self, container_id: str) -> tuple[Lease, ...]:
        """Give all addresses of a container back; return what it held."""
        leases = self.leases.pop(container_id, ())
        for lease in leases:
            self._leave(lease)
        return leases

    def _leave(self, lease: Lease) -> None:
        if (members := self._members.get(lease.network_id)) is not None:
            members.remove(lease.container_id)
        self._records.remove_lease(lease)


def _check_wanted(network: Network, address: IPv4Address, held: Collection[IPv4Address]) -> IPv4Address:
    edges = (network.subnet.network_address, network.subnet.broadcast_address)
    if address not in network.subnet or address in edges:
        raise InvalidParameter(f"requested address {address} is out of range: network {network.name} has {network.subnet}")
    if address in held or address in network.reserved:
        raise Forbidden(f"address already in use: {address} of network {network.name}")
    return address


def _check_wanted6(network: Network, address: IPv6Address, held: Collection[IPv6Address]) -> IPv6Address:
    subnet = network.subnet6
    if subnet is None or address not in subnet or address == subnet.network_address:
        has = f"has {subnet}" if subnet else "has no IPv6"
        raise InvalidParameter(f"requested address {address} is out of range: network {network.name} {has}")
    if address in held or address in network.reserved6:
        raise Forbidden(f"address already in use: {address} of network {network.name}")
    return address
