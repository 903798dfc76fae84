"""What networks, leases and endpoints are. Values only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from engine.core.addresses import gateway6_of, gateway_of, mac_address
from engine.core.networks import BRIDGE, BRIDGE_NAME_OPTION, Ipam, option_icc, option_masquerade, option_mtu
from engine.core.tenants import Tenant

DEFAULT_NETWORK = BRIDGE
# Numbers count for each network namespace by itself; a new one holds the loopback and, with some kernels, a few tunnels.
CONTAINER_INTERFACE_INDEX = 1000


@dataclass(frozen=True, slots=True)
class Network:
    """A set of endpoints that can talk: one bridge, one subnet, one owner. ``ipam`` is what was chosen of it."""

    network_id: str  # 64 hexadecimal digits
    name: str
    owner: Tenant
    subnet: IPv4Network
    created_ns: int  # Unix time
    ipam: Ipam = field(default_factory=Ipam)
    internal: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
    subnet6: IPv6Network | None = None
    attachable: bool = False

    @property
    def gateway(self) -> IPv4Address:
        return self.ipam.gateway or gateway_of(self.subnet)

    @property
    def gateway6(self) -> IPv6Address | None:
        """None for a network without IPv6."""
        return None if self.subnet6 is None else self.ipam.gateway6 or gateway6_of(self.subnet6)

    @property
    def reserved(self) -> frozenset[IPv4Address]:
        """Addresses that no container gets."""
        return frozenset({self.gateway, *self.ipam.auxiliary.values()})

    @property
    def reserved6(self) -> frozenset[IPv6Address]:
        """IPv6 addresses that no container gets."""
        gateway = () if self.gateway6 is None else (self.gateway6,)
        return frozenset({*gateway, *self.ipam.auxiliary6.values()})

    @property
    def is_default(self) -> bool:
        return self.name == DEFAULT_NETWORK

    @property
    def driver(self) -> str:
        """What makes it work, in Docker's words."""
        return "bridge"

    @property
    def bridge_name(self) -> str:
        """A name by which administrators find the bridge, beside its own; empty for none."""
        return self.options.get(BRIDGE_NAME_OPTION, "")

    @property
    def masquerade(self) -> bool:
        """Whether its packets leave the host under the host's address."""
        return option_masquerade(self.options)

    @property
    def mtu(self) -> int | None:
        """The largest packet, None for that of the way out."""
        return option_mtu(self.options)

    @property
    def icc(self) -> bool:
        """Whether its containers may talk to each other."""
        return option_icc(self.options)


@dataclass(frozen=True, slots=True)
class Lease:
    """An address held by a container. The first of its aliases is the container's name."""

    container_id: str
    network_id: str
    endpoint_id: str
    address: IPv4Address
    hostname: str
    aliases: tuple[str, ...]
    number: int = 0  # of the interface in the container
    address6: IPv6Address | None = None
    mac: str = ""  # without one that was asked for it follows from the address

    def __post_init__(self) -> None:
        if not self.mac:
            object.__setattr__(self, "mac", mac_address(self.address))

    @property
    def interface(self) -> str:
        return f"eth{self.number}"

    @property
    def interface_index(self) -> int:
        return CONTAINER_INTERFACE_INDEX + self.number


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
    address6: str = ""
    prefix6: int = 0
    gateway6: str = ""


def endpoint_of(network: Network, lease: Lease, netlink: tuple[bytes, ...] = ()) -> Endpoint:
    """Join what is known of a lease and of its network."""
    return Endpoint(
        container_id=lease.container_id,
        network_id=network.network_id,
        name=network.name,
        endpoint_id=lease.endpoint_id,
        interface=lease.interface,
        address=str(lease.address),
        prefix=network.subnet.prefixlen,
        gateway="" if network.internal else str(network.gateway),
        mac=lease.mac,
        hostname=lease.hostname,
        aliases=lease.aliases,
        netlink=netlink,
        address6=str(lease.address6 or ""),
        prefix6=network.subnet6.prefixlen if network.subnet6 and lease.address6 else 0,
        gateway6="" if network.internal or lease.address6 is None else str(network.gateway6),
    )
