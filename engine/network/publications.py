"""Published ports: which of the host's ports a container has, and that they lead to where it is now.

Sockets (host_ports.py), rules (firewall.py), the bridge's settings and records in step. Used from one thread.
"""

import errno
import logging
from collections.abc import Collection, Sequence
from contextlib import ExitStack
from ipaddress import IPv4Address
from itertools import chain
from socket import AF_INET, AF_INET6

from engine.core.admitting import Admit, admit_all
from engine.core.ports import ANY_ADDRESS, ANY_ADDRESS6, UDP, PortBinding, PublishedPort, host_ports
from engine.core.tenants import Tenant
from engine.errors import Conflict, Unavailable, reason_of
from engine.linux.conntrack import forget_datagrams
from engine.network.devices import Devices
from engine.network.firewall import Firewall
from engine.network.host_ports import HostPorts, dynamic_ports
from engine.network.ledger import Ledger
from engine.network.loopback_routes import LoopbackRoutes
from engine.network.model import Lease, Network
from engine.network.names import bridge_name
from engine.network.port_records import PortRecords
from engine.network.port_shares import check_share, count_ports, count_wanted
from engine.network.ruleset import Forward

_log = logging.getLogger(__name__)
_NO_FAMILY = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)


class Publications:
    """What the containers of an engine publish. Records that are there already are taken over."""

    def __init__(
        self,
        *,
        instance: str,
        records: PortRecords,
        ledger: Ledger,
        firewall: Firewall,
        devices: Devices,
        admit: Admit = admit_all,
    ) -> None:
        self._instance = instance
        self._admit = admit
        self._records = records
        self._ledger = ledger
        self._firewall = firewall
        self._devices = devices
        self._ports = HostPorts()
        self._loopback = LoopbackRoutes(bridge_name(instance, network.subnet) for network in ledger.networks.values())
        self._published = records.load()
        self._forwards = {container_id: self._lead(container_id) for container_id in self._published}
        for container_id in self._published:
            self._hold_again(container_id)

    @property
    def forwards(self) -> list[Forward]:
        """All rules that lead somewhere."""
        return list(chain.from_iterable(self._forwards.values()))

    def of(self, container_id: str) -> tuple[PublishedPort, ...]:
        """Return what a container has published now."""
        return self._published.get(container_id, ())

    def count(self, tenant: Tenant) -> int:
        """Return how many ports of the host a tenant and its members publish."""
        return count_ports(dict(self._published), self._owner_of, tenant)

    def add(self, container_id: str, name: str, wanted: Sequence[PortBinding]) -> tuple[PublishedPort, ...]:
        """Publish ports of a container that is on its networks, in place of what it had; on failure nothing of it stays.

        Nothing is published for one without a network that leads out. Raises Conflict for a port that is taken, Unavailable,
        QuotaExceeded, OSError.
        """
        self.remove(container_id)
        target = self._target(container_id)
        if target is None or not wanted:
            return ()
        network, lease = target
        check_share(self._published, self._owner_of, network.owner, len(wanted))
        self._admit(network.owner, "ports", requested=count_wanted(wanted), used=self.count)
        with ExitStack() as undo:
            undo.callback(self.remove, container_id)
            self._published[container_id] = ()
            for binding in wanted:
                self._published[container_id] += self._hold(binding, lease, name)
            self._records.save(container_id, self._published[container_id])
            self._open(container_id)
            undo.pop_all()
        return self._published[container_id]

    def remove(self, container_id: str) -> None:
        """Give back what a container has published; nothing for one that has nothing. Raises OSError."""
        published = self._published.pop(container_id, None)
        if published is None:
            return
        forwards = self._forwards.pop(container_id, ())
        try:
            self._firewall.remove_forwards(forwards)
            self._settle_loopback()
        finally:
            for port in published:
                self._ports.let_go(port.port.protocol, port.host_address, port.host_port)
            self._records.remove(container_id)  # last: what is left of it the next daemon takes away
            _forget_datagrams(forwards)

    def follow(self, container_id: str) -> None:
        """The container has come to a network or left one: lead its ports to where it can be reached now. Raises OSError."""
        if container_id in self._published:
            self._open(container_id)

    def renew(self) -> None:
        """Bridges were made anew: give them and their ports the settings that publishing needs. Raises OSError."""
        self._settle_loopback()
        for container_id in self._published:
            self._let_itself_in(container_id)

    def reconcile(self, live: Collection[str]) -> None:
        """Give back what containers have that are not ``live``, lead the rest to where they are now; see to the bridges.

        Raises OSError.
        """
        for container_id in [one for one in self._published if one not in live]:
            self.remove(container_id)
        for container_id, forwards in list(self._forwards.items()):
            if self._lead(container_id) != forwards:
                self._open(container_id)
        self._settle_loopback()

    def clear(self) -> None:
        """Give everything back; the rules are somebody else's to remove."""
        for container_id in self._published:
            self._records.remove(container_id)
        self._published.clear()
        self._forwards.clear()
        self._ports.close()

    def _open(self, container_id: str) -> None:
        before, now = self._forwards.get(container_id, ()), self._lead(container_id)
        gone = [forward for forward in before if forward not in now]
        come = [forward for forward in now if forward not in before]
        self._forwards[container_id] = now
        self._firewall.remove_forwards(gone)
        self._settle_loopback()
        self._let_itself_in(container_id)
        self._firewall.add_forwards(come)
        _forget_datagrams([*gone, *come])

    def _lead(self, container_id: str) -> tuple[Forward, ...]:
        """Return where the container's ports lead; nowhere while it is on no network that leads out."""
        target = self._target(container_id)
        if target is None:
            return ()
        _, lease = target
        found = ((port, lease.address6 if port.is_ipv6 else lease.address) for port in self._published[container_id])
        return tuple(
            Forward(port.port.protocol, port.host_address, port.host_port, str(address), port.port.number)
            for port, address in found
            if address is not None
        )

    def _target(self, container_id: str) -> tuple[Network, Lease] | None:
        held = ((self._ledger.networks[lease.network_id], lease) for lease in self._ledger.leases.get(container_id, ()))
        return next(((network, lease) for network, lease in held if not network.internal), None)

    def _hold(self, binding: PortBinding, lease: Lease, name: str) -> tuple[PublishedPort, ...]:
        """Take the first port that is free on all addresses it is wanted on."""
        addresses = _addresses(binding, lease)
        busy: OSError | None = None
        last = 0
        for number in host_ports(binding, dynamic_ports(), after=self._ports.last):
            try:
                held = self._hold_all(binding, addresses, number)
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise Unavailable(f"{_failed(name, lease)}: {_bind_words(binding, number)}: {reason_of(error)}") from error
                busy, last = error, number
            else:
                if not binding.first_host_port:
                    self._ports.note_last(number)
                return held
        raise Conflict(f"{_failed(name, lease)}: {self._taken(binding, lease, last)}") from busy

    def _hold_all(self, binding: PortBinding, addresses: Sequence[str], number: int) -> tuple[PublishedPort, ...]:
        held: list[PublishedPort] = []
        protocol = binding.port.protocol
        with ExitStack() as undo:
            for address in addresses:
                try:
                    self._ports.hold(protocol, address, number)
                except OSError as error:
                    if held and address == ANY_ADDRESS6 and error.errno in _NO_FAMILY:
                        continue  # a host without IPv6
                    raise
                undo.callback(self._ports.let_go, protocol, address, number)
                held.append(PublishedPort(binding.port, address, number))
            undo.pop_all()
        return tuple(held)

    def _taken(self, binding: PortBinding, lease: Lease, number: int) -> str:
        """In dockerd's words, which clients look for."""
        if binding.first_host_port != binding.last_host_port or not binding.first_host_port:
            return f"Bind for {_place(binding, binding.host_port_text or 'any port')} failed: all ports are allocated"
        if self._ports.is_ours(binding.port.protocol, number):
            return f"Bind for {_place(binding, number)} failed: port is already allocated"
        return f"{_bind_words(binding, number)}:{lease.address}:{binding.port}: address already in use"

    def _owner_of(self, container_id: str) -> Tenant | None:
        """Whose a container on a network is."""
        leases = self._ledger.leases.get(container_id, ())
        return next((self._ledger.networks[lease.network_id].owner for lease in leases), None)

    def _hold_again(self, container_id: str) -> None:
        for port in self._published[container_id]:
            try:
                self._ports.hold(port.port.protocol, port.host_address, port.host_port)
            except OSError as error:
                where = f"{port.host_address}:{port.host_port}/{port.port.protocol}"
                _log.warning("container %s keeps %s, though another program has taken it: %s", container_id[:12], where, error)

    def _let_itself_in(self, container_id: str) -> None:
        """With br_netfilter, what a container sends to its own published port is turned round on the bridge's port."""
        if (target := self._target(container_id)) is not None:
            self._devices.turn_round(target[1])

    def _settle_loopback(self) -> None:
        """Only bridges that something is published behind on the loopback take packets from there."""
        reached = [container_id for container_id, forwards in self._forwards.items() if any(map(_is_on_loopback, forwards))]
        targets = (self._target(container_id) for container_id in reached)
        self._loopback.settle(bridge_name(self._instance, network.subnet) for network, _ in filter(None, targets))

    def close(self) -> None:
        self._ports.close()


def _addresses(binding: PortBinding, lease: Lease) -> tuple[str, ...]:
    """Return the host's addresses to publish on. Raises Unavailable for one of IPv6 where the container has none."""
    if binding.host_address in ("", ANY_ADDRESS):
        both = not binding.host_address and lease.address6 is not None
        return (ANY_ADDRESS, ANY_ADDRESS6) if both else (ANY_ADDRESS,)
    if ":" in binding.host_address and lease.address6 is None:
        raise Unavailable(
            f"cannot publish port {binding.port} on [{binding.host_address}]: the container has no IPv6 address, use a network"
            " that has, or an IPv4 address of the host"
        )
    return (binding.host_address,)


def _is_on_loopback(forward: Forward) -> bool:
    if forward.is_ipv6:
        return False
    return forward.host_address == ANY_ADDRESS or IPv4Address(forward.host_address).is_loopback


def _forget_datagrams(forwards: Sequence[Forward]) -> None:
    """Else who sends datagrams without a pause would go on with whoever had the port before."""
    ports = {(forward.host_port, forward.is_ipv6) for forward in forwards if forward.protocol == UDP}
    for port, is_ipv6 in ports:
        try:
            forget_datagrams(port, family=AF_INET6 if is_ipv6 else AF_INET)
        except OSError as error:
            _log.warning("exchanges of datagrams with port %d go on as before: %s", port, error)


def _failed(name: str, lease: Lease) -> str:
    return f"driver failed programming external connectivity on endpoint {name} ({lease.endpoint_id})"


def _bind_words(binding: PortBinding, number: int) -> str:
    return f"failed to bind host port for {_place(binding, number)}"


def _place(binding: PortBinding, ports: int | str) -> str:
    address = binding.host_address or ANY_ADDRESS
    return f"[{address}]:{ports}" if ":" in address else f"{address}:{ports}"
