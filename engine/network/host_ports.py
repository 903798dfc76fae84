"""Ports of the host, each held by a socket of the daemon: the kernel then refuses it to others, and tells when another has it.

Nothing is ever received: packets are led to the containers before they reach a socket (ruleset.py), and what comes in a moment
without rules is dropped by a filter. Used from one thread.
"""

import ctypes
import errno
import socket
import struct
from collections import Counter
from pathlib import Path

from engine.core.ports import ANY_ADDRESS, ANY_ADDRESS6, TCP

_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_FALLBACK = range(49_153, 65_536)  # as dockerd, where the kernel does not tell
_SO_ATTACH_FILTER = 26
_DROP_ALL = struct.pack("=HBBI", 0x06, 0, 0, 0)  # struct sock_filter: BPF_RET | BPF_K, so many bytes of each packet

Held = tuple[str, str, int]  # protocol, address, port


class HostPorts:
    """The ports that this engine holds, and whose they are."""

    def __init__(self) -> None:
        self._sockets: dict[Held, socket.socket] = {}
        self._counts: Counter[tuple[str, int]] = Counter()  # of each protocol and port, on whatever address
        self._last = 0

    @property
    def last(self) -> int:
        """The port that was given last to somebody who asked for any."""
        return self._last

    def note_last(self, port: int) -> None:
        self._last = port

    def hold(self, protocol: str, address: str, port: int) -> None:
        """Take a port on one address of the host, or on all. Raises OSError, EADDRINUSE when anybody has it."""
        held = (protocol, address, port)
        if held in self._sockets:
            raise OSError(errno.EADDRINUSE, "address already in use")
        self._sockets[held] = _bound(protocol, address, port)
        self._counts[protocol, port] += 1

    def is_ours(self, protocol: str, port: int) -> bool:
        """Whether it is a container that has the port, on whatever address."""
        return self._counts[protocol, port] > 0

    def let_go(self, protocol: str, address: str, port: int) -> None:
        """Give a port back; nothing for one that is not held."""
        if (held := self._sockets.pop((protocol, address, port), None)) is not None:
            held.close()
            self._counts[protocol, port] -= 1

    def close(self) -> None:
        for held in self._sockets.values():
            held.close()
        self._sockets.clear()
        self._counts.clear()


def dynamic_ports() -> range:
    """Return the ports to give to those who want any: the ones that the kernel gives to programs."""
    try:
        first, last = map(int, _RANGE.read_text().split())
    except (OSError, ValueError):
        return _FALLBACK
    return range(first, last + 1)


def _bound(protocol: str, address: str, port: int) -> socket.socket:
    is_stream = protocol == TCP
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    held = socket.socket(family, (socket.SOCK_STREAM if is_stream else socket.SOCK_DGRAM) | socket.SOCK_CLOEXEC)
    try:
        _drop_all(held)
        if family == socket.AF_INET6:
            held.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if is_stream:
            # Connections that a former owner of the port has closed rest for a minute and must not be in the way. For datagrams
            # the option would let two sockets share the port.
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind((address or (ANY_ADDRESS6 if family == socket.AF_INET6 else ANY_ADDRESS), port))
        if is_stream:
            held.listen(1)  # else another socket with that option could have the port as well
    except OSError:
        held.close()
        raise
    return held


def _drop_all(held: socket.socket) -> None:
    program = ctypes.create_string_buffer(_DROP_ALL, len(_DROP_ALL))
    held.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HL", 1, ctypes.addressof(program)))  # struct sock_fprog
