"""Who is on one network: its leases, with the addresses that they hold at hand. Values only, used from one thread."""

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address

from engine.core.addresses import mac_address
from engine.network.model import Lease

MOST_MEMBERS = 1023  # ports of a bridge (BR_MAX_PORTS), of which the kernel keeps one


@dataclass(slots=True)
class Members:
    """The leases of a network by container. Who comes back in place of itself is counted once."""

    leases: dict[str, Lease] = field(default_factory=dict)
    addresses: set[IPv4Address] = field(default_factory=set)
    addresses6: set[IPv6Address] = field(default_factory=set)
    macs: set[str] = field(default_factory=set)
    claimed: set[IPv4Address] = field(default_factory=set)  # would bring along a hardware address that somebody has asked for

    def add(self, lease: Lease) -> None:
        self.remove(lease.container_id)
        self.leases[lease.container_id] = lease
        self.addresses.add(lease.address)
        self.macs.add(lease.mac)
        self.claimed |= _claimed_by(lease)
        if lease.address6 is not None:
            self.addresses6.add(lease.address6)

    def remove(self, container_id: str) -> None:
        lease = self.leases.pop(container_id, None)
        if lease is not None:
            self.addresses.discard(lease.address)
            self.macs.discard(lease.mac)
            self.claimed -= _claimed_by(lease)
            if lease.address6 is not None:
                self.addresses6.discard(lease.address6)


def _claimed_by(lease: Lease) -> set[IPv4Address]:
    start, rest = lease.mac[:6], lease.mac[6:]
    is_asked_for = start == "02:42:" and lease.mac != mac_address(lease.address)
    return {IPv4Address(bytes.fromhex(rest.replace(":", "")))} if is_asked_for else set()
