"""What the sockets of a network namespace keep in the kernel (proc_pid_net(5)): bytes by the inode of each socket.

Owns which protocols the kernel counts for no cgroup: netlink, raw and packet sockets and pings, and what waits to be sent of
datagrams. What they have received is counted, but for their queues of errors, so it is told apart. TCP and unix sockets are
counted whole and not looked at. Decides nothing.
"""

import contextlib
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

PACKET = "PACKET"
_INTERNET = 4, 9  # columns: bytes to send and received as hexadecimal "tx:rx", inode
_TABLES = {
    PACKET: ("packet", 6, 8),
    "NETLINK": ("netlink", 4, 9),
    "RAW": ("raw", *_INTERNET),
    "RAWv6": ("raw6", *_INTERNET),
    "PING": ("icmp", *_INTERNET),
    "PINGv6": ("icmp6", *_INTERNET),
}
_DATAGRAMS = {
    "UDP": ("udp", *_INTERNET),
    "UDPv6": ("udp6", *_INTERNET),
    "UDP-Lite": ("udplite", *_INTERNET),
    "UDPLITEv6": ("udplite6", *_INTERNET),
}
_MOST_ROWS = 16_384  # the kernel walks a table from its beginning for each page of it: 20 ms for so many
_FULL_BYTES = 2 * 212_992  # of a socket that was not looked at: what it keeps each way before anybody raises that
_PIECE_BYTES = 1 << 16
_UNKNOWN = 0  # inode


class SocketMemory(NamedTuple):
    """``apart``: bytes that no cgroup counts. ``datagrams``: bytes most of which one does. ``has_packet``: there may be rings."""

    apart: dict[int, int]
    datagrams: dict[int, int]
    has_packet: bool


def read_socket_memory(pid: int) -> SocketMemory:
    """Look at the network namespace of a process, empty when it is gone; 30 microseconds where there are no such sockets."""
    folder = f"/proc/{pid}/net"
    counts = {name: count for name, count in _counts(folder) if count}
    return SocketMemory(_kept(folder, _TABLES, counts), _kept(folder, _DATAGRAMS, counts), PACKET in counts)


def _counts(folder: str) -> Iterator[tuple[str, int]]:
    """How many sockets there are of each protocol."""
    for line in _lines(f"{folder}/protocols"):
        name, _, count, *_ = line.split()
        yield name.decode(), int(count)


def _kept(folder: str, tables: dict[str, tuple[str, int, int]], counts: dict[str, int]) -> dict[int, int]:
    found: dict[int, int] = {}
    for protocol in counts.keys() & tables.keys():
        name, column, inode = tables[protocol]
        for line in islice(_lines(f"{folder}/{name}"), _MOST_ROWS):
            columns = line.split()
            if kept := _bytes(name, columns, column):
                found[int(columns[inode])] = kept
        if counts[protocol] > _MOST_ROWS:
            found[_UNKNOWN] = found.get(_UNKNOWN, 0) + (counts[protocol] - _MOST_ROWS) * _FULL_BYTES
    return found


def _bytes(name: str, columns: list[bytes], column: int) -> int:
    if name == "packet":
        return int(columns[column])
    if name == "netlink":
        return int(columns[column]) + int(columns[column + 1])
    to_send, _, received = columns[column].partition(b":")
    return int(to_send, 16) + int(received, 16)


def _lines(path: str) -> Iterator[bytes]:
    """All but the first line; nothing of a table that is not there."""
    with contextlib.suppress(FileNotFoundError), open(path, "rb", buffering=_PIECE_BYTES) as file:
        next(file, None)
        yield from file
