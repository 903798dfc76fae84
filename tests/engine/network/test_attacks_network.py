"""What a container's root tries against the host's own tables, which all tenants share: of bridges and of connections."""

import subprocess
from pathlib import Path

import pytest

from engine.network.manager import NetworkManager
from tests.engine.network.test_floods import FLOOD
from tests.engine.network.test_traffic import ADA, PORT, RAW, SEND, Listen, MakeSandbox, attached, listen

__all__ = ["listen"]
pytestmark = pytest.mark.requires_root

_CONNECTIONS = Path("/proc/sys/net/netfilter/nf_conntrack_count")
_BRIDGE_FILTER = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")
_PINGS = """
import socket, struct, sys
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
for series in range(30000):
    packet = struct.pack("!BBHHH", 8, 0, 0, series, 1); total = sum(struct.unpack("!4H", packet))
    total = (total & 0xFFFF) + (total >> 16)
    s.sendto(packet[:2] + struct.pack("!H", ~total & 0xFFFF) + packet[4:], (sys.argv[1], 0))
"""


def learned() -> str:
    return subprocess.run(["bridge", "fdb", "show"], check=True, capture_output=True, text=True).stdout


def frame(target: str, source: str, kind: str) -> str:
    return (target + source).replace(":", "") + kind + "00" * 60


async def test_frames_for_the_bridge_itself_teach_it_no_address(manager: NetworkManager, sandbox: MakeSandbox) -> None:
    """They go past the hook where forged senders are dropped: LLDP would take a neighbour's frames, or fill the table."""
    hostile, victim = sandbox("hostile"), sandbox("victim")
    own = await attached(manager, hostile, ADA)
    theirs = await attached(manager, victim, ADA)
    victim.python(SEND, own.address, str(PORT), "here")
    before = learned()
    assert theirs.mac in before
    forged = [theirs.mac, *(f"02:00:00:00:99:{number:02x}" for number in range(8))]
    frames = [
        frame(f"01:80:c2:00:00:{last:02x}", source, kind) for source in forged for last in range(16) for kind in ("88cc", "0026")
    ]
    hostile.python(RAW, *frames)
    assert learned() == before


async def test_frames_in_a_virtual_network_of_their_own_do_not_pass(
    manager: NetworkManager, sandbox: MakeSandbox, listen: Listen
) -> None:
    hostile, victim = sandbox("hostile"), sandbox("victim")
    own = await attached(manager, hostile, ADA)
    theirs = await attached(manager, victim, ADA)
    listener = listen(victim, code=_FIRST_FRAME)
    tagged = [frame(theirs.mac, own.mac, f"{kind}00010800") for kind in ("8100", "88a8", "8864")]
    hostile.python(RAW, *tagged)
    hostile.python(SEND, theirs.address, str(PORT), "honest")
    assert listener.first() == ["0800"]


_FIRST_FRAME = """
import json, socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)); s.bind(("eth0", 3)); print("ready")
while True:
    data = s.recv(2000)
    if data[12:14] != b"\\x08\\x06" and data[:6] != b"\\xff" * 6: print(json.dumps([data[12:14].hex()])); break
"""


async def test_a_flood_of_pings_to_the_host_leaves_room_in_its_table_of_connections(
    manager: NetworkManager, sandbox: MakeSandbox
) -> None:
    hostile = sandbox("hostile")
    own = await attached(manager, hostile, ADA)
    hostile.python(_PINGS, str(own.gateway))
    assert int(_CONNECTIONS.read_text()) < 10_000


@pytest.mark.skipif(not _BRIDGE_FILTER.exists(), reason="this kernel shows frames of a bridge to bridge filters only")
async def test_what_neighbours_say_to_each_other_takes_no_room_in_the_hosts_table_of_connections(
    manager: NetworkManager, sandbox: MakeSandbox
) -> None:
    hostile, other = sandbox("hostile"), sandbox("other")
    await attached(manager, hostile, ADA)
    theirs = await attached(manager, other, ADA)
    _BRIDGE_FILTER.write_text("1")
    for target in (theirs.address, "224.0.0.77"):
        hostile.python(FLOOD.replace("60001", "20001"), target)
    assert int(_CONNECTIONS.read_text()) < 1000
