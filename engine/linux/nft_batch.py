"""Tables of nftables as the bytes of one transaction, to be sent from inside a network namespace without libnftables.

Owns the wire (linux/netfilter/nf_tables.h, nfnetlink.h) of the few expressions that are needed; decides nothing about rules.
"""

import struct
from collections.abc import Sequence
from enum import IntEnum

FAMILY_IPV4 = 2
HOOK_OUTPUT = 3

_HEADER = struct.Struct("=IHHII")  # struct nlmsghdr: length, type, flags, sequence, port
_GENERIC = struct.Struct("!BBH")  # struct nfgenmsg: family, version, resource
_ATTRIBUTE = struct.Struct("=HH")  # length, type
_NFTABLES = 10  # NFNL_SUBSYS_NFTABLES
_BATCH_BEGIN, _BATCH_END = 0x10, 0x11
_REQUEST, _ACK, _EXCLUSIVE, _CREATE, _APPEND = 0x1, 0x4, 0x200, 0x400, 0x800
_NESTED = 0x8000
_NEW_TABLE, _NEW_CHAIN, _NEW_RULE = 0, 3, 6
_REGISTER, _LIST_ELEMENT, _VALUE = 1, 1, 1
_META_L4PROTO, _COMPARE_EQUAL, _CHECKSUM_INTERNET = 16, 0, 1

Change = tuple[int, int, bytes]  # kind of message, flags, attributes


class Base(IntEnum):
    """Which header an offset counts from."""

    NETWORK = 1
    TRANSPORT = 2


def new_table(table: str) -> Change:
    """Make a table. One that is there refuses the whole transaction with EEXIST: replacing it would take the kernel 16 ms."""
    return _NEW_TABLE, _CREATE | _EXCLUSIVE, _text(1, table)


def new_base_chain(table: str, chain: str, *, hook: int, priority: int) -> Change:
    """Make a chain of type filter that packets pass at a hook."""
    place = _nested(4, _number(1, hook) + _attribute(2, struct.pack("!i", priority)))
    return _NEW_CHAIN, _CREATE, _text(1, table) + _text(3, chain) + place + _text(7, "filter")


def new_rule(table: str, chain: str, expressions: Sequence[bytes]) -> Change:
    """Append a rule."""
    listed = b"".join(_nested(_LIST_ELEMENT, expression) for expression in expressions)
    return _NEW_RULE, _CREATE | _APPEND, _text(1, table) + _text(2, chain) + _nested(4, listed)


def match_payload(base: Base, offset: int, value: bytes) -> list[bytes]:
    """Go on only where these bytes of the packet are so."""
    load = _number(1, _REGISTER) + _number(2, base) + _number(3, offset) + _number(4, len(value))
    return [_expression("payload", load), _compare(value)]


def match_protocol(protocol: int) -> list[bytes]:
    """Go on only for packets of a transport protocol."""
    return [_expression("meta", _number(1, _REGISTER) + _number(2, _META_L4PROTO)), _compare(bytes([protocol]))]


def set_payload(base: Base, offset: int, value: bytes, *, checksum_offset: int) -> list[bytes]:
    """Write these bytes into the packet and correct the checksum that lies in the same header."""
    immediate = _number(1, _REGISTER) + _nested(2, _attribute(_VALUE, value))
    target = _number(5, _REGISTER) + _number(2, base) + _number(3, offset) + _number(4, len(value))
    checksum = _number(6, _CHECKSUM_INTERNET) + _number(7, checksum_offset)
    return [_expression("immediate", immediate), _expression("payload", target + checksum)]


def transaction(family: int, changes: Sequence[Change]) -> bytes:
    """Return the changes as one batch, whose last one alone asks for an answer; it has to be sent by a single call."""
    generic = _GENERIC.pack(family, 0, 0)
    edge = _GENERIC.pack(0, 0, _NFTABLES)
    messages = [_message(_BATCH_BEGIN, 0, 0, edge)]
    for sequence, (kind, flags, attributes) in enumerate(changes, start=1):
        asks = _ACK if sequence == len(changes) else 0
        messages.append(_message(_NFTABLES << 8 | kind, flags | asks, sequence, generic + attributes))
    messages.append(_message(_BATCH_END, 0, len(changes) + 1, edge))
    return b"".join(messages)


def _compare(value: bytes) -> bytes:
    return _expression("cmp", _number(1, _REGISTER) + _number(2, _COMPARE_EQUAL) + _nested(3, _attribute(_VALUE, value)))


def _expression(name: str, data: bytes) -> bytes:
    return _text(1, name) + _nested(2, data)


def _text(kind: int, text: str) -> bytes:
    return _attribute(kind, text.encode() + b"\0")


def _number(kind: int, number: int) -> bytes:
    return _attribute(kind, struct.pack("!I", number))


def _nested(kind: int, payload: bytes) -> bytes:
    return _attribute(kind | _NESTED, payload)


def _attribute(kind: int, payload: bytes) -> bytes:
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(payload), kind) + payload + bytes(-len(payload) % 4)


def _message(kind: int, flags: int, sequence: int, payload: bytes) -> bytes:
    return _HEADER.pack(_HEADER.size + len(payload), kind, flags | _REQUEST, sequence, 0) + payload
