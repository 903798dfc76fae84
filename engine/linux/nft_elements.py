"""Elements of nftables sets and maps, straight through netlink.

libnftables takes far longer, since it reads all tables of the host, and begins again whenever somebody changes one meanwhile.
Sets and rules are made elsewhere. Knows the wire (linux/netfilter/nf_tables.h) and nothing of what elements mean.
"""

import errno
import os
import socket
import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

FAMILY_INET, FAMILY_BRIDGE = 1, 7

_NETLINK_NETFILTER = 12
_HEADER = struct.Struct("=IHHII")  # struct nlmsghdr: length, type, flags, sequence, port
_GENERIC = struct.Struct("!BBH")  # struct nfgenmsg: family, version, resource
_ATTRIBUTE = struct.Struct("=HH")  # length, type
_ERROR = struct.Struct("=i")
_NFTABLES = 10  # NFNL_SUBSYS_NFTABLES
_BATCH_BEGIN, _BATCH_END = 0x10, 0x11
_GET_TABLE, _DELETE_TABLE = _NFTABLES << 8 | 1, _NFTABLES << 8 | 2
_NEW_ELEMENT, _DELETE_ELEMENT = _NFTABLES << 8 | 12, _NFTABLES << 8 | 14
_REQUEST, _ACK, _CREATE = 0x1, 0x4, 0x400
_NLMSG_ERROR = 2
_NESTED = 0x8000
_TABLE, _SET, _ELEMENTS = 1, 2, 3  # NFTA_SET_ELEM_LIST_…
_LIST_ELEMENT = _KEY = _VALUE = 1
_DATA, _FLAGS, _KEY_END = 2, 3, 10  # NFTA_SET_ELEM_…
_INTERVAL_END = struct.pack("!I", 1)  # NFT_SET_ELEM_INTERVAL_END
_TABLE_NAME = 1  # NFTA_TABLE_NAME
_ELEMENTS_OF_A_MESSAGE = 200  # the length of their list has 16 bits
_SEND_BUFFER_FORCE = 32  # SO_SNDBUFFORCE
_MOST_BATCH_BYTES = 16 << 20
_ALIGNMENT = 4
_INTERFACE_NAME_BYTES = 16
_ANSWER_BYTES = 65536


class Element(NamedTuple):
    """An element of the set or map ``name``: the fields of its key and, in a map, those of what it leads to.

    A range of a set of several fields is one element with the ``last`` key that is in it, a range of a set of one field two: its
    first key, and the first one behind it, which ``is_end``.
    """

    name: str
    key: tuple[bytes, ...]
    value: tuple[bytes, ...] = ()
    last: tuple[bytes, ...] = ()
    is_end: bool = False


class SetElements:
    """A netlink socket, bound to the network namespace of the thread that makes it. Not for several threads at once."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_NETFILTER)
        with suppress(OSError):  # the default holds some thousand elements
            self._socket.setsockopt(socket.SOL_SOCKET, _SEND_BUFFER_FORCE, _MOST_BATCH_BYTES)
        self._socket.bind((0, 0))
        self._sequence = 0

    def add(self, family: int, table: str, elements: Iterable[Element]) -> None:
        """Put elements into sets, all or none; one that is there stays. Raises OSError."""
        self.change(family, table, come=elements)

    def delete(self, family: int, table: str, elements: Iterable[Element]) -> None:
        """Take elements out of sets, all or none. Raises OSError, ENOENT when one is not there."""
        self.change(family, table, gone=elements)

    def change(self, family: int, table: str, *, gone: Iterable[Element] = (), come: Iterable[Element] = ()) -> None:
        """Take elements out of sets and put others in, at one moment, or do nothing. Raises OSError as ``add`` and ``delete``."""
        less = [(_DELETE_ELEMENT, 0, attributes) for attributes in _lists(table, gone)]
        more = [(_NEW_ELEMENT, _CREATE, attributes) for attributes in _lists(table, come)]
        self._change(family, [*less, *more])

    def has_table(self, family: int, table: str) -> bool:
        """Tell whether there is a table of that name. Raises OSError."""
        self._sequence += 1
        wanted = _GENERIC.pack(family, 0, 0) + _attribute(_TABLE_NAME, table.encode() + b"\0")
        self._socket.send(_message(_GET_TABLE, _ACK, self._sequence, wanted))
        number = self._answers([self._sequence])
        if number not in (0, errno.ENOENT):
            raise OSError(number, f"nftables: {os.strerror(number)}")
        return not number

    def delete_table(self, family: int, table: str) -> None:
        """Take a table away with all that is in it. Raises OSError, ENOENT when it is not there."""
        self._change(family, [(_DELETE_TABLE, 0, _attribute(_TABLE_NAME, table.encode() + b"\0"))])

    def _change(self, family: int, parts: Iterable[tuple[int, int, bytes]]) -> None:
        """Send one transaction of messages: kind, flags and attributes of each."""
        generic = _GENERIC.pack(family, 0, 0)
        first = self._sequence + 1
        changes = [_message(kind, flags | _ACK, first + place, generic + one) for place, (kind, flags, one) in enumerate(parts)]
        self._sequence += len(changes)
        begin, end = (_message(edge, 0, self._sequence, _GENERIC.pack(0, 0, _NFTABLES)) for edge in (_BATCH_BEGIN, _BATCH_END))
        self._socket.send(b"".join((begin, *changes, end)))
        number = self._answers(range(first, first + len(changes)))
        if number:
            raise OSError(number, f"nftables: {os.strerror(number)}")

    def _answers(self, sequences: Sequence[int]) -> int:
        """The first error number of the changes just sent, 0 for none; what is left of answers to former ones is passed over."""
        numbers: dict[int, int] = {}
        while len(numbers) < len(sequences):
            data = self._socket.recv(_ANSWER_BYTES)
            _, kind, _, sequence, _ = _HEADER.unpack_from(data)
            if kind == _NLMSG_ERROR and sequence in sequences:
                numbers[sequence] = -int(_ERROR.unpack_from(data, _HEADER.size)[0])
        return next((number for _, number in sorted(numbers.items()) if number), 0)

    def close(self) -> None:
        self._socket.close()


def interface_field(name: str) -> bytes:
    """A device's name as nftables compares it."""
    return name.encode().ljust(_INTERFACE_NAME_BYTES, b"\0")


def _lists(table: str, elements: Iterable[Element]) -> Iterator[bytes]:
    """Return the attributes of a message for each set, or for each so many of its elements."""
    by_set: dict[str, list[Element]] = {}
    for element in elements:
        by_set.setdefault(element.name, []).append(element)
    for name, members in by_set.items():
        for start in range(0, len(members), _ELEMENTS_OF_A_MESSAGE):
            listed = b"".join(map(_element, members[start : start + _ELEMENTS_OF_A_MESSAGE]))
            yield (
                _attribute(_TABLE, table.encode() + b"\0")
                + _attribute(_SET, name.encode() + b"\0")
                + _attribute(_NESTED | _ELEMENTS, listed)
            )


def _element(element: Element) -> bytes:
    parts = (_KEY, element.key), (_DATA, element.value), (_KEY_END, element.last)
    listed = [_attribute(_NESTED | kind, _attribute(_VALUE, _joined(fields))) for kind, fields in parts if fields]
    flags = _attribute(_FLAGS, _INTERVAL_END) if element.is_end else b""
    return _attribute(_NESTED | _LIST_ELEMENT, b"".join(listed) + flags)


def _joined(fields: Iterable[bytes]) -> bytes:
    return b"".join(field + bytes(-len(field) % _ALIGNMENT) for field in fields)


def _attribute(kind: int, payload: bytes) -> bytes:
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(payload), kind) + payload + bytes(-len(payload) % _ALIGNMENT)


def _message(kind: int, flags: int, sequence: int, payload: bytes) -> bytes:
    return _HEADER.pack(_HEADER.size + len(payload), kind, flags | _REQUEST, sequence, 0) + payload
