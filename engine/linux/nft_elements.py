"""Single elements of nftables sets, straight through netlink: libnftables takes far longer, since it looks at all tables.

Sets and rules are made elsewhere. Knows the wire (linux/netfilter/nf_tables.h) and nothing of what elements mean.
"""

import os
import socket
import struct

FAMILY_BRIDGE = 7

_NETLINK_NETFILTER = 12
_HEADER = struct.Struct("=IHHII")  # struct nlmsghdr: length, type, flags, sequence, port
_GENERIC = struct.Struct("!BBH")  # struct nfgenmsg: family, version, resource
_ATTRIBUTE = struct.Struct("=HH")  # length, type
_ERROR = struct.Struct("=i")
_NFTABLES = 10  # NFNL_SUBSYS_NFTABLES
_BATCH_BEGIN, _BATCH_END = 0x10, 0x11
_NEW_ELEMENT, _DELETE_ELEMENT = _NFTABLES << 8 | 12, _NFTABLES << 8 | 14
_REQUEST, _ACK, _CREATE = 0x1, 0x4, 0x400
_NLMSG_ERROR = 2
_NESTED = 0x8000
_TABLE, _SET, _ELEMENTS = 1, 2, 3  # NFTA_SET_ELEM_LIST_…
_LIST_ELEMENT = _KEY = _VALUE = 1
_ALIGNMENT = 4
_INTERFACE_NAME_BYTES = 16
_ANSWER_BYTES = 65536


class SetElements:
    """A netlink socket, bound to the network namespace of the thread that makes it. Not for several threads at once."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_NETFILTER)
        self._socket.bind((0, 0))
        self._sequence = 0

    def add(self, family: int, table: str, name: str, *fields: bytes) -> None:
        """Put an element, one or several ``fields``, into a set; one that is there stays. Raises OSError."""
        self._change(_NEW_ELEMENT, _CREATE, family, _elements(table, name, fields))

    def delete(self, family: int, table: str, name: str, *fields: bytes) -> None:
        """Take an element out of a set. Raises OSError, ENOENT when it is not there."""
        self._change(_DELETE_ELEMENT, 0, family, _elements(table, name, fields))

    def _change(self, kind: int, flags: int, family: int, attributes: bytes) -> None:
        self._sequence += 1
        change = _message(kind, flags | _ACK, self._sequence, _GENERIC.pack(family, 0, 0) + attributes)
        begin, end = (_message(edge, 0, self._sequence, _GENERIC.pack(0, 0, _NFTABLES)) for edge in (_BATCH_BEGIN, _BATCH_END))
        self._socket.send(begin + change + end)
        number = self._answer()
        if number:
            raise OSError(number, f"nftables: {os.strerror(number)}")

    def _answer(self) -> int:
        """The error number of the change just sent, 0 for none; what is left of answers to former ones is passed over."""
        while True:
            data = self._socket.recv(_ANSWER_BYTES)
            _, kind, _, sequence, _ = _HEADER.unpack_from(data)
            if kind == _NLMSG_ERROR and sequence == self._sequence:
                return -int(_ERROR.unpack_from(data, _HEADER.size)[0])

    def close(self) -> None:
        self._socket.close()


def interface_field(name: str) -> bytes:
    """A device's name as nftables compares it."""
    return name.encode().ljust(_INTERFACE_NAME_BYTES, b"\0")


def _elements(table: str, name: str, fields: tuple[bytes, ...]) -> bytes:
    key = b"".join(field + bytes(-len(field) % _ALIGNMENT) for field in fields)
    element = _attribute(_NESTED | _LIST_ELEMENT, _attribute(_NESTED | _KEY, _attribute(_VALUE, key)))
    return (
        _attribute(_TABLE, table.encode() + b"\0")
        + _attribute(_SET, name.encode() + b"\0")
        + _attribute(_NESTED | _ELEMENTS, element)
    )


def _attribute(kind: int, payload: bytes) -> bytes:
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(payload), kind) + payload + bytes(-len(payload) % _ALIGNMENT)


def _message(kind: int, flags: int, sequence: int, payload: bytes) -> bytes:
    return _HEADER.pack(_HEADER.size + len(payload), kind, flags | _REQUEST, sequence, 0) + payload
