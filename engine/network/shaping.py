"""Rates of containers, members and teams kept true, and their traffic counted, as containers come and go.

Owns whose limits hold for whom. A container without any, of its own, its member's or its team's, has no filter and no class.
Blocking, and used from one thread; attachments.py calls it.
"""

import logging
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import NamedTuple

from engine.core.tenants import Tenant
from engine.network.names import device_index, rate_device_names, veth_name
from engine.network.rate_tree import Hook, RateTree
from engine.network.rates import NO_RATES, Rates, path_of, tenants_around
from engine.network.traffic_counts import Traffic, TrafficCounts

_log = logging.getLogger(__name__)


class Port(NamedTuple):
    """One container's device on one network, known by its address."""

    container_id: str
    tenant: Tenant
    address: IPv4Address


@dataclass(slots=True)
class _Guest:
    tenant: Tenant
    ports: set[int] = field(default_factory=set)


class Shaper:
    """All rates of one engine."""

    def __init__(self, instance: str) -> None:
        self._instance = instance
        self._tree: RateTree | None = None
        self._rates: dict[Tenant | str, Rates] = {}  # by tenant, or by a container's id; the limited ones
        self._guests: dict[str, _Guest] = {}
        self._counts = TrafficCounts()

    def set_rates(self, scope: Tenant | str, rates: Rates) -> None:
        """Set the rates of a tenant, or of a container by its id; those that run have them when this returns.

        Raises OSError, and all is as it was, when the host cannot limit rates.
        """
        before = self._rates.get(scope, NO_RATES)
        try:
            self._keep(scope, rates)
            if rates.is_limited:
                self._opened()
            self._apply(scope)
        except OSError:
            self._keep(scope, before)
            self._try_apply(scope)
            raise

    def _keep(self, scope: Tenant | str, rates: Rates) -> None:
        self._rates.pop(scope, None)
        if rates.is_limited:
            self._rates[scope] = rates

    def _apply(self, scope: Tenant | str) -> None:
        if isinstance(scope, Tenant):
            guests = {one: guest for one, guest in self._guests.items() if scope in tenants_around(guest.tenant)}
        else:
            guests = {scope: self._guests[scope]} if scope in self._guests else {}
        for container_id, guest in guests.items():
            self._sync(container_id, guest)

    def _try_apply(self, scope: Tenant | str) -> None:
        try:
            self._apply(scope)
        except OSError as error:
            _log.warning("the network rates of %s are not what they were: %s", scope, error)

    def attach(self, port: Port, own: Rates = NO_RATES) -> None:
        """A container with rates of its own has got a device. Raises OSError when it cannot be limited as it is to be."""
        self._keep(port.container_id, own)
        guest = self._guests.setdefault(port.container_id, _Guest(port.tenant))
        guest.ports.add(device_index(port.address))
        self._counts.add(port.tenant, veth_name(self._instance, port.address))
        if any(rates.is_limited for rates in self._chain(port.container_id, guest)):
            self._sync(port.container_id, guest)

    def leave(self, container_id: str, address: IPv4Address) -> None:
        """A container's device goes away, if it ever came; with the last one the container is forgotten."""
        number = device_index(address)
        self._counts.leave(veth_name(self._instance, address))
        if self._tree is not None:
            self._tree.forget(number)
        if (guest := self._guests.get(container_id)) is None:
            return
        guest.ports.discard(number)
        if not guest.ports:
            del self._guests[container_id]
            self._rates.pop(container_id, None)
            self._release(path_of(guest.tenant, container_id))

    def _release(self, path: tuple[str, ...]) -> None:
        if self._tree is None:
            return
        try:
            self._tree.release(path)
        except OSError as error:
            _log.warning("a class of network rates stays behind: %s", error)

    def _sync(self, container_id: str, guest: _Guest) -> None:
        path, chain = path_of(guest.tenant, container_id), self._chain(container_id, guest)
        receives, sends = (any(one.in_bps for one in chain), any(one.out_bps for one in chain))
        if receives or sends:
            tree = self._opened()
            tree.ensure(path, chain)
            for index in guest.ports:
                tree.hook(index, Hook(path, receives, sends))
        elif self._tree is not None:
            for index in guest.ports:
                self._tree.unhook(index)
            self._tree.release(path)

    def _chain(self, container_id: str, guest: _Guest) -> list[Rates]:
        around: list[Tenant | str] = [*tenants_around(guest.tenant), container_id]
        return [self._rates.get(scope, NO_RATES) for scope in around]

    def _opened(self) -> RateTree:
        if self._tree is None:
            self._tree = RateTree(self._instance)
        return self._tree

    def restore(self, ports: Iterable[Port]) -> None:
        """After a start of the daemon: bring filters and classes that may be there in line. Raises OSError."""
        for port in ports:
            self._guests.setdefault(port.container_id, _Guest(port.tenant)).ports.add(device_index(port.address))
            self._counts.add(port.tenant, veth_name(self._instance, port.address))
        if self._tree is None and not self._has_devices():
            return
        tree = self._opened()
        for container_id, guest in self._guests.items():
            self._sync(container_id, guest)
        tree.drop_stale()
        if tree.is_empty and not self._rates:
            tree.remove()
            self.close()

    def renew(self) -> None:
        """Make devices and classes again if somebody has removed a device of them; without, nothing passes. Raises OSError."""
        if self._tree is None or self._devices() == self._tree.devices:
            return
        _log.warning("devices for network rates were removed by another program, making them again")
        self.close()
        tree = self._opened()
        for container_id, guest in self._guests.items():
            self._sync(container_id, guest)
        tree.drop_stale()

    def _has_devices(self) -> bool:
        return bool(self._devices())

    def _devices(self) -> dict[str, int]:
        names = rate_device_names(self._instance)
        return {name: index for index, name in socket.if_nameindex() if name in names}

    def traffics(self, tenants: Sequence[Tenant]) -> dict[Tenant, Traffic]:
        """Return what the containers of each have received and sent since the daemon's start, members' included."""
        return self._counts.of_each(tenants)

    def close(self) -> None:
        """Let go of the kernel; what is there stays."""
        if self._tree is not None:
            self._tree.close()
            self._tree = None
