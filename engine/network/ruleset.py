"""The firewall of one engine as nftables commands (nft(8)). Pure: text from names and addresses that this room made itself.

Two static tables with sets; a network or an endpoint that comes or goes is an element. The sets:

``same``     pairs of one bridge with itself: with br_netfilter, frames inside a bridge pass the forward chain as well
``inward``   bridges of networks that are not led out of the host
``sources``  which subnet may speak from which bridge
``subnets``  what is masqueraded on its way out of the host
``rates``    how many new connections each container opens to the world outside, filled by the kernel
``leases``   (bridge table) which hardware address and IPv4 address may speak from which veth
"""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network
from typing import NamedTuple

from engine.core.addresses import mac_address
from engine.linux.nft_elements import interface_field
from engine.network.names import bridge_name, bridge_prefix, table_name, veth_name, veth_prefix

LEASES = "leases"

# 127.0.0.0/8 is refused from containers in case the host routes it (route_localnet): its own services listen there.
# The metadata services of clouds hand out the host's credentials: most live in 169.254.0.0/16, others at addresses of their own
# (Alibaba, Azure, Oracle). Some of these addresses are the cloud's resolver too.
_METADATA = "{ 169.254.0.0/16, 100.100.100.200, 168.63.129.16, 192.0.0.192 }"
# The host's table of connections is one for all: a container that opens thousands a second would fill it for everybody.
_NEW_CONNECTIONS = "200/second burst 2000 packets"
_ROUTED = """
table inet {table} {{
  set same {{ type ifname . ifname; }}
  set inward {{ type ifname; }}
  set sources {{ type ifname . ipv4_addr; flags interval; }}
  set subnets {{ type ipv4_addr; flags interval; }}
  set rates {{ type ipv4_addr; size 65536; flags dynamic, timeout; timeout 1m; }}
  chain spoofed {{
    type filter hook prerouting priority raw; policy accept;
    iifname "{bridges}*" ip daddr 127.0.0.0/8 drop
    iifname "{bridges}*" meta nfproto ipv4 iifname . ip saddr != @sources drop
  }}
  chain forwarded {{
    type filter hook forward priority filter; policy accept;
    iifname . oifname @same accept
    iifname "{bridges}*" oifname "{bridges}*" drop
    iifname @inward drop
    oifname @inward drop
    iifname "{bridges}*" ct state new update @rates {{ ip saddr limit rate over {connections} }} drop
    iifname "{bridges}*" ip daddr {metadata} meta l4proto != {{ tcp, udp }} drop
    iifname "{bridges}*" ip daddr {metadata} th dport != 53 drop
    oifname "{bridges}*" ct state established,related accept
    oifname "{bridges}*" ct status dnat accept
    oifname "{bridges}*" drop
  }}
  chain received {{
    type filter hook input priority filter; policy accept;
    iifname "{bridges}*" jump from_container
  }}
  chain from_container {{
    ct state established,related accept
    icmp type echo-request accept
    drop
  }}
  chain leaving {{
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr @subnets oifname != "{bridges}*" masquerade
  }}
}}
"""

_BRIDGED = """
table bridge {table} {{
  set leases {{ type ifname . ether_addr . ipv4_addr; }}
  chain spoofed {{
    type filter hook prerouting priority filter; policy accept;
    iifname "{veths}*" jump from_container
  }}
  chain from_container {{
    ether type ip iifname . ether saddr . ip saddr @leases accept
    ether type arp iifname . ether saddr . arp saddr ip @leases iifname . arp saddr ether . arp saddr ip @leases accept
    drop
  }}
}}
"""


class Zone(NamedTuple):
    """A network as the rules see it. ``inward``: it has no way out; ``quiet``: its containers do not talk to each other."""

    subnet: IPv4Network
    inward: bool = False
    quiet: bool = False


def routed_table(instance: str, zones: Iterable[Zone]) -> str:
    """Return the commands that replace the table of IP rules, in one transaction."""
    text = _ROUTED.format(
        table=table_name(instance), bridges=bridge_prefix(instance), metadata=_METADATA, connections=_NEW_CONNECTIONS
    )
    return _replaced("inet", instance) + text + "".join(add_network(instance, zone) for zone in zones)


def bridged_table(instance: str, addresses: Iterable[IPv4Address]) -> str:
    """Return the commands that replace the table of the spoof guard, in one transaction."""
    text = _BRIDGED.format(table=table_name(instance), veths=veth_prefix(instance))
    return _replaced("bridge", instance) + text + "".join(add_lease(instance, address) for address in addresses)


def _replaced(family: str, instance: str) -> str:
    """nft 1.0.6 has no `destroy`: deleting what may not exist takes an `add` before."""
    return f"add table {family} {table_name(instance)}\n" + delete_table(family, instance)


def delete_table(family: str, instance: str) -> str:
    return f"delete table {family} {table_name(instance)}\n"


def add_network(instance: str, zone: Zone) -> str:
    return _network("add", instance, zone)


def delete_network(instance: str, zone: Zone) -> str:
    return _network("delete", instance, zone)


def _network(verb: str, instance: str, zone: Zone) -> str:
    bridge = f'"{bridge_name(instance, zone.subnet)}"'
    start = f"{verb} element inet {table_name(instance)}"
    lines = [f"{start} sources {{ {bridge} . {zone.subnet} }}\n"]
    lines += [] if zone.quiet else [f"{start} same {{ {bridge} . {bridge} }}\n"]
    lines += [f"{start} inward {{ {bridge} }}\n" if zone.inward else f"{start} subnets {{ {zone.subnet} }}\n"]
    return "".join(lines)


def add_lease(instance: str, address: IPv4Address) -> str:
    element = f'"{veth_name(instance, address)}" . {mac_address(address)} . {address}'
    return f"add element bridge {table_name(instance)} {LEASES} {{ {element} }}\n"


def lease_fields(instance: str, address: IPv4Address) -> tuple[bytes, ...]:
    """Return the element of ``add_lease`` as the kernel takes it, for when it comes or goes alone."""
    mac = bytes.fromhex(mac_address(address).replace(":", ""))
    return interface_field(veth_name(instance, address)), mac, address.packed
