"""Frames that root in a container puts on its tenant's bridge with CAP_NET_RAW: forged ones must reach nobody.

Each forged frame carries a mark of its own and is followed by an honest one, which the neighbour must have seen.
"""

import subprocess
from collections.abc import Callable
from typing import NamedTuple, Self

import pytest

from tests.engine.daemon import wait_until
from tests.engine.escapes.cells import ADA, BOB, Cell
from tests.engine.network.sandboxes import arp_frame, udp_frame

pytestmark = pytest.mark.requires_root

MARK = b"forged-by-root"


class Host(NamedTuple):
    """Where a container stands."""

    address: str
    mac: str
    gateway: str

    @classmethod
    def of(cls, cell: Cell) -> Self:
        settings = cell.engine.inspect(cell.container_id)["NetworkSettings"]["Networks"]["bridge"]
        return cls(settings["IPAddress"], settings["MacAddress"], settings["Gateway"])


def packed(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))


def forged_frames(own: Host, victim: Host) -> dict[str, bytes]:
    """Frames by what is wrong with them."""
    common = {"target": victim.address, "target_mac": victim.mac, "port": 9, "payload": MARK}
    honest = udp_frame(source=own.address, source_mac=own.mac, **common)  # type: ignore[arg-type]  # mixed values
    ether = packed(victim.mac) + packed(own.mac)
    tagged = ether + b"\x81\x00\x00\x05" + honest[12:]
    advertisement = bytes([0x60, 0, 0, 0, 0, 16, 58, 255]) + b"\xfe\x80" + bytes(13) + b"\x01\xff\x02" + bytes(13) + b"\x01"
    return {
        "address of another": udp_frame(source=victim.address, source_mac=own.mac, **common),  # type: ignore[arg-type]  # mixed
        "address of the gateway": udp_frame(source=own.gateway, source_mac=own.mac, **common),  # type: ignore[arg-type]  # mixed
        "address of nobody": udp_frame(source="203.0.113.9", source_mac=own.mac, **common),  # type: ignore[arg-type]  # mixed
        "loopback address": udp_frame(source="127.0.0.1", source_mac=own.mac, **common),  # type: ignore[arg-type]  # mixed
        "no address, as a DHCP client": udp_frame(source="0.0.0.0", source_mac=own.mac, **common),  # type: ignore[arg-type]  # mixed
        "hardware address of another": udp_frame(source=own.address, source_mac=victim.mac, **common),  # type: ignore[arg-type]  # mixed
        "hardware address of all": udp_frame(source=own.address, source_mac="ff:ff:ff:ff:ff:ff", **common),  # type: ignore[arg-type]  # mixed
        "VLAN tag": tagged,
        "two VLAN tags": ether + b"\x88\xa8\x00\x05" + tagged[12:],
        "priority tag": ether + b"\x81\x00\x00\x00" + honest[12:],
        "spanning tree": packed("01:80:c2:00:00:00") + packed(own.mac) + b"\x00\x30\x42\x42\x03" + MARK + bytes(40),
        "pause frame": packed("01:80:c2:00:00:01") + packed(own.mac) + b"\x88\x08\x00\x01\xff\xff" + MARK + bytes(40),
        "link layer discovery": packed("01:80:c2:00:00:0e") + packed(own.mac) + b"\x88\xcc" + MARK + bytes(40),
        "IPv6 router advertisement": packed("33:33:00:00:00:01") + packed(own.mac) + b"\x86\xdd" + advertisement + MARK,
        "unknown protocol": ether + b"\x88\xb5" + MARK + bytes(40),
        "PPPoE": ether + b"\x88\x63" + MARK + bytes(40),
        "MPLS": ether + b"\x88\x47" + MARK + bytes(40),
        "old length field": ether + b"\x00\x40" + MARK + bytes(60),
        "ARP for the gateway": arp_frame(source_mac=own.mac, sender_mac=own.mac, sender=own.gateway) + MARK,
        "ARP for another": arp_frame(source_mac=own.mac, sender_mac=own.mac, sender=victim.address) + MARK,
        "ARP with the sender of another": arp_frame(source_mac=own.mac, sender_mac=victim.mac, sender=own.address) + MARK,
        "reverse ARP": ether + b"\x80\x35" + MARK + bytes(40),
        "one byte of IPv4": ether + b"\x08\x00" + b"\x45" + MARK,
    }


KINDS = list(forged_frames(Host("10.0.0.2", "02:42:0a:00:00:02", "10.0.0.1"), Host("10.0.0.3", "02:42:0a:00:00:03", "10.0.0.1")))


@pytest.fixture(scope="module")
def bridge(cell: Cell) -> tuple[Host, Host, dict[str, list[str]]]:
    """The attacker, a neighbour, and what the neighbour has received of each forged frame and the honest one behind it."""
    neighbour = Cell(cell.engine)
    own, victim = Host.of(cell), Host.of(neighbour)
    neighbour.start("sh", "-c", "frames listen 60 > /seen")
    wait_until(lambda: "ready" in neighbour.shell("cat /seen"), "the neighbour to listen")
    common = {"target": victim.address, "target_mac": victim.mac, "port": 9}
    received: dict[str, list[str]] = {}
    for number, (kind, frame) in enumerate(forged_frames(own, victim).items()):
        end = f"end-{number}-".encode()
        honest = udp_frame(source=own.address, source_mac=own.mac, payload=end, **common)  # type: ignore[arg-type]  # mixed
        assert cell.run("frames", "send", frame.hex(), honest.hex())[1].split() == ["sent", "sent"]
        wait_until(lambda end=end: end.hex() in neighbour.shell("cat /seen"), "the honest frame")  # type: ignore[misc]  # default
        received[kind] = [line for line in neighbour.shell("cat /seen; : > /seen").split() if MARK[:8].hex() in line]
    neighbour.remove()
    return own, victim, received


@pytest.mark.parametrize("kind", KINDS)
def test_a_forged_frame_reaches_no_neighbour(bridge: tuple[Host, Host, dict[str, list[str]]], kind: str) -> None:
    assert bridge[2][kind] == []


def test_forged_frames_teach_the_bridge_nothing(cell: Cell, bridge: tuple[Host, Host, dict[str, list[str]]]) -> None:
    own = bridge[0]
    table = [line for line in bridge_table(cell) if "ff:ff:ff:ff:ff:ff" in line or "203.0.113" in line]
    assert table == []
    assert cell.shell(f"ping -c 1 -W 5 {own.gateway}").count("1 packets received") == 1


def bridge_table(cell: Cell) -> list[str]:
    text = subprocess.run(["bridge", "fdb", "show"], capture_output=True, text=True, check=True).stdout
    return [line for line in text.splitlines() if cell.engine.instance in line]


def test_a_container_of_another_tenant_hears_nothing_of_a_bridge(cell: Cell, new_cell: Callable[..., Cell]) -> None:
    stranger = new_cell(tenant=BOB)
    friend = new_cell(tenant=ADA)
    own, target, other = Host.of(cell), Host.of(friend), Host.of(stranger)
    stranger.start("sh", "-c", "frames listen 30 > /seen")
    wait_until(lambda: "ready" in stranger.shell("cat /seen"), "the stranger to listen")
    for mac in ("ff:ff:ff:ff:ff:ff", other.mac, target.mac):
        frame = udp_frame(source=own.address, source_mac=own.mac, target=other.address, target_mac=mac, port=9, payload=MARK)
        cell.run("frames", "send", frame.hex())
    stranger.shell(f"ping -c 1 -W 5 {other.gateway}")
    lines = stranger.shell("cat /seen").split()
    assert len(lines) > 1
    assert not any(MARK.hex() in line for line in lines)


@pytest.mark.parametrize(
    "command",
    [
        "ip link set eth0 down",
        "ip link set eth0 address 02:42:00:00:00:01",
        "ip addr add 10.1.2.3/8 dev eth0",
        "ip route add 198.51.100.0/24 dev eth0",
        "ip link add type veth",
        "ip link set eth0 promisc on",
        "ip rule add from all table 5",
        "ip neigh add 10.0.0.1 lladdr 02:42:00:00:00:01 dev eth0",
        "brctl addbr own",
        "tunctl -t own",
    ],
)
def test_the_interface_cannot_be_changed_from_inside(cell: Cell, command: str) -> None:
    code, output = cell.run(*command.split())
    assert code != 0, output
