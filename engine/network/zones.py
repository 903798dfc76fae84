"""Networks as elements of the firewall's sets: when one comes or goes alone, and as commands for whole tables. Pure."""

from ipaddress import IPv4Network, IPv6Network
from typing import NamedTuple

from engine.core.destinations import Reach
from engine.linux.nft_elements import Element, interface_field
from engine.network.names import bridge_name, table_name
from engine.network.reaches import reach_elements, reach_lines


class Zone(NamedTuple):
    """A network as the rules see it. ``inward``: it has no way out; ``quiet``: its containers do not talk to each other."""

    subnet: IPv4Network
    inward: bool = False
    quiet: bool = False
    subnet6: IPv6Network | None = None
    bare: bool = False  # its packets leave the host under its own addresses
    reach: Reach = None  # of whose it is


def zone_elements(instance: str, zone: Zone) -> list[Element]:
    """Return the elements of a network as the kernel takes them, for when it comes or goes alone."""
    bridge = interface_field(bridge_name(instance, zone.subnet))
    subnets: list[tuple[IPv4Network | IPv6Network, str]] = [(zone.subnet, "")]
    subnets += [(zone.subnet6, "6")] if zone.subnet6 is not None else []
    found = [] if zone.quiet else [Element("same", (bridge, bridge))]
    found += [Element("inward", (bridge,))] if zone.inward else []
    found += reach_elements(bridge_name(instance, zone.subnet), zone.reach)
    for subnet, suffix in subnets:
        first, last = subnet.network_address.packed, subnet.broadcast_address.packed
        found.append(Element(f"sources{suffix}", (bridge, first), last=(bridge, last)))
        if not zone.inward and not zone.bare:
            behind = (int(subnet.broadcast_address) + 1).to_bytes(len(last), "big")
            found += [Element(f"subnets{suffix}", (first,)), Element(f"subnets{suffix}", (behind,), is_end=True)]
    return found


def zone_commands(instance: str, zone: Zone) -> str:
    """Return the same as commands, for when all tables are made."""
    bridge = f'"{bridge_name(instance, zone.subnet)}"'
    start = f"add element inet {table_name(instance)}"
    lines = [f"{start} sources {{ {bridge} . {zone.subnet} }}\n"]
    lines += [] if zone.quiet else [f"{start} same {{ {bridge} . {bridge} }}\n"]
    is_hidden = not zone.inward and not zone.bare
    lines += [f"{start} inward {{ {bridge} }}\n"] if zone.inward else []
    lines += reach_lines(start, bridge_name(instance, zone.subnet), zone.reach)
    lines += [f"{start} subnets {{ {zone.subnet} }}\n"] if is_hidden else []
    if zone.subnet6 is not None:
        lines += [f"{start} sources6 {{ {bridge} . {zone.subnet6} }}\n"]
        lines += [f"{start} subnets6 {{ {zone.subnet6} }}\n"] if is_hidden else []
    return "".join(lines)
