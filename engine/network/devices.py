"""Bridges and veth pairs of one engine: which messages make them, and that making them twice does no harm."""

import errno
import socket
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from engine.core.addresses import mac_address
from engine.linux import netlink
from engine.network.model import Lease, Network
from engine.network.names import bridge_name, bridge_prefix, device_group, device_index, veth_name, veth_prefix

_ETHERNET_MTU = 1500
_HAS_IPV6 = Path("/proc/net/if_inet6").exists()


class Devices:
    """Used from one thread, in the network namespace in which that thread made it."""

    def __init__(self, instance: str) -> None:
        self._instance = instance
        self._group = device_group(instance)
        self._netlink = netlink.Rtnetlink()
        self._mtu = _outside_mtu()
        self._configured: set[str] = set()

    def has_bridge(self, network: Network) -> bool:
        """Tell whether the network's bridge exists."""
        try:
            index = socket.if_nametoindex(bridge_name(self._instance, network.subnet))
        except OSError:
            return False
        return index == device_index(network.subnet.network_address)

    def is_ready(self, network: Network) -> bool:
        """Tell whether the bridge exists and this process has seen to its address and state."""
        return bridge_name(self._instance, network.subnet) in self._configured and self.has_bridge(network)

    def add_bridge(self, network: Network) -> None:
        """Make the network's bridge, or complete one that a daemon before us has left.

        Raises FileExistsError when another program has taken the name or the number, and OSError.
        """
        self._mtu = _outside_mtu()
        name = bridge_name(self._instance, network.subnet)
        index = device_index(network.subnet.network_address)
        if not self.has_bridge(network):
            mac = mac_address(network.gateway)
            mtu = network.mtu or self._mtu
            self._netlink.request(netlink.bridge_message(name, index=index, mac=mac, mtu=mtu, group=self._group))
        try:
            self._netlink.request(*_ipv6_off(index), netlink.link_up_message(index))
            self._tolerate(netlink.address_message(index, network.gateway, network.subnet), errno.EEXIST)
        except OSError:
            self.remove_bridge(network)
            raise
        self._configured.add(name)

    def remove_bridge(self, network: Network) -> None:
        """Delete the network's bridge, if it is there."""
        name = bridge_name(self._instance, network.subnet)
        self._configured.discard(name)
        self._delete(name)

    def plan_veth(self, network: Network, lease: Lease) -> bytes:
        """Return what makes the container's veth pair, once its network namespace is there."""
        return netlink.veth_message(
            veth_name(self._instance, lease.address),
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

    def remove_veth(self, address: IPv4Address) -> None:
        """Delete a pair that is still there. Slow: usually it goes with the container's network namespace."""
        self._delete(veth_name(self._instance, address))

    def remove_stray_bridges(self, subnets: Iterable[IPv4Network]) -> None:
        """Delete the bridges of networks that are none any more."""
        kept = {bridge_name(self._instance, subnet) for subnet in subnets}
        prefix = bridge_prefix(self._instance)
        for link in netlink.links():
            if link.group == self._group and link.name.startswith(prefix) and link.name not in kept:
                self._delete(link.name)

    def strays(self, held: set[IPv4Address]) -> list[IPv4Address]:
        """Return the addresses whose veth exists though nobody holds them."""
        prefix = veth_prefix(self._instance)
        names = [link.name for link in netlink.links() if link.group == self._group and link.name.startswith(prefix)]
        addresses = (IPv4Address(int(name.removeprefix(prefix), 16)) for name in names)
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


def inner_messages(network: Network, lease: Lease, *, is_way_out: bool) -> tuple[bytes, ...]:
    """Return what configures the container's end, to be sent from inside its network namespace."""
    index = lease.interface_index
    return (
        *_ipv6_off(index),
        netlink.address_message(index, lease.address, network.subnet),
        netlink.link_up_message(index),
        *(way_out_messages(network, lease) if is_way_out else ()),
    )


def way_out_messages(network: Network, lease: Lease) -> tuple[bytes, ...]:
    """Return what sends all that is for no network of the container through this one."""
    return (netlink.default_route_message(lease.interface_index, network.gateway),)


def _ipv6_off(index: int) -> tuple[bytes, ...]:
    """Nothing where the kernel has no IPv6: it would refuse the message."""
    return (netlink.no_ipv6_address_message(index),) if _HAS_IPV6 else ()


def _outside_mtu() -> int:
    """Packets that fit the way out (a tunnel or a cloud's overlay) need no fragments; larger ones than usual gain little."""
    device = netlink.default_route_device()
    sizes = [link.mtu for link in netlink.links() if link.number == device and link.mtu]
    return min([_ETHERNET_MTU, *sizes])
