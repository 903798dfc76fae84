"""What packets get through: between containers of one tenant, of two tenants, to the host and to the world outside.

A datagram that must not arrive is followed by one that does: the receiver's first one tells, and nothing waits for time to pass.
"""

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import pytest

from engine.core.networks import ICC_OPTION, NetworkJoin, NetworkRequest
from engine.core.tenants import Tenant
from engine.linux.nftables import Nftables
from engine.network.attachments import Guest
from engine.network.manager import NetworkManager
from engine.network.model import Endpoint
from tests.engine.network.sandboxes import Sandbox, arp_frame, ip, udp_frame

pytestmark = pytest.mark.requires_root

ADA, BOB = Tenant("demo", "ada"), Tenant("demo", "bob")
PORT = 5353
MakeSandbox = Callable[[str], Sandbox]
Listen = Callable[..., "Listener"]

# Prints "ready", then the first datagram's text and where it came from.
LISTEN = """
import json, socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind((sys.argv[1], int(sys.argv[2]))); print("ready")
data, (address, port) = s.recvfrom(2000); s.sendto(b"answer", (address, port)); print(json.dumps([data.decode(), address]))
"""
# Prints "ready", then the first ARP frame as hexadecimal digits.
LISTEN_RAW = """
import json, socket
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806)); s.bind(("eth0", 0x0806)); print("ready")
print(json.dumps([s.recv(2000).hex()]))
"""
SEND = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.sendto(sys.argv[3].encode(), (sys.argv[1], int(sys.argv[2])))
if len(sys.argv) > 4: print(s.recv(100).decode())
"""
RAW = """
import os, socket, sys
os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[0]})
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW); s.bind(("eth0", 0))
for frame in sys.argv[1:]: s.send(bytes.fromhex(frame))
"""
PING = """
import socket, struct, sys
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
packet = struct.pack("!BBHHH", 8, 0, 0, 7, 1); check = ~sum(struct.unpack("!4H", packet)) & 0xFFFF
s.sendto(packet[:2] + struct.pack("!H", check) + packet[4:], (sys.argv[1], 0)); print(s.recv(200)[20])
"""


async def attached(manager: NetworkManager, box: Sandbox, tenant: Tenant) -> Endpoint:
    (endpoint,) = await manager.attach(Guest(box.name, tenant, box.name), box.netns)
    box.configure(endpoint)
    return endpoint


class Inside(Protocol):
    """Anything whose ``enter`` stands before a command for it to run there."""

    @property
    def enter(self) -> Sequence[str]: ...


class Listener:
    """One datagram or frame, waited for in a sandbox or, without one, on the host."""

    def __init__(self, box: Inside | None, code: str, address: str, port: int) -> None:
        enter = box.enter if box else ()
        command = [*enter, sys.executable, "-S", "-E", "-u", "-c", code, address, str(port)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self._process.stdout.readline()

    def first(self) -> list[str]:
        output, _ = self._process.communicate()
        answer: list[str] = json.loads(output)
        return answer

    def stop(self) -> None:
        self._process.kill()
        self._process.__exit__(None, None, None)


@pytest.fixture
def listen(sandbox: MakeSandbox) -> Iterator[Callable[..., Listener]]:
    """Starts listeners, which end with the test."""
    with contextlib.ExitStack() as stack:

        def start(box: Sandbox | None, address: str = "0.0.0.0", port: int = PORT, *, code: str = LISTEN) -> Listener:
            listener = Listener(box, code, address, port)
            stack.callback(listener.stop)
            return listener

        yield start


def send_from_host(address: str, text: str, port: int = PORT) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(text.encode(), (address, port))


@pytest.fixture
def outside(sandbox: MakeSandbox) -> Sandbox:
    """A machine beyond the host's default route, at 198.51.100.2; the host is 198.51.100.1 there."""
    box = sandbox("outside")
    box_netns = f"/proc/{os.getpid()}/fd/{box.netns}"
    for line in (
        f"link add wan type veth peer name wan netns {box_netns}",
        "addr add 198.51.100.1/24 dev wan",
        "link set wan up",
        "route add default via 198.51.100.2",
    ):
        ip(line)
    for line in ("addr add 198.51.100.2/24 dev wan", "link set wan up", "route add 172.30.0.0/15 via 198.51.100.1"):
        box.command("ip", *line.split())
    return box


async def test_containers_of_one_tenant_reach_each_other(manager: NetworkManager, sandbox: MakeSandbox, listen: Listen) -> None:
    one, other = sandbox("one"), sandbox("other")
    first, second = await attached(manager, one, ADA), await attached(manager, other, ADA)
    listener = listen(other)
    assert one.python(SEND, second.address, str(PORT), "hello", "wait") == "answer"
    assert listener.first() == ["hello", first.address]


async def test_no_packet_goes_from_one_tenant_to_another(manager: NetworkManager, sandbox: MakeSandbox, listen: Listen) -> None:
    one, other = sandbox("one"), sandbox("other")
    await attached(manager, one, ADA)
    target = await attached(manager, other, BOB)
    listener = listen(other)
    one.python(SEND, target.address, str(PORT), "forbidden")
    send_from_host(target.address, "from the host")
    assert listener.first() == ["from the host", target.gateway]


async def joined(manager: NetworkManager, box: Sandbox, *names: str) -> tuple[Endpoint, ...]:
    joins = tuple(map(NetworkJoin, names))
    endpoints = await manager.attach(Guest(box.name, ADA, box.name, (box.name,), joins), box.netns)
    for endpoint in endpoints:
        box.configure(endpoint)
    return endpoints


async def test_no_packet_goes_from_one_network_to_another_of_the_same_tenant(
    manager: NetworkManager, sandbox: MakeSandbox, listen: Listen
) -> None:
    for name in ("one", "two"):
        await manager.create_network(ADA, NetworkRequest(name))
    here, there = sandbox("here"), sandbox("there")
    await joined(manager, here, "one")
    (target,) = await joined(manager, there, "two")
    listener = listen(there)
    here.python(SEND, target.address, str(PORT), "forbidden")
    send_from_host(target.address, "from the host")
    assert listener.first() == ["from the host", target.gateway]


async def test_a_container_on_two_networks_cannot_pass_packets_on_between_them(
    manager: NetworkManager, sandbox: MakeSandbox, listen: Listen
) -> None:
    for name in ("one", "two"):
        await manager.create_network(ADA, NetworkRequest(name))
    here, between, there = sandbox("here"), sandbox("between"), sandbox("there")
    await joined(manager, here, "one")
    near, _ = await joined(manager, between, "one", "two")
    (target,) = await joined(manager, there, "two")
    between.python("open('/proc/sys/net/ipv4/ip_forward', 'w').write('1')")
    here.command("ip", "route", "add", f"{target.address}/32", "via", near.address)
    listener = listen(there)
    here.python(SEND, target.address, str(PORT), "forbidden")
    between.python(SEND, target.address, str(PORT), "its own")
    assert listener.first()[0] == "its own"


async def test_containers_of_a_quiet_network_reach_the_outside_but_not_each_other(
    manager: NetworkManager, sandbox: MakeSandbox, listen: Listen, outside: Sandbox
) -> None:
    await manager.create_network(ADA, NetworkRequest("quiet", options={ICC_OPTION: "false"}))
    here, there = sandbox("here"), sandbox("there")
    await joined(manager, here, "quiet")
    (target,) = await joined(manager, there, "quiet")
    listener, far = listen(there), listen(outside)
    here.command("ip", "neigh", "replace", target.address, "lladdr", target.mac, "dev", "eth0")
    here.python(SEND, target.address, str(PORT), "forbidden")
    here.command("ip", "route", "add", f"{target.address}/32", "via", target.gateway)
    here.python(SEND, target.address, str(PORT), "forbidden by the gateway")
    send_from_host(target.address, "from the host")
    assert listener.first()[0] == "from the host"
    assert here.python(SEND, "198.51.100.2", str(PORT), "hello", "wait") == "answer"
    assert far.first()[0] == "hello"


async def test_an_internal_network_has_no_way_out_even_by_a_route_of_the_containers_own(
    manager: NetworkManager, sandbox: MakeSandbox, listen: Listen, outside: Sandbox
) -> None:
    await manager.create_network(ADA, NetworkRequest("closed", internal=True))
    box, neighbour = sandbox("box"), sandbox("neighbour")
    await joined(manager, box, "closed")
    (near,) = await joined(manager, neighbour, "closed")
    gateway = str(manager.list_networks(ADA)[0].gateway)
    box.command("ip", "route", "add", "default", "via", gateway)
    far, close = listen(outside), listen(neighbour)
    box.python(SEND, "198.51.100.2", str(PORT), "forbidden")
    send_from_host("198.51.100.2", "from the host")
    assert far.first()[0] == "from the host"
    assert box.python(SEND, near.address, str(PORT), "hello", "wait") == "answer"
    assert close.first()[0] == "hello"


async def test_two_tenants_are_on_different_bridges_and_subnets(manager: NetworkManager, sandbox: MakeSandbox) -> None:
    first = await attached(manager, sandbox("one"), ADA)
    second = await attached(manager, sandbox("other"), BOB)
    assert first.network_id != second.network_id
    assert first.gateway != second.gateway


async def test_a_container_leaves_under_the_hosts_address_and_gets_its_answer(
    manager: NetworkManager, sandbox: MakeSandbox, listen: Listen, outside: Sandbox
) -> None:
    box = sandbox("one")
    await attached(manager, box, ADA)
    listener = listen(outside)
    assert box.python(SEND, "198.51.100.2", str(PORT), "hello", "wait") == "answer"
    assert listener.first() == ["hello", "198.51.100.1"]


async def test_nobody_outside_can_speak_to_a_container_unasked(
    manager: NetworkManager, sandbox: MakeSandbox, listen: Listen, outside: Sandbox
) -> None:
    box = sandbox("one")
    endpoint = await attached(manager, box, ADA)
    listener = listen(box)
    outside.python(SEND, endpoint.address, str(PORT), "forbidden")
    send_from_host(endpoint.address, "from the host")
    assert listener.first()[0] == "from the host"


@pytest.mark.parametrize("own_address", ["gateway", "outer"])
async def test_services_of_the_host_are_closed_to_containers(
    manager: NetworkManager, sandbox: MakeSandbox, listen: Listen, outside: Sandbox, own_address: str
) -> None:
    box = sandbox("one")
    endpoint = await attached(manager, box, ADA)
    address = endpoint.gateway if own_address == "gateway" else "198.51.100.1"
    listener = listen(None)
    box.python(SEND, address, str(PORT), "forbidden")
    send_from_host("127.0.0.1", "from the host")
    assert listener.first() == ["from the host", "127.0.0.1"]


async def test_the_gateway_answers_a_ping(manager: NetworkManager, sandbox: MakeSandbox) -> None:
    box = sandbox("one")
    endpoint = await attached(manager, box, ADA)
    assert box.python(PING, endpoint.gateway) == "0"


async def test_the_host_can_open_a_connection_to_a_container(
    manager: NetworkManager, sandbox: MakeSandbox, listen: Listen
) -> None:
    box = sandbox("one")
    endpoint = await attached(manager, box, ADA)
    listener = listen(box)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"hello", (endpoint.address, PORT))
        assert sender.recv(100) == b"answer"
    assert listener.first() == ["hello", endpoint.gateway]


async def test_the_hosts_loopback_is_out_of_reach_even_when_it_is_routed(
    manager: NetworkManager, sandbox: MakeSandbox, listen: Listen
) -> None:
    box = sandbox("one")
    endpoint = await attached(manager, box, ADA)
    bridge = f"b5a5a5a{int.from_bytes(socket.inet_aton(endpoint.gateway)) - 1:08x}"
    Path(f"/proc/sys/net/ipv4/conf/{bridge}/route_localnet").write_text("1")
    listener = listen(None, "127.0.0.1")
    frame = udp_frame(
        source_mac=endpoint.mac,
        target_mac=gateway_mac(endpoint),
        source=endpoint.address,
        target="127.0.0.1",
        port=PORT,
        payload=b"forbidden",
    )
    box.python(RAW, frame.hex())
    send_from_host("127.0.0.1", "from the host")
    assert listener.first()[0] == "from the host"


@pytest.mark.parametrize("metadata", ["169.254.169.254", "100.100.100.200", "168.63.129.16", "192.0.0.192"])
async def test_the_metadata_service_of_a_cloud_is_out_of_reach_but_its_resolver_is_not(
    manager: NetworkManager, sandbox: MakeSandbox, listen: Listen, outside: Sandbox, metadata: str
) -> None:
    box = sandbox("one")
    await attached(manager, box, ADA)
    outside.command("ip", "addr", "add", f"{metadata}/32", "dev", "wan")
    listener, resolver = listen(outside), listen(outside, metadata, 53)
    box.python(SEND, metadata, str(PORT), "forbidden")
    assert box.python(SEND, metadata, "53", "question", "wait") == "answer"
    box.python(SEND, "198.51.100.2", str(PORT), "allowed")
    assert listener.first()[0] == "allowed"
    assert resolver.first()[0] == "question"


def gateway_mac(endpoint: Endpoint) -> str:
    return "02:42:" + ":".join(f"{byte:02x}" for byte in socket.inet_aton(endpoint.gateway))


@pytest.mark.parametrize("forged", ["address", "hardware address", "both, of another container"])
async def test_a_container_cannot_send_under_a_forged_address(
    manager: NetworkManager, sandbox: MakeSandbox, listen: Listen, forged: str
) -> None:
    one, other, third = sandbox("one"), sandbox("other"), sandbox("third")
    own, target, victim = [await attached(manager, box, ADA) for box in (one, other, third)]
    source, source_mac = {
        "address": (victim.address, own.mac),
        "hardware address": (own.address, victim.mac),
        "both, of another container": (victim.address, victim.mac),
    }[forged]
    common = {"target_mac": target.mac, "target": target.address, "port": PORT}
    bad = udp_frame(source=source, source_mac=source_mac, payload=b"forged", **common)  # type: ignore[arg-type]  # mixed values
    good = udp_frame(source=own.address, source_mac=own.mac, payload=b"honest", **common)  # type: ignore[arg-type]  # mixed values
    listener = listen(other)
    one.python(RAW, bad.hex(), good.hex())
    assert listener.first() == ["honest", own.address]


async def test_a_container_cannot_claim_anothers_address_by_arp(
    manager: NetworkManager, sandbox: MakeSandbox, listen: Listen
) -> None:
    one, other, third = sandbox("one"), sandbox("other"), sandbox("third")
    own, _, victim = [await attached(manager, box, ADA) for box in (one, other, third)]
    claims = [
        arp_frame(source_mac=own.mac, sender_mac=own.mac, sender=victim.address),
        arp_frame(source_mac=own.mac, sender_mac=victim.mac, sender=own.address),
        arp_frame(source_mac=victim.mac, sender_mac=own.mac, sender=own.address),
    ]
    honest = arp_frame(source_mac=own.mac, sender_mac=own.mac, sender=own.address)
    listener = listen(other, code=LISTEN_RAW)
    one.python(RAW, *(frame.hex() for frame in [*claims, honest]))
    assert listener.first() == [honest.hex()]


async def test_a_container_has_no_ipv6_address_of_its_own_making(manager: NetworkManager, sandbox: MakeSandbox) -> None:
    box = sandbox("one")
    await attached(manager, box, ADA)
    assert "inet6" not in box.command("ip", "addr", "show", "dev", "eth0")


async def test_rules_come_back_when_another_program_flushes_them(
    manager: NetworkManager, sandbox: MakeSandbox, listen: Listen
) -> None:
    one, other = sandbox("one"), sandbox("other")
    await attached(manager, one, ADA)
    target = await attached(manager, other, BOB)
    nftables = Nftables()
    before = nftables.run("list ruleset")
    nftables.run("flush ruleset")
    while sorted(nftables.run("list ruleset").split()) != sorted(before.split()):  # noqa: ASYNC110 (another thread does it)
        await asyncio.sleep(0.01)
    nftables.close()
    listener = listen(other)
    one.python(SEND, target.address, str(PORT), "forbidden")
    send_from_host(target.address, "from the host")
    assert listener.first()[0] == "from the host"
