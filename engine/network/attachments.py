"""Putting containers on their tenant's network and taking them off again: ledger, devices and firewall in step.

Blocking, and used from one thread; manager.py is the way in for the rest of the engine.
"""

import logging
from collections.abc import Collection, Sequence
from contextlib import ExitStack
from functools import partial
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import NamedTuple

from engine.core.tenants import Tenant
from engine.errors import Unavailable
from engine.linux.netlink import routed_subnets
from engine.network.devices import Devices, inner_messages
from engine.network.firewall import Firewall
from engine.network.ledger import Ledger
from engine.network.model import Endpoint, Lease, Network, endpoint_of
from engine.network.resolver import nameserver_subnets

_log = logging.getLogger(__name__)
_IP_FORWARD = Path("/proc/sys/net/ipv4/ip_forward")
_ATTEMPTS = 8


class _Reservation(NamedTuple):
    """An endpoint before its devices are there. ``veth``: what makes them; encoding it takes longer than the kernel does."""

    endpoint: Endpoint
    veth: bytes


class Attachments:
    """Made where and when the engine starts; raises OSError when the host lacks what is needed."""

    def __init__(self, *, instance: str, ledger: Ledger) -> None:
        self.ledger = ledger
        self._reserved: dict[str, _Reservation] = {}
        self._parting: set[IPv4Address] = set()  # given back, but the kernel may still be taking the veth down
        with ExitStack() as undo:
            self._devices = Devices(instance)
            undo.callback(self._devices.close)
            self._firewall = Firewall(instance)
            undo.callback(self._firewall.close)
            self._install_firewall()
            _forward_packets()
            undo.pop_all()

    def _install_firewall(self) -> None:
        """Rules for all records, also for networks whose bridge is not there yet: rules first, devices second."""
        subnets = [network.subnet for network in self.ledger.networks.values()]
        self._firewall.install(subnets, [lease.address for lease in self.ledger.leases.values()])

    def reserve(self, *, container_id: str, tenant: Tenant, hostname: str, aliases: Sequence[str]) -> Endpoint:
        """Lease an address and see to the bridge and the firewall; on failure nothing of it stays.

        Raises Unavailable when no subnet or address is free, and OSError.
        """
        self.detach(container_id)
        network = self._ensure_network(tenant)
        with ExitStack() as undo:
            undo.callback(self.ledger.remove_lease, container_id)
            lease = self._lease(network, container_id=container_id, hostname=hostname, aliases=aliases)
            undo.callback(self._firewall.remove_lease, lease.address)
            # The guard's element first: the interface never speaks unguarded, nor is its first packet lost.
            self._firewall.add_lease(lease.address)
            endpoint = endpoint_of(network, lease, inner_messages(network, lease))
            self._reserved[container_id] = _Reservation(endpoint, self._devices.plan_veth(network, lease))
            undo.pop_all()
        return endpoint

    def attach(self, *, container_id: str, tenant: Tenant, netns_fd: int, hostname: str, aliases: Sequence[str]) -> Endpoint:
        """Put a veth into the network namespace, at the address that is reserved or else now; on failure nothing of it stays.

        Raises Unavailable when no subnet or address is free, and OSError.
        """
        reserve = partial(self.reserve, container_id=container_id, tenant=tenant, hostname=hostname, aliases=aliases)
        found = self._reserved.get(container_id)
        endpoint = found.endpoint if found is not None else reserve()
        for _ in range(_ATTEMPTS):
            try:
                self._plug(container_id, netns_fd)
            except FileExistsError:
                # A veth of a daemon that died may still hold the name; its address rests until the next sweep.
                endpoint = reserve()
            else:
                return endpoint
        self.detach(container_id)
        raise Unavailable(f"no address beside {endpoint.address} could be used: devices of other programs are in the way")

    def _lease(self, network: Network, *, container_id: str, hostname: str, aliases: Sequence[str]) -> Lease:
        lease = partial(self.ledger.add_lease, network, container_id=container_id, hostname=hostname, aliases=aliases)
        try:
            return lease(avoid=self._parting)
        except Unavailable:
            self.sweep()
            return lease(avoid=self._parting)

    def _plug(self, container_id: str, netns_fd: int) -> None:
        """Make the veth of what is reserved; that ends the reservation."""
        veth = self._reserved.pop(container_id).veth
        try:
            self._devices.add_veth(veth, self.ledger.leases[container_id], netns_fd)
        except OSError:
            self.detach(container_id)
            raise

    def _ensure_network(self, tenant: Tenant) -> Network:
        """Return the tenant's network with its bridge in place."""
        network = self.ledger.default_network(tenant)
        if network is not None and self._devices.is_ready(network):
            return network
        taken = [*routed_subnets(), *nameserver_subnets()]
        if network is not None and self._is_in_the_way(network, taken):
            self._drop_network(network)
            network = None
        return self._raise_bridge(tenant, network, taken)

    def _is_in_the_way(self, network: Network, taken: Sequence[IPv4Network]) -> bool:
        """The host may have got a route to the subnet while the bridge was away; a network that nobody is on can move."""
        if self._devices.has_bridge(network) or self.ledger.leases_of(network):
            return False
        return any(network.subnet.overlaps(subnet) for subnet in taken)

    def _raise_bridge(self, tenant: Tenant, network: Network | None, taken: list[IPv4Network]) -> Network:
        for _ in range(_ATTEMPTS):
            network = network or self._new_network(tenant, taken)
            try:
                self._firewall.add_network(network.subnet)
                self._devices.add_bridge(network)
            except FileExistsError:
                # Another engine took the same subnet between our look at the routes and now.
                taken.append(network.subnet)
                self._drop_network(network)
                network = None
            except OSError:
                self._drop_network(network)
                raise
            else:
                return network
        raise Unavailable(f"no subnet for tenant {tenant.name!r} could be used: devices of other programs are in the way")

    def _new_network(self, tenant: Tenant, taken: Sequence[IPv4Network]) -> Network:
        try:
            return self.ledger.add_network(tenant, taken)
        except Unavailable:
            idle = self.ledger.idle_networks()
            if not idle:
                raise
            self._remove_network(idle[0])
            # Its own routes were among those found.
            return self.ledger.add_network(tenant, [subnet for subnet in taken if not subnet.subnet_of(idle[0].subnet)])

    def _remove_network(self, network: Network) -> None:
        self.sweep()
        self._devices.remove_bridge(network)
        self._drop_network(network)

    def _drop_network(self, network: Network) -> None:
        self.ledger.remove_network(network)
        self._firewall.remove_network(network.subnet)

    def detach(self, container_id: str) -> bool:
        """Give the container's address back; tell whether it had one. Its veth goes with its network namespace."""
        self._reserved.pop(container_id, None)
        lease = self.ledger.remove_lease(container_id)
        if lease is None:
            return False
        self._firewall.remove_lease(lease.address)
        self._parting.add(lease.address)
        return True

    def sweep(self) -> None:
        """Delete veths of addresses given back whose network namespace somebody else keeps alive."""
        for address in self._parting:
            self._devices.remove_veth(address)
        self._parting.clear()

    def restore_firewall(self) -> None:
        self._firewall.restore()

    def reconcile(self, live: Collection[str]) -> None:
        """Give back what containers hold that are not ``live``, and delete veths that nobody holds."""
        for container_id in set(self.ledger.leases) - set(live):
            _log.info("container %s is gone: its address is free again", container_id[:12])
            self.detach(container_id)
        held = {lease.address for lease in self.ledger.leases.values()}
        self._parting.update(self._devices.strays(held))
        self.sweep()

    def remove_all(self) -> None:
        """Take all devices and rules of this engine off the host; the networks' records stay."""
        for container_id in list(self.ledger.leases):
            self.ledger.remove_lease(container_id)
        self._devices.remove_all()
        self._firewall.remove()

    def close(self) -> None:
        self._firewall.close()
        self._devices.close()


def _forward_packets() -> None:
    """The host has to route between its bridges and its way out; it stays so, as other programs may have come to rely on it."""
    if _IP_FORWARD.read_text().strip() == "0":
        _IP_FORWARD.write_text("1")
        _log.info("net.ipv4.ip_forward was 0 and is now 1")
