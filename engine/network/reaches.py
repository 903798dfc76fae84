"""Where the containers of each tenant may send packets outside of the host, as far as rules of tenants say it.

Owns the table in memory and what a place is as an element of the firewall's sets; knows nothing of who set it.
"""

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address, IPv6Address

from engine.core.destinations import Reach, boxes
from engine.core.tenants import Tenant
from engine.linux.nft_elements import Element, interface_field

CONFINED = "confined"
_SETS = (("allowed", 4), ("allowed6", 6))
_ADDRESS_BYTES = {4: 4, 6: 16}


class Reaches:
    """Tenants that are not named have what their team has; teams that are not named have everything."""

    def __init__(self, by_tenant: Mapping[Tenant, Reach] | None = None) -> None:
        self._by_tenant = dict(by_tenant or {})

    def of(self, owner: Tenant) -> Reach:
        return self._by_tenant.get(owner) if owner in self._by_tenant else self._by_tenant.get(Tenant(owner.team))

    def is_closed(self, owner: Tenant) -> bool:
        """Whether nothing outside may be reached."""
        return self.of(owner) == ()

    def replace(self, by_tenant: Mapping[Tenant, Reach]) -> None:
        """Forget what was, and know these."""
        self._by_tenant = dict(by_tenant)


def reach_elements(bridge: str, reach: Reach) -> list[Element]:
    """Return what confines a bridge, as the kernel takes it."""
    if reach is None:
        return []
    found = [Element(CONFINED, (interface_field(bridge),))]
    for name, version in _SETS:
        for box in boxes(reach, version):
            first, last = _key(bridge, version, *box[::2]), _key(bridge, version, *box[1::2])
            found.append(Element(name, first, last=last))
    return found


def _key(bridge: str, version: int, address: int, protocol: int, port: int) -> tuple[bytes, ...]:
    return (
        interface_field(bridge),
        address.to_bytes(_ADDRESS_BYTES[version], "big"),
        bytes([protocol]),
        port.to_bytes(2, "big"),
    )


def reach_lines(start: str, bridge: str, reach: Reach) -> Iterator[str]:
    """Return the same as commands; ``start`` names the table that they add to."""
    if reach is None:
        return
    yield f'{start} {CONFINED} {{ "{bridge}" }}\n'
    for name, version in _SETS:
        for box in boxes(reach, version):
            address = _span(*(_address(number, version) for number in box[:2]))
            yield f'{start} {name} {{ "{bridge}" . {address} . {_span(*map(str, box[2:4]))} . {_span(*map(str, box[4:]))} }}\n'


def _address(number: int, version: int) -> str:
    return str(IPv4Address(number) if version == 4 else IPv6Address(number))


def _span(first: str, last: str) -> str:
    return first if first == last else f"{first}-{last}"
