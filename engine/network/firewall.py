"""The engine's nftables tables: put in place, kept in step with networks and endpoints, put back when somebody flushed them."""

import logging
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address

from engine.linux.nft_elements import FAMILY_BRIDGE, SetElements
from engine.linux.nftables import Nftables
from engine.network import ruleset
from engine.network.names import table_name

_log = logging.getLogger(__name__)


class Firewall:
    """Remembers its elements, so that a table that is gone can be made again whole. Used from one thread.

    ``guards_sources`` tells whether the kernel can filter on bridges; without that, containers of one network could take each
    other's addresses (those of another network they cannot in either case).
    """

    def __init__(self, instance: str) -> None:
        self._instance = instance
        self._nftables = Nftables()
        self._elements = SetElements()
        self._zones: set[ruleset.Zone] = set()
        self._addresses: set[IPv4Address] = set()
        self.guards_sources = True

    def install(self, zones: Iterable[ruleset.Zone], addresses: Iterable[IPv4Address]) -> None:
        """Put both tables in place with these elements, in place of what was there. Raises OSError."""
        self._zones = set(zones)
        self._addresses = set(addresses)
        self._replace()

    def _replace(self) -> None:
        self._nftables.run(ruleset.routed_table(self._instance, sorted(self._zones)))
        try:
            self._nftables.run(ruleset.bridged_table(self._instance, sorted(self._addresses)))
        except OSError as error:
            if self.guards_sources:
                _log.warning("no guard against forged addresses inside a network: %s", error)
            self.guards_sources = False

    def add_network(self, zone: ruleset.Zone) -> None:
        if zone not in self._zones:
            self._zones.add(zone)
            self._change(ruleset.add_network(self._instance, zone))

    def remove_network(self, zone: ruleset.Zone) -> None:
        if zone in self._zones:
            self._zones.discard(zone)
            self._change(ruleset.delete_network(self._instance, zone))

    def add_lease(self, address: IPv4Address) -> None:
        self._addresses.add(address)
        if self.guards_sources:
            self._change_lease(self._elements.add, address)

    def remove_lease(self, address: IPv4Address) -> None:
        self._addresses.discard(address)
        if self.guards_sources:
            self._change_lease(self._elements.delete, address)

    def _change_lease(self, change: Callable[..., None], address: IPv4Address) -> None:
        """Raises OSError when not even whole new tables can be made."""
        try:
            change(FAMILY_BRIDGE, table_name(self._instance), ruleset.LEASES, *ruleset.lease_fields(self._instance, address))
        except OSError as error:
            self._remake(error)

    def _change(self, commands: str) -> None:
        """Raises OSError when not even whole new tables can be made."""
        try:
            self._nftables.run(commands)
        except OSError as error:
            self._remake(error)

    def _remake(self, error: OSError) -> None:
        _log.warning("firewall tables are not as we left them, making them again: %s", error)
        self._replace()

    def restore(self) -> None:
        """Make the tables again if one of them is gone, for example after `nft flush ruleset`."""
        families = ("inet", "bridge") if self.guards_sources else ("inet",)
        table = table_name(self._instance)
        present = self._nftables.run("list tables").splitlines()
        if any(f"table {family} {table}" not in present for family in families):
            _log.warning("firewall tables were removed by another program, making them again")
            self._replace()

    def remove(self) -> None:
        """Take both tables away; that one is gone already is no failure."""
        for family in ("inet", "bridge"):
            try:
                self._nftables.run(ruleset.delete_table(family, self._instance))
            except OSError as error:
                _log.debug("table to be removed is not there: %s", error)

    def close(self) -> None:
        self._elements.close()
        self._nftables.close()
