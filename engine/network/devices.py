"""Bridges and veth pairs of one engine: which messages make them, and that making them twice does no harm."""

import errno
import logging
import socket
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path

from engine.core.addresses import mac_address
from engine.linux import netlink
from engine.linux.host_routes import Route, mtu_of, read_links, read_routes
from engine.network.model import Lease, Network
from engine.network.names import bridge_name, bridge_prefix, device_group, device_index, veth_name, veth_prefix
from engine.network.surroundings import Surroundings, surroundings_of

_log = logging.getLogger(__name__)
_ETHERNET_MTU = 1500
_HAS_IPV6 = Path("/proc/net/if_inet6").exists()
_IPV6_SETTINGS = Path("/proc/sys/net/ipv6/conf")
_LINK_LOCAL = IPv6Address("fe80::1"), IPv6Network("fe80::/64")  # without one the host cannot look for neighbours of others


class Devices:
    """Used from one thread, in the network namespace in which that thread made it."""

    def __init__(self, instance: str) -> None:
        self.instance = instance
        self._group = device_group(instance)
        self._netlink = netlink.Rtnetlink()
        self._mtu = _ETHERNET_MTU
        self._configured: set[str] = set()
        self.look_around()

    def look_around(self, own: Iterable[IPv4Network] = ()) -> Surroundings:
        """Return where the host's routes lead, and see how large packets may be on its way out.

        What leads to bridges of the subnets ``own`` is left out: it is known, and there may be hundreds.
        """
        bridges = {device_index(subnet.network_address) for subnet in own}
        families = (socket.AF_INET, socket.AF_INET6) if _HAS_IPV6 else (socket.AF_INET,)
        found = [[one for one in read_routes(self._netlink.dump, family) if one.device not in bridges] for family in families]
        self._mtu = _outside_mtu(found[0])
        return surroundings_of(found[0], found[1] if _HAS_IPV6 else [])

    def has_bridge(self, network: Network) -> bool:
        """Tell whether the network's bridge exists."""
        return _index_of(bridge_name(self.instance, network.subnet)) == device_index(network.subnet.network_address)

    def is_ready(self, network: Network) -> bool:
        """Tell whether the bridge exists and this process has seen to its address and state."""
        return bridge_name(self.instance, network.subnet) in self._configured and self.has_bridge(network)

    def add_bridge(self, network: Network) -> None:
        """Make the network's bridge, or complete one that a daemon before us has left.

        Raises FileExistsError when another program has taken the name or the number, and OSError.
        """
        name = bridge_name(self.instance, network.subnet)
        index = device_index(network.subnet.network_address)
        if not self.has_bridge(network):
            mac = mac_address(network.gateway)
            mtu = network.mtu or self._mtu
            self._netlink.request(netlink.bridge_message(name, index=index, mac=mac, mtu=mtu, group=self._group))
        try:
            unlearning = netlink.forgo_link_local_learning_message(index)
            self._netlink.request(*_ipv6_off(index), unlearning, netlink.link_up_message(index))
            self._tolerate(netlink.address_message(index, network.gateway, network.subnet), errno.EEXIST)
            self._add_ipv6(network, name, index)
            self._add_name(network, index)
        except OSError:
            self.remove_bridge(network)
            raise
        self._configured.add(name)

    def _add_ipv6(self, network: Network, name: str, index: int) -> None:
        if network.subnet6 is None or network.gateway6 is None:
            return
        for setting, value in (("disable_ipv6", "0"), ("accept_ra", "0"), ("autoconf", "0"), ("accept_redirects", "0")):
            (_IPV6_SETTINGS / name / setting).write_text(value)
        for address, subnet in (_LINK_LOCAL, (network.gateway6, network.subnet6)):
            self._tolerate(netlink.address6_message(index, address, subnet), errno.EEXIST)
        forward_ipv6()

    def _add_name(self, network: Network, index: int) -> None:
        """Beside the name of ours, by whose beginning the rules tell our bridges from others."""
        wanted = network.bridge_name
        if not wanted or _index_of(wanted) == index:
            return
        try:
            self._netlink.request(netlink.second_name_message(index, wanted))
        except FileExistsError as error:
            raise OSError(errno.EBUSY, f"another device of this host is called {wanted}") from error

    def remove_bridge(self, network: Network) -> None:
        """Delete the network's bridge, if it is there."""
        name = bridge_name(self.instance, network.subnet)
        self._configured.discard(name)
        self._delete(name)

    def plan_veth(self, network: Network, lease: Lease) -> bytes:
        """Return what makes the container's veth pair, once its network namespace is there."""
        return netlink.veth_message(
            veth_name(self.instance, lease.address),
            index=device_index(lease.address),
            bridge_index=device_index(network.subnet.network_address),
            mtu=network.mtu or self._mtu,
            group=self._group,
            peer_name=lease.interface,
            peer_index=lease.interface_index,
            peer_mac=lease.mac,
        )

    def add_veth(self, planned: bytes, lease: Lease, netns_fd: int, *, isolated: bool = False) -> None:
        """Make the container's veth pair; an isolated one reaches no other on its bridge.

        Raises FileExistsError when the name or the number is taken, and OSError.
        """
        index = device_index(lease.address)
        self._netlink.request(netlink.into_namespace(planned, netns_fd))
        # Apart from the first: the kernel goes on after a refusal, and the number would then be another program's device.
        self._netlink.request(*_ipv6_off(index), *((netlink.isolate_port_message(index),) if isolated else ()))

    def plug_again(self, network: Network, lease: Lease) -> None:
        """Put a container's veth on the bridge that was made anew; nothing where it is not there. Raises OSError."""
        index = device_index(lease.address)
        if _index_of(veth_name(self.instance, lease.address)) != index:
            return
        self._netlink.request(netlink.bridge_port_message(index, device_index(network.subnet.network_address)))
        if not network.icc:
            self._netlink.request(netlink.isolate_port_message(index))

    def turn_round(self, lease: Lease) -> None:
        """Let a container's packets come back to it, as those to a port that it has published itself. Raises OSError."""
        self._netlink.request(netlink.hairpin_port_message(device_index(lease.address)))

    def remove_veth(self, address: IPv4Address) -> None:
        """Delete a pair that is still there. Slow: usually it goes with the container's network namespace."""
        self._delete(veth_name(self.instance, address))

    def remove_stray_bridges(self, subnets: Iterable[IPv4Network]) -> None:
        """Delete the bridges of networks that are none any more."""
        kept = {bridge_name(self.instance, subnet) for subnet in subnets}
        prefix = bridge_prefix(self.instance)
        for link in read_links(self._netlink.dump):
            if link.group == self._group and link.name.startswith(prefix) and link.name not in kept:
                self._delete(link.name)

    def strays(self, held: set[IPv4Address]) -> list[IPv4Address]:
        """Return the addresses whose veth exists though nobody holds them."""
        prefix = veth_prefix(self.instance)
        own = (link.name for link in read_links(self._netlink.dump) if link.group == self._group)
        addresses = (IPv4Address(int(name.removeprefix(prefix), 16)) for name in own if name.startswith(prefix))
        return [address for address in addresses if address not in held]

    def remove_all(self) -> None:
        """Delete every bridge and veth of this engine."""
        self._configured.clear()
        self._tolerate(netlink.delete_group_message(self._group), errno.ENODEV)

    def _delete(self, name: str) -> None:
        # By name, which is ours alone; the number could be another program's device.
        self._tolerate(netlink.delete_link_message(name), errno.ENODEV)

    def _tolerate(self, message: bytes, harmless: int) -> None:
        """Send a message; one error says that what it wants is so already."""
        try:
            self._netlink.request(message)
        except OSError as error:
            if error.errno != harmless:
                raise

    def close(self) -> None:
        self._netlink.close()


def inner_messages(network: Network, lease: Lease, *, is_way_out: bool, is_way_out6: bool = False) -> tuple[bytes, ...]:
    """Return what configures the container's end, to be sent from inside its network namespace."""
    index = lease.interface_index
    return (
        *_ipv6_off(index),
        netlink.address_message(index, lease.address, network.subnet),
        *_address6(network, lease),
        netlink.link_up_message(index),
        *(way_out_messages(network, lease) if is_way_out else ()),
        *(way_out6_messages(network, lease) if is_way_out6 else ()),
    )


def _address6(network: Network, lease: Lease) -> tuple[bytes, ...]:
    if network.subnet6 is None or lease.address6 is None:
        return ()
    return (netlink.address6_message(lease.interface_index, lease.address6, network.subnet6),)


def way_out_messages(network: Network, lease: Lease) -> tuple[bytes, ...]:
    """Return what sends all that is for no network of the container through this one."""
    return (netlink.default_route_message(lease.interface_index, network.gateway),)


def way_out6_messages(network: Network, lease: Lease) -> tuple[bytes, ...]:
    """The same for IPv6; nothing where the network or the container has none."""
    if network.gateway6 is None or lease.address6 is None:
        return ()
    return (netlink.default_route_message(lease.interface_index, network.gateway6),)


def _ipv6_off(index: int) -> tuple[bytes, ...]:
    """Nothing where the kernel has no IPv6: it would refuse the message."""
    return (netlink.no_ipv6_address_message(index),) if _HAS_IPV6 else ()


def has_ipv6() -> bool:
    """Whether the kernel of this host knows IPv6."""
    return _HAS_IPV6


def forward_ipv6() -> None:
    """Let the host route between its bridges and its way out. It stays so, as other programs may have come to rely on it.

    A host that routes no longer learns its own way out from its router, unless told that it still shall (accept_ra is 2 then).
    """
    switch = _IPV6_SETTINGS / "all/forwarding"
    if switch.read_text().strip() != "0":
        return
    for learning in _IPV6_SETTINGS.glob("*/accept_ra"):
        if learning.parent.name != "all" and learning.read_text().strip() == "1":
            learning.write_text("2")
    switch.write_text("1")
    _log.info("net.ipv6.conf.all.forwarding was 0 and is now 1; accept_ra is 2 where it was 1")


def has_device(name: str) -> bool:
    """Whether a device of this host has the name, as its first or a further one."""
    return _index_of(name) != 0


def _index_of(name: str) -> int:
    try:
        return socket.if_nametoindex(name)
    except OSError:
        return 0


def _outside_mtu(routes: Iterable[Route]) -> int:
    """Packets that fit the way out (a tunnel or a cloud's overlay) need no fragments; larger ones than usual gain little."""
    devices = (route.device for route in routes if not route.prefix and route.is_main and route.device)
    try:
        return min([_ETHERNET_MTU, *(mtu_of(device) for device in list(devices)[:1])])
    except OSError:  # it has gone since
        return _ETHERNET_MTU
