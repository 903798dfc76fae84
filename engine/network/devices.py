"""Bridges and veth pairs of one engine: which messages make them, and that making them twice does no harm."""

import errno
from ipaddress import IPv4Address

from engine.core.addresses import mac_address
from engine.linux import netlink
from engine.network.model import CONTAINER_INTERFACE, Lease, Network
from engine.network.names import bridge_name, device_group, device_index, veth_name, veth_prefix

_ETHERNET_MTU = 1500


class Devices:
    """Used from one thread, in the network namespace in which that thread made it."""

    def __init__(self, instance: str) -> None:
        self._instance = instance
        self._group = device_group(instance)
        self._netlink = netlink.Rtnetlink()
        # Any other group is somebody else's device, which happens to have such a name.
        self._bridges = {link.name for link in netlink.links() if link.group == self._group}
        self._mtu = _outside_mtu()

    def has_bridge(self, network: Network) -> bool:
        return bridge_name(self._instance, network.subnet) in self._bridges

    def add_bridge(self, network: Network) -> None:
        """Make the network's bridge with the gateway's address.

        Raises FileExistsError when another program has taken the name or the number, and OSError.
        """
        self._mtu = _outside_mtu()
        name = bridge_name(self._instance, network.subnet)
        index = device_index(network.subnet.network_address)
        mac = mac_address(network.gateway)
        self._netlink.request(netlink.bridge_message(name, index=index, mac=mac, mtu=self._mtu, group=self._group))
        self._bridges.add(name)
        try:
            self._netlink.request(
                netlink.no_ipv6_address_message(index),
                netlink.address_message(index, network.gateway, network.subnet),
                netlink.link_up_message(index),
            )
        except OSError:
            self.remove_bridge(network)
            raise

    def remove_bridge(self, network: Network) -> None:
        self._bridges.discard(bridge_name(self._instance, network.subnet))
        self._delete(device_index(network.subnet.network_address))

    def forget_bridge(self, network: Network) -> None:
        """Note that somebody else has removed the bridge."""
        self._bridges.discard(bridge_name(self._instance, network.subnet))

    def add_veth(self, network: Network, lease: Lease, netns_fd: int) -> None:
        """Make the container's veth pair. Raises FileExistsError when the name or the number is taken, and OSError."""
        index = device_index(lease.address)
        self._netlink.request(
            netlink.veth_message(
                veth_name(self._instance, lease.address),
                index=index,
                bridge_index=device_index(network.subnet.network_address),
                mtu=self._mtu,
                group=self._group,
                peer_name=CONTAINER_INTERFACE,
                peer_mac=lease.mac,
                netns_fd=netns_fd,
            ),
            netlink.no_ipv6_address_message(index),
        )

    def remove_veth(self, address: IPv4Address) -> None:
        """Delete a pair that is still there. Slow: usually it goes with the container's network namespace."""
        self._delete(device_index(address))

    def strays(self, held: set[IPv4Address]) -> list[IPv4Address]:
        """Return the addresses whose veth exists though nobody holds them."""
        prefix = veth_prefix(self._instance)
        names = [link.name for link in netlink.links() if link.group == self._group and link.name.startswith(prefix)]
        addresses = (IPv4Address(int(name.removeprefix(prefix), 16)) for name in names)
        return [address for address in addresses if address not in held]

    def remove_all(self) -> None:
        """Delete every bridge and veth of this engine."""
        self._bridges.clear()
        self._tolerate(netlink.delete_group_message(self._group))

    def _delete(self, index: int) -> None:
        self._tolerate(netlink.delete_link_message(index))

    def _tolerate(self, message: bytes) -> None:
        """Send a message whose object may be gone already."""
        try:
            self._netlink.request(message)
        except OSError as error:
            if error.errno != errno.ENODEV:
                raise

    def close(self) -> None:
        self._netlink.close()


def inner_messages(network: Network, lease: Lease) -> tuple[bytes, ...]:
    """Return what configures the container's end, to be sent from inside its network namespace."""
    index = device_index(lease.address)
    return (
        netlink.no_ipv6_address_message(index),
        netlink.address_message(index, lease.address, network.subnet),
        netlink.link_up_message(index),
        netlink.default_route_message(index, network.gateway),
    )


def _outside_mtu() -> int:
    """Packets that fit the way out (a tunnel or a cloud's overlay) need no fragments; larger ones than usual gain little."""
    device = netlink.default_route_device()
    sizes = [link.mtu for link in netlink.links() if link.number == device and link.mtu]
    return min([_ETHERNET_MTU, *sizes])
