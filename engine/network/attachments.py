"""Putting containers on networks and taking them off again: ledger, devices and firewall in step.

Blocking, and used from one thread; manager.py is the way in for the rest of the engine.
"""

import errno
import logging
from collections.abc import Collection, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from ipaddress import IPv4Address
from pathlib import Path
from typing import NamedTuple

from engine.core.admitting import Admit, admit_all
from engine.core.destinations import Reach
from engine.core.networks import NetworkJoin, NetworkRequest
from engine.core.tenants import Tenant
from engine.errors import Forbidden, NotFound, Unavailable
from engine.network.bridges import Bridges
from engine.network.devices import Devices, inner_messages, way_out6_messages, way_out_messages
from engine.network.firewall import Firewall
from engine.network.kept_namespaces import KeptNamespaces
from engine.network.ledger import Ledger
from engine.network.model import DEFAULT_NETWORK, Endpoint, Lease, Network, endpoint_of
from engine.network.names_upkeep import NamesUpkeep
from engine.network.neighbour_tables import widen_neighbour_tables
from engine.network.port_records import PortRecords
from engine.network.publications import Publications
from engine.network.rates import NO_RATES, Rates
from engine.network.reaches import Reaches
from engine.network.ruleset import guard_of
from engine.network.sandbox import configure
from engine.network.shaping import Port, Shaper

_log = logging.getLogger(__name__)
_IP_FORWARD = Path("/proc/sys/net/ipv4/ip_forward")
_ATTEMPTS = 8


@dataclass(frozen=True, slots=True)
class Guest:
    """A container that is to be on networks, the first of them its eth0."""

    container_id: str
    tenant: Tenant
    hostname: str
    names: tuple[str, ...] = ()  # on each network, its own first
    joins: tuple[NetworkJoin, ...] = (NetworkJoin(DEFAULT_NETWORK),)
    rates: Rates = NO_RATES  # its own; those of its tenant hold as well
    servers: tuple[str, ...] = ()  # that it wants its resolver to ask


class _Reservation(NamedTuple):
    """An endpoint before its devices are there. ``veth``: what makes them; encoding it takes longer than the kernel does."""

    network: Network
    endpoint: Endpoint
    lease: Lease
    veth: bytes


class Attachments:
    """Made where and when the engine starts; raises OSError when the host lacks what is needed."""

    def __init__(
        self,
        *,
        instance: str,
        ledger: Ledger,
        port_records: PortRecords,
        names: NamesUpkeep,
        reaches: Reaches | None = None,
        admit: Admit = admit_all,
    ) -> None:
        self.ledger = ledger
        self.names = names
        self._reserved: dict[str, list[_Reservation]] = {}
        self._kept = KeptNamespaces()
        self._parting: set[IPv4Address] = set()  # given back, but the kernel may still be taking the veth down
        with ExitStack() as undo:
            self._devices = Devices(instance)
            undo.callback(self._devices.close)
            self._firewall = Firewall(instance)
            undo.callback(self._firewall.close)
            self.shaper = Shaper(instance)
            undo.callback(self.shaper.close)
            self.bridges = Bridges(
                ledger=ledger, devices=self._devices, firewall=self._firewall, reaches=reaches or Reaches(), admit=admit
            )
            self.publications = Publications(
                instance=instance,
                records=port_records,
                ledger=ledger,
                firewall=self._firewall,
                devices=self._devices,
                admit=admit,
            )
            undo.callback(self.publications.close)
            self._install_firewall()
            _forward_packets()
            widen_neighbour_tables()
            undo.pop_all()

    def _install_firewall(self) -> None:
        """Rules for all records, also for networks whose bridge is not there yet: rules first, devices second."""
        zones = [self.bridges.zone_of(network) for network in self.ledger.networks.values()]
        self._firewall.install(zones, [guard_of(lease) for lease in self.ledger.all_leases()], self.publications.forwards)

    def create_network(self, tenant: Tenant, request: NetworkRequest) -> Network:
        """Make a network, and see to it that its names are answered. Raises as ``Bridges.create``."""
        network = self.bridges.create(tenant, request)
        self.names.prepare(network)
        return network

    def set_reaches(self, by_tenant: Mapping[Tenant, Reach]) -> None:
        """Let tenants reach other places outside of the host than before. Raises OSError."""
        self.bridges.set_reaches(by_tenant)
        self.names.refresh_all()

    def reserve(self, guest: Guest) -> tuple[Endpoint, ...]:
        """Lease addresses and see to bridges and firewall; on failure nothing of it stays.

        Raises NotFound, InvalidParameter, Forbidden, Unavailable when no subnet or address is free, and OSError.
        """
        self.detach(guest.container_id)
        networks = [self.bridges.find(guest.tenant, join.network) for join in guest.joins]
        way_out = next((network for network in networks if not network.internal), None)
        way_out6 = next((network for network in networks if not network.internal and network.subnet6), None)
        with ExitStack() as undo:
            undo.callback(self.detach, guest.container_id)
            made = [
                self._reserve(guest, network, join, is_way_out=network is way_out, is_way_out6=network is way_out6)
                for network, join in zip(networks, guest.joins, strict=True)
            ]
            self._reserved[guest.container_id] = self._with_names(made)
            undo.pop_all()
        return tuple(one.endpoint for one in self._reserved[guest.container_id])

    def _reserve(self, guest: Guest, network: Network, join: NetworkJoin, *, is_way_out: bool, is_way_out6: bool) -> _Reservation:
        lease = self._lease(guest, network, join)
        # The guard's element first: the interface never speaks unguarded, nor is its first packet lost.
        self._firewall.add_lease(guard_of(lease))
        messages = inner_messages(network, lease, is_way_out=is_way_out, is_way_out6=is_way_out6)
        endpoint = endpoint_of(network, lease, messages)
        return _Reservation(network, endpoint, lease, self._devices.plan_veth(network, lease))

    def _with_names(self, made: list[_Reservation]) -> list[_Reservation]:
        """Add what lets the container ask for names, if it is on a network that has any, to its last endpoint's messages."""
        messages = next(filter(None, (self.names.messages(one.network) for one in made)), ())
        *others, last = made
        endpoint = replace(last.endpoint, netlink=(*last.endpoint.netlink, *messages))
        return [*others, last._replace(endpoint=endpoint)]

    def _lease(self, guest: Guest, network: Network, join: NetworkJoin) -> Lease:
        if join.address and IPv4Address(join.address) in self._parting:
            self.sweep()
        lease = partial(
            self.ledger.add_lease,
            network,
            container_id=guest.container_id,
            hostname=guest.hostname,
            aliases=tuple(dict.fromkeys((*guest.names, *join.aliases))),
            wanted=join,
        )
        try:
            return lease(avoid=self._parting)
        except Unavailable:
            self.sweep()
            return lease(avoid=self._parting)

    def attach(self, guest: Guest, netns_fd: int) -> tuple[Endpoint, ...]:
        """Put veths into the network namespace, at the addresses reserved or else now; on failure nothing of it stays.

        Raises as ``reserve``.
        """
        found = self._reserved.get(guest.container_id)
        endpoints = tuple(one.endpoint for one in found) if found is not None else self.reserve(guest)
        for _ in range(_ATTEMPTS):
            try:
                self._plug(guest, netns_fd)
            except FileExistsError:
                # A veth of a daemon that died may still hold a name; its address rests until the next sweep.
                if len(guest.joins) > 1 or any(join.address for join in guest.joins):
                    self.sweep()
                endpoints = self.reserve(guest)
            else:
                self._arrive(guest, netns_fd)
                return endpoints
        self.detach(guest.container_id)
        addresses = ", ".join(endpoint.address for endpoint in endpoints)
        raise Unavailable(f"no address beside {addresses} could be used: devices of other programs are in the way")

    def _plug(self, guest: Guest, netns_fd: int) -> None:
        """Make the veths of what is reserved; that ends the reservation."""
        try:
            for one in self._reserved.pop(guest.container_id):
                self._devices.add_veth(one.veth, one.lease, netns_fd, isolated=not one.network.icc)
                self._shape(guest, one)
        except OSError:
            self.detach(guest.container_id)
            raise

    def _arrive(self, guest: Guest, netns_fd: int) -> None:
        try:
            self._kept.keep(guest.container_id, netns_fd)
            self.names.arrive(guest.container_id, guest.joins, guest.servers, netns_fd)
        except OSError:
            self.detach(guest.container_id)
            raise

    def _shape(self, guest: Guest, made: _Reservation) -> None:
        """Before the first packet can pass: the container's end is not up yet."""
        self.shaper.attach(Port(guest.container_id, made.network.owner, made.lease.address), guest.rates)

    def join(self, guest: Guest, netns_fd: int) -> Endpoint:
        """Put a running container on one further network; on failure nothing of it stays. Raises as ``reserve``."""
        (join,) = guest.joins
        network = self.bridges.find(guest.tenant, join.network)
        if self.ledger.lease_on(guest.container_id, network) is not None:
            raise Forbidden(f"container {guest.names[0]} is already attached to network {network.name}")
        others = self._ways_out(guest.container_id)
        is_way_out = not network.internal and not others
        is_way_out6 = not network.internal and not any(lease.address6 for _, lease in others)
        with ExitStack() as undo:
            undo.callback(self._leave_if_on, guest.container_id, network)
            made = self._reserve(guest, network, join, is_way_out=is_way_out, is_way_out6=is_way_out6)
            self._devices.add_veth(made.veth, made.lease, netns_fd, isolated=not network.icc)
            self._shape(guest, made)
            configure(netns_fd, made.endpoint.netlink)
            self._kept.keep(guest.container_id, netns_fd)  # it may have started without any network
            self.names.join(guest.container_id, join, guest.servers, netns_fd)
            self.publications.follow(guest.container_id)
            undo.pop_all()
        return made.endpoint

    def leave(self, container_id: str, network_id: str, netns_fd: int) -> Endpoint:
        """Take a running container off a network. Raises NotFound, OSError."""
        network = self.ledger.networks.get(network_id)
        lease = self.ledger.lease_on(container_id, network) if network is not None else None
        if network is None or lease is None:
            raise NotFound(f"container {container_id[:12]} is not connected to the network")
        self._give_back(lease)
        self.publications.follow(container_id)
        self.names.refresh(container_id)
        self._unplug(lease)
        self._lead_out(container_id, netns_fd)
        return endpoint_of(network, lease)

    def _lead_out(self, container_id: str, netns_fd: int) -> None:
        """Give a container that has no way out, or has lost it, that of its first network that has one. Raises OSError."""
        ways_out = self._ways_out(container_id)
        for other, remaining in ways_out[:1]:
            configure(netns_fd, way_out_messages(other, remaining), harmless=errno.EEXIST)
        for other, remaining in [way for way in ways_out if way[1].address6][:1]:
            configure(netns_fd, way_out6_messages(other, remaining), harmless=errno.EEXIST)

    def _leave_if_on(self, container_id: str, network: Network) -> None:
        lease = self.ledger.lease_on(container_id, network)
        if lease is not None:
            self._give_back(lease)
            self.names.refresh(container_id)
            self._unplug(lease)

    def _unplug(self, lease: Lease) -> None:
        """Take the veth away now, as its network namespace stays."""
        self._devices.remove_veth(lease.address)
        self._parting.discard(lease.address)

    def _ways_out(self, container_id: str) -> list[tuple[Network, Lease]]:
        held = ((self.ledger.networks[lease.network_id], lease) for lease in self.ledger.leases.get(container_id, ()))
        return [(network, lease) for network, lease in held if not network.internal]

    def _give_back(self, lease: Lease) -> None:
        self.ledger.remove_lease(lease)
        self._part(lease)

    def _part(self, lease: Lease) -> None:
        self._parting.add(lease.address)
        self.shaper.leave(lease.container_id, lease.address)
        self._firewall.remove_lease(guard_of(lease))

    def detach(self, container_id: str) -> bool:
        """Give the container's addresses back; tell whether it had any. Its veths go with its network namespace."""
        self._reserved.pop(container_id, None)
        try:
            self.publications.remove(container_id)
            self.names.leave(container_id)
            leases = self.ledger.remove_leases(container_id)
            for lease in leases:
                self._part(lease)
        finally:
            self._kept.let_go(container_id)
        return bool(leases)

    def rename(self, container_id: str, *, old: str, new: str) -> None:
        """Let a container be known by another name; nothing for one without an address. Raises OSError."""
        self.ledger.rename_lease(container_id, old=old, new=new)
        self.names.refresh(container_id)

    def restore_names(self, guests: Collection[Guest], netns: Mapping[str, int]) -> None:
        """After a restart, when the ledger is right: have a resolver answer these containers. Raises OSError.

        One that was just leaving a network when the daemon was killed gets its way out by another.
        """
        for container_id, netns_fd in netns.items():
            try:
                self._kept.keep(container_id, netns_fd)
                self._lead_out(container_id, netns_fd)
            except OSError as error:
                _log.warning("container %s may have no way out: %s", container_id[:12], error)
        for guest in guests:
            self.names.expect(guest.container_id, guest.joins, guest.servers)
        self.names.restore(netns)

    def sweep(self) -> None:
        """Delete veths of addresses given back whose network namespace somebody else keeps alive."""
        for address in self._parting:
            self._devices.remove_veth(address)
        self._parting.clear()

    def restore_firewall(self) -> None:
        self._firewall.restore()

    def restore_devices(self) -> None:
        """Make again what another program has removed and containers need. Raises OSError."""
        if self.bridges.restore():
            self.publications.renew()
        self.shaper.renew()

    def reconcile(self, live: Mapping[str, Collection[str] | None]) -> None:
        """Give back what is held by containers that are not ``live``, or on networks that they are not to be on by name.

        Veths that nobody holds are deleted.
        """
        for lease in self.ledger.all_leases():
            names = live.get(lease.container_id, ())
            if names is not None and self.ledger.networks[lease.network_id].name not in names:
                _log.info("container %s is gone: address %s is free again", lease.container_id[:12], lease.address)
                self._give_back(lease)
        held = {lease.address for lease in self.ledger.all_leases()}
        self._parting.update(self._devices.strays(held))
        self.sweep()
        self.bridges.remove_strays()
        self.bridges.complete()
        self.bridges.restore()
        self.publications.reconcile(live)
        self._restore_rates()

    def _restore_rates(self) -> None:
        leases = self.ledger.all_leases()
        ports = [Port(one.container_id, self.ledger.networks[one.network_id].owner, one.address) for one in leases]
        try:
            self.shaper.restore(ports)
        except OSError as error:
            _log.error("the network rates of running containers may be wrong until they start anew: %s", error)

    def remove_all(self) -> None:
        """Take all devices and rules of this engine off the host; the networks' records stay."""
        for container_id in list(self.ledger.leases):
            self.ledger.remove_leases(container_id)
        self.publications.clear()
        self._devices.remove_all()
        self._firewall.remove()

    def close(self) -> None:
        self._kept.close()
        self.publications.close()
        self.shaper.close()
        self._firewall.close()
        self._devices.close()


def _forward_packets() -> None:
    """The host has to route between its bridges and its way out; it stays so, as other programs may have come to rely on it."""
    if _IP_FORWARD.read_text().strip() == "0":
        _IP_FORWARD.write_text("1")
        _log.info("net.ipv4.ip_forward was 0 and is now 1")
