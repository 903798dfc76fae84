"""Names and numbers of the devices of one engine. Pure.

All follow from the instance (6 hexadecimal digits of the data folder's path) and an address, so that they can be told apart from
other engines' and found again without a record. The kernel allows 15 characters: ``b`` or ``v``, the instance, the address in 8.
"""

import hashlib
import re
from ipaddress import IPv4Address, IPv4Network

from engine.errors import InvalidParameter

TABLE_PREFIX = "atelier_"
_INSTANCE = re.compile(r"[0-9a-f]{6}")
# Far above what the kernel hands out by itself, which counts up from 1.
_INDEX_BASE = 0x1000_0000
_INDEX_MASK = 0x0FFF_FFFF
# Device groups are numbers shared by all programs of a host; "a" in front keeps away from the small ones that people choose.
_GROUP_BASE = 0x6100_0000


def check_instance(instance: str) -> str:
    """Return the instance. Raises InvalidParameter when it is not 6 hexadecimal digits: it becomes part of firewall commands."""
    if not _INSTANCE.fullmatch(instance):
        raise InvalidParameter(f"invalid engine instance {instance[:40]!r}: use 6 hexadecimal digits")
    return instance


def builtin_network_id(instance: str, owner: str, name: str) -> str:
    """Return the id of a network that is there without anybody making it: the same at any time."""
    return hashlib.sha256(f"{instance}\0{owner}\0{name}".encode()).hexdigest()


def table_name(instance: str) -> str:
    return f"{TABLE_PREFIX}{instance}"


def bridge_prefix(instance: str) -> str:
    return f"b{instance}"


def veth_prefix(instance: str) -> str:
    return f"v{instance}"


def rate_device_names(instance: str) -> tuple[str, str]:
    """Return the devices that all limited traffic passes: into containers, out of them."""
    return f"r{instance}in", f"r{instance}out"


def bridge_name(instance: str, subnet: IPv4Network) -> str:
    return f"{bridge_prefix(instance)}{int(subnet.network_address):08x}"


def veth_name(instance: str, address: IPv4Address) -> str:
    return f"{veth_prefix(instance)}{int(address):08x}"


def device_group(instance: str) -> int:
    return _GROUP_BASE | int(instance, 16)


def device_index(address: IPv4Address) -> int:
    """Return the index of the device that belongs to an address; a bridge takes the one of its subnet's first address.

    Knowing the index beforehand saves asking the kernel, and lets messages for both sides be written before the device exists.
    """
    return _INDEX_BASE | int(address) & _INDEX_MASK


def device_range(subnet: IPv4Network) -> IPv4Network:
    """Return the subnet as far as the numbers of its devices tell it: two networks may not share any."""
    return IPv4Network((int(subnet.network_address) & _INDEX_MASK, subnet.prefixlen))
