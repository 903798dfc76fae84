"""Rings of packet sockets (packet(7), PACKET_RX_RING): how much memory each one has, as the kernel's socket monitor tells it.

Owns the question and the reading of its answer (linux/packet_diag.h, sock_diag(7)). Decides nothing. The monitor is a module that
the kernel loads when it is asked; where it is not built, nobody tells of rings.
"""

import errno
import socket
import struct
import threading
import time
from collections.abc import Iterator
from typing import NamedTuple

from engine.linux.namespaces import CLONE_NEWNET, setns

_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_NLM_F_REQUEST, _NLM_F_DUMP = 0x1, 0x300
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_SHOW_RINGS = 1 << 2  # PACKET_SHOW_RING_CFG
_RINGS = (2, 3)  # PACKET_DIAG_RX_RING, PACKET_DIAG_TX_RING
_HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port
_REQUEST = struct.Struct("=BBHIIII")  # family, protocol, padding, inode, what to show, two cookies
_SOCKET = struct.Struct("=BBHIII")  # family, type, protocol, inode, two cookies
_ATTRIBUTE = struct.Struct("=HH")  # length, type
_RING = struct.Struct("=II")  # bytes of a block, blocks
_ERROR = struct.Struct("=i")
_BUFFER_BYTES = 1 << 18
_MOST_PACKETS = 512  # of an answer, some 60,000 sockets: the kernel walks its list from the beginning for each
_ABSENT = (errno.ENOENT, errno.EINVAL)


class Rings(NamedTuple):
    """``sizes``: bytes by the inode of the socket; none where the kernel has no monitor. ``cpu_seconds``: what telling took."""

    sizes: dict[int, int]
    cpu_seconds: float


def read_rings(netns_fd: int) -> Rings:
    """Look at the rings of a network namespace. Raises OSError. Blocking."""
    found: list[Rings] = []
    failures: list[OSError] = []

    def look() -> None:
        try:
            setns(netns_fd, CLONE_NEWNET)
            sizes = _dump()
            found.append(Rings(sizes, time.thread_time()))
        except OSError as error:
            failures.append(error)

    # A thread of its own, which ends there: one that came back could fail to, and would then work in the container's network.
    thread = threading.Thread(target=look, name="rings")
    thread.start()
    thread.join()
    if failures and failures[0].errno not in _ABSENT:
        raise failures[0]
    return found[0] if found else Rings({}, 0.0)


def _dump() -> dict[int, int]:
    rings: dict[int, int] = {}
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_SOCK_DIAG) as monitor:
        request = _REQUEST.pack(socket.AF_PACKET, 0, 0, 0, _SHOW_RINGS, 0, 0)
        flags = _NLM_F_REQUEST | _NLM_F_DUMP
        monitor.send(_HEADER.pack(_HEADER.size + len(request), _SOCK_DIAG_BY_FAMILY, flags, 1, 0) + request)
        for _ in range(_MOST_PACKETS):
            if not parse_rings(monitor.recv(_BUFFER_BYTES), rings):
                break
    return rings


def parse_rings(answer: bytes, rings: dict[int, int]) -> bool:
    """Add what a packet of messages tells; whether more follow. Raises OSError for the kernel's refusal."""
    offset = 0
    while offset + _HEADER.size <= len(answer):
        length, kind, *_ = _HEADER.unpack_from(answer, offset)
        body = answer[offset + _HEADER.size : offset + length]
        if kind == _NLMSG_DONE:
            return False
        if kind == _NLMSG_ERROR:
            raise OSError(-_ERROR.unpack_from(body)[0], "the kernel tells nothing of packet sockets")
        if size := sum(_ring_sizes(body[_SOCKET.size :])):
            rings[_SOCKET.unpack_from(body)[3]] = size
        offset += max(_HEADER.size, (length + 3) & ~3)
    return True


def _ring_sizes(attributes: bytes) -> Iterator[int]:
    offset = 0
    while offset + _ATTRIBUTE.size <= len(attributes):
        length, kind = _ATTRIBUTE.unpack_from(attributes, offset)
        if kind in _RINGS:
            block_bytes, blocks = _RING.unpack_from(attributes, offset + _ATTRIBUTE.size)
            yield block_bytes * blocks
        offset += max(_ATTRIBUTE.size, (length + 3) & ~3)
