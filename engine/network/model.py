"""What networks, leases and endpoints are. Values only."""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from engine.core.addresses import gateway_of, mac_address
from engine.core.tenants import Tenant

DEFAULT_NETWORK = "bridge"
CONTAINER_INTERFACE = "eth0"
# Numbers count for each network namespace by itself; a new one holds the loopback and, with some kernels, a few tunnels.
CONTAINER_INTERFACE_INDEX = 1000


@dataclass(frozen=True, slots=True)
class Network:
    """A set of endpoints that can talk: one bridge, one subnet, one owner."""

    network_id: str  # 64 hexadecimal digits
    name: str
    owner: Tenant
    subnet: IPv4Network
    created_ns: int  # Unix time

    @property
    def gateway(self) -> IPv4Address:
        return gateway_of(self.subnet)


@dataclass(frozen=True, slots=True)
class Lease:
    """An address held by a container."""

    container_id: str
    network_id: str
    endpoint_id: str
    address: IPv4Address
    hostname: str
    aliases: tuple[str, ...]

    @property
    def mac(self) -> str:
        return mac_address(self.address)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A container's attachment to a network, as the rest of the engine sees it.

    ``netlink`` are the rtnetlink messages, one acknowledged request each, that configure ``interface`` from inside the
    container's network namespace, in this order; the loopback device is not among them. Empty when the endpoint was only
    looked up.
    """

    container_id: str
    network_id: str
    name: str  # of the network
    endpoint_id: str
    interface: str
    address: str
    prefix: int
    gateway: str
    mac: str
    hostname: str
    aliases: tuple[str, ...]
    netlink: tuple[bytes, ...] = ()


def endpoint_of(network: Network, lease: Lease, netlink: tuple[bytes, ...] = ()) -> Endpoint:
    """Join what is known of a lease and of its network."""
    return Endpoint(
        container_id=lease.container_id,
        network_id=network.network_id,
        name=network.name,
        endpoint_id=lease.endpoint_id,
        interface=CONTAINER_INTERFACE,
        address=str(lease.address),
        prefix=network.subnet.prefixlen,
        gateway=str(network.gateway),
        mac=lease.mac,
        hostname=lease.hostname,
        aliases=lease.aliases,
        netlink=netlink,
    )
