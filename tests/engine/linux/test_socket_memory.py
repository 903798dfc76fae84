"""What sockets keep, by the kernel's own tables of this machine: each test has a network namespace to itself."""

import os
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.linux.kernel_memory import read_kernel_bytes
from engine.linux.namespaces import CLONE_NEWNET, unshare
from engine.linux.packet_rings import parse_rings, read_rings
from engine.linux.route_socket import loopback_up, send_messages
from engine.linux.socket_memory import read_socket_memory

SOL_PACKET, RX_RING, TX_RING = 263, 5, 13
BLOCK = 1 << 16
ANSWERS = struct.pack("=IHHIIBxHiII", 32, 18, 1, 1, 0, 0, 0, 1, 0, 0)  # RTM_GETLINK of the loopback device


def alone(work: Callable[[], Any]) -> None:
    """Run in a child that has a network of its own, with loopback."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            unshare(CLONE_NEWNET)
            send_messages([loopback_up()])
            work()
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def inode(one: socket.socket) -> int:
    return os.fstat(one.fileno()).st_ino


@pytest.mark.requires_root
def test_what_has_not_been_read_or_sent_is_told_by_socket() -> None:
    def look() -> None:
        assert read_socket_memory(os.getpid()) == ({}, {}, False)
        netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        netlink.send(ANSWERS)
        raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, 253)
        raw.sendto(b"x" * 5000, ("127.0.0.1", 0))
        packet = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        packet.bind(("lo", 0x0800))
        datagrams = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        datagrams.sendto(b"x" * 5000, socket.MSG_MORE, ("::1", 9))
        raw.sendto(b"x" * 5000, ("127.0.0.1", 0))
        found = read_socket_memory(os.getpid())
        assert found.has_packet
        assert found.apart.keys() == {inode(netlink), inode(raw), inode(packet)}
        assert found.apart[inode(raw)] > 10_000
        assert found.apart[inode(packet)] > 5000
        assert found.datagrams.keys() == {inode(datagrams)}
        assert found.datagrams[inode(datagrams)] > 5000

    alone(look)


@pytest.mark.requires_root
def test_rings_are_told_by_socket() -> None:
    def look() -> None:
        both, none = (socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) for _ in range(2))
        both.setsockopt(SOL_PACKET, RX_RING, struct.pack("IIII", BLOCK, 4, BLOCK, 4))
        both.setsockopt(SOL_PACKET, TX_RING, struct.pack("IIII", BLOCK, 2, BLOCK, 2))
        here = Path("/proc/thread-self/ns/net").readlink()
        netns = os.open("/proc/self/ns/net", os.O_RDONLY)
        assert read_rings(netns).sizes == {inode(both): 6 * BLOCK}
        assert inode(none) not in read_rings(netns).sizes
        assert Path("/proc/thread-self/ns/net").readlink() == here

    alone(look)


def test_of_more_sockets_than_are_looked_at_the_rest_counts_as_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.linux.socket_memory._MOST_ROWS", 1)
    sockets = [socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) for _ in range(3)]
    assert read_socket_memory(os.getpid()).apart[0] >= 2 * 2 * 212_992
    for one in sockets:
        one.close()


def test_of_a_process_that_has_gone_nothing_is_told() -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    assert read_socket_memory(pid) == ({}, {}, False)


@pytest.mark.parametrize(
    "answer", [b"", b"\0" * 8, struct.pack("=IHHII", 0, 20, 0, 1, 0), struct.pack("=IHHII", 2**31, 20, 0, 1, 0)]
)
def test_an_odd_answer_is_read_to_its_end(answer: bytes) -> None:
    rings: dict[int, int] = {}
    assert parse_rings(answer, rings)
    assert not rings


def test_the_kernel_has_something_for_itself() -> None:
    assert 0 < read_kernel_bytes() < os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
