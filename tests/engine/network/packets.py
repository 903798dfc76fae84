"""Frames as a container's root may write them by hand, every field as the sender likes."""

import struct
from ipaddress import IPv4Address, IPv6Address

ROUTER_ADVERT, NEIGHBOUR_SOLICIT, NEIGHBOUR_ADVERT, REDIRECT = 134, 135, 136, 137
_UDP, _ICMP6 = 17, 58
ALL_NODES_MAC = "33:33:00:00:00:01"


def icmp6_frame(*, source_mac: str, source: str, target: str, kind: int, body: bytes, target_mac: str = ALL_NODES_MAC) -> bytes:
    """Return an ICMPv6 message (RFC 4443) with hop limit 255, as neighbours demand."""
    message = struct.pack("!BBH", kind, 0, 0) + body
    return _ethernet(target_mac, source_mac, 0x86DD) + _ip6(source, target, _ICMP6, message, checksum_offset=2)


def udp6_frame(*, source_mac: str, target_mac: str, source: str, target: str, ports: tuple[int, int], payload: bytes) -> bytes:
    """Return a datagram over IPv6."""
    message = struct.pack("!HHHH", *ports, 8 + len(payload), 0) + payload
    return _ethernet(target_mac, source_mac, 0x86DD) + _ip6(source, target, _UDP, message, checksum_offset=6)


def udp4_frame(
    *, source_mac: str, target_mac: str, source: str, target: str, ports: tuple[int, int], payload: bytes, options: bytes = b""
) -> bytes:
    """Return a datagram over IPv4 without a checksum of its own, with ``options`` of the IP header, whole words."""
    message = struct.pack("!HHHH", *ports, 8 + len(payload), 0) + payload
    words = 5 + len(options) // 4
    addresses = IPv4Address(source).packed + IPv4Address(target).packed
    head = struct.pack("!BBHHHBBH", 0x40 | words, 0, words * 4 + len(message), 0, 0, 64, _UDP, 0) + addresses + options
    return _ethernet(target_mac, source_mac, 0x0800) + head[:10] + _checksum(head) + head[12:] + message


def loose_route(*hops: str) -> bytes:
    """Return the option that sends a packet by way of ``hops`` (RFC 791), padded to words."""
    addresses = b"".join(IPv4Address(hop).packed for hop in hops)
    return struct.pack("!BBB", 131, 3 + len(addresses), 4) + addresses + b"\0"


def neighbour_body(address: str, *, option: int, mac: str, flags: int = 0) -> bytes:
    """Return what a question for, or an announcement of, ``address`` says; ``option`` 1 is the sender's MAC, 2 the target's."""
    return struct.pack("!I", flags) + IPv6Address(address).packed + struct.pack("!BB", option, 1) + _mac(mac)


def router_body(prefix: str) -> bytes:
    """Return an advertisement of a router for an hour, with a prefix for addresses (RFC 4861)."""
    head = struct.pack("!BBHII", 64, 0, 3600, 0, 0)
    return head + struct.pack("!BBBBIII", 3, 4, 64, 0xC0, 3600, 3600, 0) + IPv6Address(prefix).packed


def _ip6(source: str, target: str, protocol: int, message: bytes, *, checksum_offset: int) -> bytes:
    addresses = IPv6Address(source).packed + IPv6Address(target).packed
    checksum = _checksum(addresses + struct.pack("!II", len(message), protocol) + message)
    message = message[:checksum_offset] + checksum + message[checksum_offset + 2 :]
    return struct.pack("!IHBB", 6 << 28, len(message), protocol, 255) + addresses + message


def _checksum(data: bytes) -> bytes:
    data += bytes(len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return struct.pack("!H", ~total & 0xFFFF)


def _ethernet(target: str, source: str, kind: int) -> bytes:
    return _mac(target) + _mac(source) + struct.pack("!H", kind)


def _mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))
