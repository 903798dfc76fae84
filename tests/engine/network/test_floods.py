"""Floods from a container: what the host keeps for each connection must not be used up by one tenant."""

from pathlib import Path

import pytest

from engine.network.manager import NetworkManager
from tests.engine.network.sandboxes import Sandbox
from tests.engine.network.test_traffic import ADA, BOB, PORT, SEND, Listen, MakeSandbox, attached, listen, outside

__all__ = ["listen", "outside"]
pytestmark = pytest.mark.requires_root

DATAGRAMS = 60_000
FLOOD = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); sent = 0
for port in range(1, 60001):
    try: sent += s.sendto(b"x", (sys.argv[1], port))
    except OSError: pass
print(sent)
"""


async def test_a_flood_of_connections_leaves_room_for_those_of_others(
    manager: NetworkManager, sandbox: MakeSandbox, listen: Listen, outside: Sandbox
) -> None:
    hostile, neighbour = sandbox("hostile"), sandbox("neighbour")
    await attached(manager, hostile, ADA)
    await attached(manager, neighbour, BOB)
    assert int(hostile.python(FLOOD, "198.51.100.2")) == DATAGRAMS
    assert int(Path("/proc/sys/net/netfilter/nf_conntrack_count").read_text()) < DATAGRAMS // 4
    listener = listen(outside)
    assert neighbour.python(SEND, "198.51.100.2", str(PORT), "hello", "wait") == "answer"
    assert listener.first()[0] == "hello"


async def test_a_crowd_of_connections_at_once_gets_through(
    manager: NetworkManager, sandbox: MakeSandbox, outside: Sandbox
) -> None:
    """A package manager or a browser opens hundreds."""
    box = sandbox("one")
    await attached(manager, box, ADA)
    before = int(Path("/proc/sys/net/netfilter/nf_conntrack_count").read_text())
    box.python(FLOOD.replace("60001", "1001"), "198.51.100.2")
    assert int(Path("/proc/sys/net/netfilter/nf_conntrack_count").read_text()) - before >= 1000
