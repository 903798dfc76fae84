"""Networks as such: their subnets, bridges and rules in step, made when asked for or, the default ones, when first needed.

Blocking, and used from one thread. Knows no container; attachments.py puts those on.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network

from engine.core.addresses import Subnet
from engine.core.admitting import Admit, admit_all
from engine.core.destinations import Reach
from engine.core.networks import BRIDGE_NAME_OPTION, NetworkRequest, check_not_around_host
from engine.core.tenants import Tenant
from engine.errors import Conflict, EngineError, Fault, Forbidden, NotFound, QuotaExceeded, Unavailable
from engine.network.devices import Devices, has_device, has_ipv6
from engine.network.firewall import Firewall
from engine.network.ledger import Ledger
from engine.network.model import DEFAULT_NETWORK, Network
from engine.network.names import bridge_prefix, device_range, veth_prefix
from engine.network.reaches import Reaches
from engine.network.surroundings import Surroundings
from engine.network.zones import Zone

_log = logging.getLogger(__name__)
_ATTEMPTS = 8
_MOST_OF_A_TENANT = 128  # the pool of subnets is for all


class Bridges:
    """The networks of a ledger on this host."""

    def __init__(
        self, *, ledger: Ledger, devices: Devices, firewall: Firewall, reaches: Reaches, admit: Admit = admit_all
    ) -> None:
        self._ledger = ledger
        self._reaches = reaches
        self._admit = admit
        self._devices = devices
        self._firewall = firewall

    def find(self, tenant: Tenant, name: str) -> Network:
        """Return the tenant's network of a name with its bridge in place. Raises NotFound, Unavailable, Conflict, OSError."""
        if name == DEFAULT_NETWORK:
            return self._find_default(tenant)
        network = self._ledger.find_network(tenant, name)
        if network is None:
            raise NotFound(f"network {name} not found")
        if not self._devices.is_ready(network):
            self._raise_again(network)
        return network

    def create(self, tenant: Tenant, request: NetworkRequest) -> Network:
        """Make a network. Raises Conflict for its name, Forbidden for its subnet, QuotaExceeded, Unavailable, OSError."""
        if self._ledger.find_network(tenant, request.name) is not None:
            raise Conflict(f"network with name {request.name} already exists")
        self._check_share(tenant)
        self._admit(tenant, "networks", requested=1, used=self._ledger.count_networks)
        if request.has_ipv6 and not has_ipv6():
            raise Unavailable("IPv6 is switched off in this host's kernel: make the network without it")
        if name := request.options.get(BRIDGE_NAME_OPTION):
            self._check_device_name(name)
        outside = self._devices.look_around(self._ledger.subnets())
        if request.ipam.subnet6 is not None:
            self._check_free(request.ipam.subnet6, [*self._ledger.subnets6(), *outside.taken6])
            if not tenant.is_administrator:
                check_not_around_host(request.ipam.subnet6, outside.beside6)
        if request.ipam.subnet is None:
            return self._raise_bridge(tenant, None, outside, request)
        self._check_free(request.ipam.subnet, [*self._ledger.subnets(), *outside.taken])
        self._check_numbers(request.ipam.subnet)
        if not tenant.is_administrator:
            check_not_around_host(request.ipam.subnet, outside.beside)
        return self._raise_chosen(self._ledger.add_network(tenant, (), request, outside.taken6))

    def zone_of(self, network: Network) -> Zone:
        """Return what the firewall has to know of a network."""
        return Zone(
            network.subnet,
            inward=network.internal,
            quiet=not network.icc,
            subnet6=network.subnet6,
            bare=not network.masquerade,
            reach=self._reaches.of(network.owner),
        )

    def set_reaches(self, by_tenant: Mapping[Tenant, Reach]) -> None:
        """Let tenants reach other places than before, all from the same moment. Raises OSError."""
        networks = list(self._ledger.networks.values())
        before = list(map(self.zone_of, networks))
        self._reaches.replace(by_tenant)
        self._firewall.change_networks(dict(zip(before, map(self.zone_of, networks), strict=True)))

    def remove(self, network_id: str) -> Network:
        """Remove a network that no running container is on. Raises NotFound, Forbidden, OSError."""
        network = self._ledger.networks.get(network_id)
        if network is None:
            raise NotFound(f"network {network_id} not found")
        if leases := self._ledger.leases_of(network):
            users = ", ".join(f'name:"{"".join(lease.aliases[:1])}" id:"{lease.endpoint_id[:12]}"' for lease in leases)
            raise Forbidden(f"error while removing network: network {network.name} has active endpoints ({users})")
        self._devices.remove_bridge(network)
        self._drop(network)
        return network

    def remove_strays(self) -> None:
        """Delete bridges that a daemon which was killed has left without a network."""
        self._devices.remove_stray_bridges(network.subnet for network in self._ledger.networks.values())

    def complete(self) -> None:
        """Finish bridges that a daemon which was killed has left without an address. Raises OSError."""
        outside = self._devices.look_around()
        routed = {*outside.routed, *outside.routed6}
        for network in self._ledger.networks.values():
            subnets = {network.subnet, *([network.subnet6] if network.subnet6 is not None else [])}
            if not subnets <= routed and self._devices.has_bridge(network):
                self._raise(network)

    def restore(self) -> bool:
        """Make bridges again that containers are on and that are gone; tell whether there were such. Failures are logged."""
        lost = [
            one for one in self._ledger.networks.values() if self._ledger.leases_of(one) and not self._devices.has_bridge(one)
        ]
        for network in lost:
            _log.warning("the bridge of network %s was removed by another program, making it again", network.name)
            try:
                self._raise_again(network)
            except (EngineError, OSError) as error:
                _log.error("containers on network %s have lost it until they start anew: %s", network.name, error)
        return bool(lost)

    def _check_share(self, tenant: Tenant) -> None:
        own = sum(network.owner == tenant and not network.is_default for network in self._ledger.networks.values())
        if own >= _MOST_OF_A_TENANT and not tenant.is_administrator:
            raise QuotaExceeded(
                f"too many networks: {tenant.name} has {own} and may have {_MOST_OF_A_TENANT}, remove some",
                resource="networks",
                limit=_MOST_OF_A_TENANT,
                used=own,
                requested=1,
                tenant=tenant.name,
            )

    def _check_device_name(self, name: str) -> None:
        if name.startswith((bridge_prefix(self._devices.instance), veth_prefix(self._devices.instance))) or has_device(name):
            raise Conflict(f"bridge name {name} is used by a device of this host: choose another one")

    @staticmethod
    def _check_free(subnet: Subnet, taken: Iterable[Subnet]) -> None:
        """Nothing is told of who has it: that may be another tenant."""
        if _overlaps(subnet, taken):
            raise Forbidden(
                f"pool overlaps with other one on this address space: subnet {subnet} is used by a network or a route of this"
                " host, choose another one"
            )

    def _check_numbers(self, subnet: IPv4Network) -> None:
        wanted = device_range(subnet)
        if any(wanted.overlaps(device_range(other)) for other in self._ledger.subnets()):
            raise Forbidden(f"subnet {subnet} cannot be used beside the networks that are there: choose another one")

    def _raise_chosen(self, network: Network) -> Network:
        try:
            self._raise(network)
        except FileExistsError:
            self._drop(network)
            raise Conflict(f"subnet {network.subnet} is used by another program of this host: choose another one") from None
        except OSError:
            self._drop(network)
            raise
        return network

    def _raise_again(self, network: Network) -> None:
        """The bridge went with the host's restart, or somebody deleted it."""
        if not self._devices.has_bridge(network):
            outside = self._devices.look_around()
            self._check_still_free(network, network.subnet, outside.routed)
            if network.subnet6 is not None:
                self._check_still_free(network, network.subnet6, outside.routed6)
        try:
            self._raise(network)
        except FileExistsError as error:
            raise Fault(f"network {network.name} cannot be used: a device of another program is in the way") from error

    @staticmethod
    def _check_still_free(network: Network, subnet: Subnet, routed: Iterable[Subnet]) -> None:
        if _overlaps(subnet, routed):
            raise Unavailable(
                f"network {network.name} cannot be used: this host has got another way to {subnet}; make the network anew"
            )

    def _raise(self, network: Network) -> None:
        """Rules first, devices second. Containers that are on the network lost their way with its bridge, and get it again."""
        is_new = not self._devices.has_bridge(network)
        self._firewall.add_network(self.zone_of(network))
        self._devices.add_bridge(network)
        for lease in self._ledger.leases_of(network) if is_new else ():
            self._devices.plug_again(network, lease)

    def _find_default(self, tenant: Tenant) -> Network:
        network = self._ledger.default_network(tenant)
        if network is not None and self._devices.is_ready(network):
            return network
        outside = self._devices.look_around(self._ledger.subnets())
        if network is not None and self._is_in_the_way(network, outside.taken):
            self._drop(network)
            network = None
        return self._raise_bridge(tenant, network, outside, NetworkRequest(DEFAULT_NETWORK))

    def _is_in_the_way(self, network: Network, taken: Sequence[IPv4Network]) -> bool:
        """The host may have got a route to the subnet while the bridge was away; a network that nobody is on can move."""
        if self._devices.has_bridge(network) or self._ledger.leases_of(network):
            return False
        return _overlaps(network.subnet, taken)

    def _raise_bridge(self, tenant: Tenant, network: Network | None, outside: Surroundings, request: NetworkRequest) -> Network:
        taken = list(outside.taken)
        for _ in range(_ATTEMPTS):
            network = network or self._new_network(tenant, taken, request, outside.taken6)
            try:
                self._raise(network)
            except FileExistsError:
                # Another engine took the same subnet between our look at the routes and now.
                taken.append(network.subnet)
                self._drop(network)
                network = None
            except OSError:
                self._drop(network)
                raise
            else:
                return network
        raise Unavailable(f"no subnet for tenant {tenant.name!r} could be used: devices of other programs are in the way")

    def _new_network(
        self, tenant: Tenant, taken: Sequence[IPv4Network], request: NetworkRequest, taken6: Sequence[IPv6Network]
    ) -> Network:
        try:
            return self._ledger.add_network(tenant, taken, request, taken6)
        except Unavailable:
            idle = self._ledger.idle_networks()
            if not idle:
                raise
            self._devices.remove_bridge(idle[0])
            self._drop(idle[0])
            # Its own routes were among those found.
            left = [subnet for subnet in taken if not subnet.subnet_of(idle[0].subnet)]
            return self._ledger.add_network(tenant, left, request, taken6)

    def _drop(self, network: Network) -> None:
        self._ledger.remove_network(network)
        self._firewall.remove_network(self.zone_of(network))


def _overlaps(subnet: Subnet, others: Iterable[Subnet]) -> bool:
    first, last = int(subnet.network_address), int(subnet.broadcast_address)
    same = (other for other in others if other.version == subnet.version)
    return any(first <= int(other.broadcast_address) and int(other.network_address) <= last for other in same)
