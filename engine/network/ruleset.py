"""The firewall of one engine as nftables commands (nft(8)). Pure: text from names and addresses that this room made itself.

Two static tables with sets and maps; a network, an endpoint or a published port that comes or goes is an element of some:

``same``          pairs of one bridge with itself: with br_netfilter, frames inside a bridge pass the forward chain as well
``inward``        bridges of networks that are not led out of the host
``sources``       which subnet may speak from which bridge; ``sources6`` for IPv6, as in all that follows
``confined``      bridges of tenants whose rules say where outside of the host they may send packets
``allowed``       those places: from which bridge to which addresses, protocols and ports
``subnets``       what is masqueraded on its way out of the host
``rates``         how many new connections each container opens to the world outside, filled by the kernel
``published``     where a port leads that is published on all addresses of the host
``published_at``  where a port leads that is published on one of them
``leases``        (bridge table) which hardware address and IP address may speak from which veth
``targets6``      (bridge table) for which IPv6 address a veth may answer who asks for its hardware address
"""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address
from socket import IPPROTO_TCP, IPPROTO_UDP
from typing import NamedTuple

from engine.core.ports import ANY_ADDRESS, ANY_ADDRESS6, TCP
from engine.linux.nft_elements import Element, interface_field
from engine.network.model import Lease
from engine.network.names import bridge_prefix, table_name, veth_name, veth_prefix
from engine.network.zones import Zone, zone_commands

# 127.0.0.0/8 is refused from containers in case the host routes it (route_localnet, which published ports need): its own services
# listen there. Nobody outside reaches what is published on it, as only packets that the host itself sends are led on from there.
# The metadata services of clouds hand out the host's credentials: most live in 169.254.0.0/16, others at addresses of their own
# (Alibaba, Azure, Oracle; by IPv6 Amazon and Google). Some of these addresses are the cloud's resolver too.
_METADATA = "{ 169.254.0.0/16, 100.100.100.200, 168.63.129.16, 192.0.0.192 }"
_METADATA6 = "{ fd00:ec2::/32, fd20:ce::/32 }"
# The host's table of connections is one for all: a container that opens thousands a second would fill it for everybody. Echo
# requests to the host count as well, each number of a series being one. What stays on a bridge is in that table only with
# br_netfilter, and needs no place there: ports are published from the host's addresses, and lead back to one of them.
_NEW_CONNECTIONS = "200/second burst 2000 packets"
# Each packet of a confined bridge is looked at, not only the first of a connection: a rule that is new ends what is open as well.
# Answers to whoever came by a published port go out; what has been asked for outside comes in from where one may ask.
_ROUTED = """
table inet {table} {{
  set same {{ type ifname . ifname; }}
  set inward {{ type ifname; }}
  set confined {{ type ifname; }}
  set allowed {{ type ifname . ipv4_addr . inet_proto . inet_service; flags interval; }}
  set allowed6 {{ type ifname . ipv6_addr . inet_proto . inet_service; flags interval; }}
  set sources {{ type ifname . ipv4_addr; flags interval; }}
  set sources6 {{ type ifname . ipv6_addr; flags interval; }}
  set subnets {{ type ipv4_addr; flags interval; }}
  set subnets6 {{ type ipv6_addr; flags interval; }}
  set rates {{ type ipv4_addr; size 65536; flags dynamic, timeout; timeout 1m; }}
  set rates6 {{ type ipv6_addr; size 65536; flags dynamic, timeout; timeout 1m; }}
  map published {{ type inet_proto . inet_service : ipv4_addr . inet_service; }}
  map published6 {{ type inet_proto . inet_service : ipv6_addr . inet_service; }}
  map published_at {{ type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; }}
  map published_at6 {{ type ipv6_addr . inet_proto . inet_service : ipv6_addr . inet_service; }}
  chain spoofed {{
    type filter hook prerouting priority raw; policy accept;
    iifname "{bridges}*" jump speaking
  }}
  chain speaking {{
    ip daddr 127.0.0.0/8 drop
    meta nfproto ipv4 iifname . ip saddr != @sources drop
    meta nfproto ipv6 iifname . ip6 saddr != @sources6 drop
    ip option lsrr exists drop
    ip option ssrr exists drop
    exthdr rt exists drop
    fib daddr type {{ broadcast, multicast }} notrack
    iifname . ip daddr @sources fib daddr type != local notrack
    iifname . ip6 daddr @sources6 fib daddr type != local notrack
  }}
  chain arriving {{
    type nat hook prerouting priority dstnat; policy accept;
    ip daddr 127.0.0.0/8 return
    jump publish
  }}
  chain starting {{
    type nat hook output priority -100; policy accept;
    ip6 daddr ::1 return
    jump publish
  }}
  chain publish {{
    meta nfproto ipv4 dnat ip to ip daddr . meta l4proto . th dport map @published_at
    meta nfproto ipv6 dnat ip6 to ip6 daddr . meta l4proto . th dport map @published_at6
    fib daddr type != local return
    meta nfproto ipv4 dnat ip to meta l4proto . th dport map @published
    meta nfproto ipv6 dnat ip6 to meta l4proto . th dport map @published6
  }}
  chain forwarded {{
    type filter hook forward priority filter; policy accept;
    iifname . oifname @same accept
    iifname @inward drop
    oifname @inward drop
    iifname "{bridges}*" ct state new update @rates {{ ip saddr limit rate over {connections} }} drop
    iifname "{bridges}*" ct state new update @rates6 {{ ip6 saddr limit rate over {connections} }} drop
    iifname "{bridges}*" oifname "{bridges}*" ct status dnat accept
    iifname "{bridges}*" oifname "{bridges}*" drop
    iifname "{bridges}*" ip daddr {metadata} meta l4proto != {{ tcp, udp }} drop
    iifname "{bridges}*" ip daddr {metadata} th dport != 53 drop
    iifname "{bridges}*" ip6 daddr {metadata6} meta l4proto != {{ tcp, udp }} drop
    iifname "{bridges}*" ip6 daddr {metadata6} th dport != 53 drop
    iifname @confined jump outward
    oifname @confined jump homeward
    oifname "{bridges}*" ct state established,related accept
    oifname "{bridges}*" ct status dnat accept
    oifname "{bridges}*" drop
  }}
  chain outward {{
    ct direction reply ct status dnat accept
    iifname . ip daddr . meta l4proto . th dport @allowed return
    iifname . ip6 daddr . meta l4proto . th dport @allowed6 return
    meta l4proto tcp ct state established reject with tcp reset
    reject with icmpx admin-prohibited
  }}
  chain homeward {{
    ct direction original return
    ct state related return
    oifname . ip saddr . meta l4proto . th sport @allowed return
    oifname . ip6 saddr . meta l4proto . th sport @allowed6 return
    drop
  }}
  chain received {{
    type filter hook input priority filter; policy accept;
    iifname "{bridges}*" jump from_container
  }}
  chain from_container {{
    ct state established,related accept
    ct state new update @rates {{ ip saddr limit rate over {connections} }} drop
    ct state new update @rates6 {{ ip6 saddr limit rate over {connections} }} drop
    icmp type echo-request accept
    icmpv6 type {{ echo-request, nd-neighbor-solicit, nd-neighbor-advert }} accept
    drop
  }}
  chain leaving {{
    type nat hook postrouting priority srcnat; policy accept;
    oifname "{bridges}*" jump entering
    ip saddr @subnets oifname != "{bridges}*" masquerade
    ip6 saddr @subnets6 oifname != "{bridges}*" masquerade
  }}
  chain entering {{
    ct status dnat ip saddr 127.0.0.0/8 masquerade
    ct status dnat ip saddr @subnets masquerade
    ct status dnat ip6 saddr @subnets6 masquerade
  }}
}}
"""

# Servers of addresses (DHCP) and routers would lead neighbours astray; who answers for a neighbour's address takes its packets.
_BRIDGED = """
table bridge {table} {{
  set leases {{ type ifname . ether_addr . ipv4_addr; }}
  set leases6 {{ type ifname . ether_addr . ipv6_addr; }}
  set targets6 {{ typeof iifname . ether saddr . @th,64,128; }}
  chain spoofed {{
    type filter hook prerouting priority filter; policy accept;
    iifname "{veths}*" jump from_container
  }}
  chain from_container {{
    ether type ip iifname . ether saddr . ip saddr @leases jump known
    ether type arp iifname . ether saddr . arp saddr ip @leases iifname . arp saddr ether . arp saddr ip @leases accept
    ether type ip6 iifname . ether saddr . ip6 saddr @leases6 jump known
    drop
  }}
  chain known {{
    udp sport {{ 67, 547 }} drop
    icmpv6 type nd-neighbor-advert iifname . ether saddr . @th,64,128 @targets6 accept
    icmpv6 type {{ nd-router-solicit, nd-router-advert, nd-neighbor-advert, nd-redirect }} drop
    accept
  }}
}}
"""


class Guard(NamedTuple):
    """What a container may call itself on one network."""

    address: IPv4Address
    mac: str
    address6: IPv6Address | None = None


def guard_of(lease: Lease) -> Guard:
    return Guard(lease.address, lease.mac, lease.address6)


class Forward(NamedTuple):
    """A port of the host, on one address or on all of one family, and where it leads. ``protocol`` is tcp or udp."""

    protocol: str
    host_address: str
    host_port: int
    address: str
    port: int

    @property
    def is_ipv6(self) -> bool:
        return ":" in self.address


def routed_table(instance: str, zones: Iterable[Zone], forwards: Iterable[Forward] = ()) -> str:
    """Return the commands that replace the table of IP rules, in one transaction."""
    text = _ROUTED.format(
        table=table_name(instance),
        bridges=bridge_prefix(instance),
        metadata=_METADATA,
        metadata6=_METADATA6,
        connections=_NEW_CONNECTIONS,
    )
    elements = [*(zone_commands(instance, zone) for zone in zones), *(_add_forward(instance, forward) for forward in forwards)]
    return _replaced("inet", instance) + text + "".join(elements)


def bridged_table(instance: str, guards: Iterable[Guard]) -> str:
    """Return the commands that replace the table of the spoof guard, in one transaction."""
    text = _BRIDGED.format(table=table_name(instance), veths=veth_prefix(instance))
    return _replaced("bridge", instance) + text + "".join(_add_guard(instance, guard) for guard in guards)


def _replaced(family: str, instance: str) -> str:
    """nft 1.0.6 has no `destroy`: deleting what may not exist takes an `add` before."""
    return f"add table {family} {table_name(instance)}\n" + delete_table(family, instance)


def delete_table(family: str, instance: str) -> str:
    return f"delete table {family} {table_name(instance)}\n"


def _add_guard(instance: str, guard: Guard) -> str:
    start = f"add element bridge {table_name(instance)}"
    veth = f'"{veth_name(instance, guard.address)}" . {guard.mac}'
    lines = [f"{start} leases {{ {veth} . {guard.address} }}\n"]
    if guard.address6 is not None:
        lines += [f"{start} leases6 {{ {veth} . {guard.address6} }}\n"]
        lines += [f"{start} targets6 {{ {veth} . {int(guard.address6):#x} }}\n"]
    return "".join(lines)


def guard_elements(instance: str, guard: Guard) -> list[Element]:
    """Return the elements of a guard as the kernel takes them, for when it comes or goes alone."""
    veth = interface_field(veth_name(instance, guard.address))
    mac = bytes.fromhex(guard.mac.replace(":", ""))
    names = ("leases6", "targets6") if guard.address6 is not None else ()
    address6 = guard.address6.packed if guard.address6 is not None else b""
    return [Element("leases", (veth, mac, guard.address.packed)), *(Element(name, (veth, mac, address6)) for name in names)]


def _add_forward(instance: str, forward: Forward) -> str:
    at = "" if _is_everywhere(forward) else f"{forward.host_address} . "
    element = f"{at}{forward.protocol} . {forward.host_port} : {forward.address} . {forward.port}"
    return f"add element inet {table_name(instance)} {_map_of(forward)} {{ {element} }}\n"


def forward_element(forward: Forward) -> Element:
    """Return the element of a published port as the kernel takes it."""
    protocol = bytes([IPPROTO_TCP if forward.protocol == TCP else IPPROTO_UDP])
    at = () if _is_everywhere(forward) else (ip_address(forward.host_address).packed,)
    key = (*at, protocol, forward.host_port.to_bytes(2, "big"))
    return Element(_map_of(forward), key, (ip_address(forward.address).packed, forward.port.to_bytes(2, "big")))


def _map_of(forward: Forward) -> str:
    return ("published" if _is_everywhere(forward) else "published_at") + ("6" if forward.is_ipv6 else "")


def _is_everywhere(forward: Forward) -> bool:
    return forward.host_address in (ANY_ADDRESS, ANY_ADDRESS6)
