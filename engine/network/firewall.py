"""The engine's nftables tables: put in place, kept in step with networks, endpoints and ports, put back when flushed."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence

from engine.linux.nft_elements import FAMILY_BRIDGE, FAMILY_INET, Element, SetElements
from engine.linux.nftables import Nftables
from engine.network import ruleset
from engine.network.names import table_name
from engine.network.zones import Zone, zone_elements

_log = logging.getLogger(__name__)
Change = Callable[[int, str, Iterable[Element]], None]


class Firewall:
    """Remembers its elements, so that a table that is gone can be made again whole. Used from one thread.

    ``guards_sources`` tells whether the kernel can filter on bridges; without that, containers of one network could take each
    other's addresses (those of another network they cannot in either case).
    """

    def __init__(self, instance: str) -> None:
        self._instance = instance
        self._nftables = Nftables()
        self._elements = SetElements()
        self._zones: set[Zone] = set()
        self._guards: set[ruleset.Guard] = set()
        self._forwards: set[ruleset.Forward] = set()
        self.guards_sources = True

    def install(self, zones: Iterable[Zone], guards: Iterable[ruleset.Guard], forwards: Iterable[ruleset.Forward] = ()) -> None:
        """Put both tables in place with these elements, in place of what was there. Raises OSError."""
        self._zones = set(zones)
        self._guards = set(guards)
        self._forwards = set(forwards)
        self._replace()

    def _replace(self) -> None:
        zones = sorted(self._zones, key=lambda zone: zone.subnet)
        self._nftables.run(ruleset.routed_table(self._instance, zones, sorted(self._forwards)))
        try:
            guards = sorted(self._guards, key=lambda guard: guard.address)
            self._nftables.run(ruleset.bridged_table(self._instance, guards))
        except OSError as error:
            if self.guards_sources:
                _log.warning("no guard against forged addresses inside a network: %s", error)
            self.guards_sources = False

    def add_network(self, zone: Zone) -> None:
        if zone not in self._zones:
            self._zones.add(zone)
            self._change(self._elements.add, zone_elements(self._instance, zone))

    def remove_network(self, zone: Zone) -> None:
        if zone in self._zones:
            self._zones.discard(zone)
            self._change(self._elements.delete, zone_elements(self._instance, zone))

    def change_networks(self, changes: Mapping[Zone, Zone]) -> None:
        """Let networks be others than before, all from the same moment; nothing for those that are not there. Raises OSError."""
        known = {old: new for old, new in changes.items() if old in self._zones and old != new}
        gone = dict.fromkeys(element for zone in known for element in zone_elements(self._instance, zone))
        come = dict.fromkeys(element for zone in known.values() for element in zone_elements(self._instance, zone))
        less, more = [one for one in gone if one not in come], [one for one in come if one not in gone]
        self._zones = {known.get(zone, zone) for zone in self._zones}
        if not known:
            return
        try:
            self._elements.change(FAMILY_INET, table_name(self._instance), gone=less, come=more)
        except OSError as error:
            self._remake(error)

    def add_lease(self, guard: ruleset.Guard) -> None:
        self._guards.add(guard)
        self._change_guard(self._elements.add, guard)

    def remove_lease(self, guard: ruleset.Guard) -> None:
        if guard in self._guards:
            self._guards.discard(guard)
            self._change_guard(self._elements.delete, guard)

    def _change_guard(self, change: Change, guard: ruleset.Guard) -> None:
        """Raises OSError when not even whole new tables can be made."""
        if not self.guards_sources:
            return
        try:
            change(FAMILY_BRIDGE, table_name(self._instance), ruleset.guard_elements(self._instance, guard))
        except OSError as error:
            self._remake(error)

    def add_forwards(self, forwards: Sequence[ruleset.Forward]) -> None:
        """Lead ports of the host on, all from the same moment. Raises OSError."""
        self._forwards.update(forwards)
        if forwards:
            self._change(self._elements.add, map(ruleset.forward_element, forwards))

    def remove_forwards(self, forwards: Sequence[ruleset.Forward]) -> None:
        """Lead ports on no longer; nothing for those that are not. Raises OSError."""
        gone = [forward for forward in forwards if forward in self._forwards]
        self._forwards.difference_update(gone)
        if gone:
            self._change(self._elements.delete, map(ruleset.forward_element, gone))

    def _change(self, change: Change, elements: Iterable[Element]) -> None:
        """Raises OSError when not even whole new tables can be made."""
        try:
            change(FAMILY_INET, table_name(self._instance), elements)
        except OSError as error:
            self._remake(error)

    def _remake(self, error: OSError) -> None:
        _log.warning("firewall tables are not as we left them, making them again: %s", error)
        self._replace()

    def restore(self) -> None:
        """Make the tables again if one of them is gone, for example after `nft flush ruleset`."""
        families = (FAMILY_INET, FAMILY_BRIDGE) if self.guards_sources else (FAMILY_INET,)
        if not all(self._elements.has_table(family, table_name(self._instance)) for family in families):
            _log.warning("firewall tables were removed by another program, making them again")
            self._replace()

    def remove(self) -> None:
        """Take both tables away; that one is gone already is no failure."""
        for family in (FAMILY_INET, FAMILY_BRIDGE):
            try:
                self._elements.delete_table(family, table_name(self._instance))
            except OSError as error:
                _log.debug("table to be removed is not there: %s", error)

    def close(self) -> None:
        self._elements.close()
        self._nftables.close()
