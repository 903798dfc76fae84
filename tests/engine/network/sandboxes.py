"""Real network stacks to test with: a private "host", containers in user and network namespaces of their own, and an outside.

A container here is a small process that waits; what a test does "inside" it runs as Python code in its namespaces.
"""

import contextlib
import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path
from typing import Self

from engine.linux.namespaces import CLONE_NEWNET, setns, unshare
from engine.linux.route_socket import loopback_up, send_messages
from engine.network.model import Endpoint

# Runs inside: sends what is given as hexadecimal lines, as the container's init does.
_SEND = """
import sys
sys.path.insert(0, sys.argv[1])
from engine.linux.route_socket import loopback_up, send_messages
send_messages([loopback_up(), *(bytes.fromhex(line) for line in sys.stdin.read().split())])
"""


@contextlib.contextmanager
def private_host() -> Iterator[None]:
    """Put the calling thread, and those it starts, into a new network namespace."""
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        unshare(CLONE_NEWNET)
        send_messages([loopback_up()])
        yield
    finally:
        setns(before, CLONE_NEWNET)
        os.close(before)


def ip(command: str) -> str:
    """Run ip(8) on the host and return what it prints."""
    return subprocess.run(["ip", *command.split()], check=True, capture_output=True, text=True).stdout


class Sandbox:
    """A process in its own user and network namespace."""

    def __init__(self, name: str) -> None:
        self.name = name
        command = ["unshare", "--user", "--map-root-user", "--net", "sh", "-c", "echo ready; exec cat"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        self._process.stdout.readline()
        self.netns = os.open(f"/proc/{self._process.pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End the process and let go of its namespaces. Idempotent."""
        if self.netns >= 0:
            os.close(self.netns)
            self.netns = -1
        self._process.kill()
        self._process.__exit__(None, None, None)

    @property
    def enter(self) -> list[str]:
        """What to put before a command for it to run inside."""
        return ["nsenter", "-t", str(self._process.pid), "-U", "-n", "--preserve-credentials"]

    def command(self, *args: str) -> str:
        """Run a program inside and return what it prints."""
        return subprocess.run([*self.enter, *args], check=True, capture_output=True, text=True).stdout

    def python(self, code: str, *args: str) -> str:
        """Run Python code inside and return what it prints."""
        return self.command(sys.executable, "-S", "-E", "-c", code, *args).strip()

    def configure(self, endpoint: Endpoint) -> None:
        """Send the inner messages from inside, through the code that a container's init uses."""
        lines = "\n".join(message.hex() for message in endpoint.netlink)
        root = str(Path(__file__).resolve().parents[3])
        subprocess.run([*self.enter, sys.executable, "-S", "-E", "-c", _SEND, root], check=True, input=lines, text=True)


def udp_frame(*, source_mac: str, target_mac: str, source: str, target: str, port: int, payload: bytes) -> bytes:
    """Return an Ethernet frame with a UDP datagram (RFC 768, checksum left out), every field as the sender likes."""
    udp = struct.pack("!HHHH", port, port, 8 + len(payload), 0) + payload
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, *map(_packed, (source, target)))
    total = sum(struct.unpack("!10H", head))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    head = head[:10] + struct.pack("!H", ~total & 0xFFFF) + head[12:]
    return _mac(target_mac) + _mac(source_mac) + b"\x08\x00" + head + udp


def arp_frame(*, source_mac: str, sender_mac: str, sender: str) -> bytes:
    """Return an ARP announcement to everybody (RFC 5227): ``sender`` is at ``sender_mac``."""
    body = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + _mac(sender_mac) + _packed(sender) + b"\xff" * 6 + _packed(sender)
    return b"\xff" * 6 + _mac(source_mac) + b"\x08\x06" + body


def _packed(address: str) -> bytes:
    return IPv4Address(address).packed


def _mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))
