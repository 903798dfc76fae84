"""Notices that network devices of some names have gone (rtnetlink(7), RTMGRP_LINK). Decides nothing about what that means."""

import ctypes
import errno
import socket
import struct
from collections.abc import Sequence

_RTMGRP_LINK = 1
_RTM_DELLINK = 17
_IFLA_IFNAME = 3
_HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port
_INTERFACE_BYTES = 16  # struct ifinfomsg
_ATTRIBUTE = struct.Struct("=HH")  # length, type
_KIND_OFFSET, _FAMILY_OFFSET = 4, _HEADER.size
_SO_ATTACH_FILTER = 26
_BUFFER_BYTES = 1 << 20
_LOAD_HALF, _LOAD_BYTE, _UNLESS_EQUAL, _RETURN = 0x28, 0x30, 0x15, 0x06


class LinkWatch:
    """Watches the network namespace of the thread that makes it. Each start of a container is a dozen messages: the kernel
    passes only those of devices that go.
    """

    def __init__(self, prefixes: Sequence[str]) -> None:
        self._prefixes = tuple(prefix.encode() for prefix in prefixes)
        kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        self._socket = socket.socket(socket.AF_NETLINK, kind, socket.NETLINK_ROUTE)
        try:
            _pass_deletions_only(self._socket)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
            self._socket.bind((0, _RTMGRP_LINK))
        except OSError:
            self._socket.close()
            raise

    def fileno(self) -> int:
        """Readable when some device has gone."""
        return self._socket.fileno()

    def saw_deletion(self) -> bool:
        """Read what has come in; tell whether a device went whose name begins so, or the kernel dropped messages."""
        seen = False
        while True:
            try:
                seen = any(name.startswith(self._prefixes) for name in _names(self._socket.recv(_BUFFER_BYTES))) or seen
            except BlockingIOError:
                return seen
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                seen = True

    def close(self) -> None:
        self._socket.close()


def _pass_deletions_only(watching: socket.socket) -> None:
    """Also not those of ports that leave a bridge, which are told as of another family."""
    kind = socket.htons(_RTM_DELLINK)  # the filter reads as from a network
    steps = (
        (_LOAD_HALF, 0, 0, _KIND_OFFSET),
        (_UNLESS_EQUAL, 0, 3, kind),
        (_LOAD_BYTE, 0, 0, _FAMILY_OFFSET),
        (_UNLESS_EQUAL, 0, 1, socket.AF_UNSPEC),
        (_RETURN, 0, 0, 0xFFFFFFFF),
        (_RETURN, 0, 0, 0),
    )
    code = b"".join(struct.pack("=HBBI", *step) for step in steps)  # struct sock_filter
    program = ctypes.create_string_buffer(code, len(code))
    watching.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HL", len(steps), ctypes.addressof(program)))


def _names(data: bytes) -> list[bytes]:
    """Return the names in a packet of messages."""
    names, offset = [], 0
    while offset + _HEADER.size <= len(data):
        length = _HEADER.unpack_from(data, offset)[0]
        names.append(_name(data[offset + _HEADER.size + _INTERFACE_BYTES : offset + length]))
        offset += max(_HEADER.size, (length + 3) & ~3)
    return names


def _name(attributes: bytes) -> bytes:
    offset = 0
    while offset + _ATTRIBUTE.size <= len(attributes):
        length, kind = _ATTRIBUTE.unpack_from(attributes, offset)
        if kind == _IFLA_IFNAME:
            return attributes[offset + _ATTRIBUTE.size : offset + length].rstrip(b"\0")
        offset += max(_ATTRIBUTE.size, (length + 3) & ~3)
    return b""
