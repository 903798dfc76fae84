"""What a container's root may write by hand and must not get through: IPv6 and address servers; IPv4 is in test_traffic.py.

A frame that must not arrive is followed by one that does: the receiver's first one tells, and nothing waits for time to pass.
"""

import subprocess
import sys
from ipaddress import IPv6Network
from typing import Any

import pytest

from engine.core.networks import Ipam, NetworkJoin, NetworkRequest
from engine.core.ports import PublishedPort
from engine.core.tenants import Tenant
from engine.linux.nftables import Nftables
from engine.network.manager import NetworkManager
from engine.network.model import Lease
from tests.engine.network.packets import (
    NEIGHBOUR_ADVERT,
    NEIGHBOUR_SOLICIT,
    REDIRECT,
    ROUTER_ADVERT,
    icmp6_frame,
    loose_route,
    neighbour_body,
    router_body,
    udp4_frame,
    udp6_frame,
)
from tests.engine.network.sandboxes import Sandbox, ip
from tests.engine.network.test_published_ports import (
    ADA,
    BOB,
    WEB,
    Host,
    MakeSandbox,
    Outside,
    Serve,
    ask,
    bound,
    is_closed,
    outside,
    put,
    serve,
)
from tests.engine.network.test_traffic import LISTEN, PORT, RAW, Listener, gateway_mac

__all__ = ["outside", "serve"]
pytestmark = pytest.mark.requires_root

SIX = NetworkRequest("six", Ipam(subnet6=IPv6Network("fd00:66::/64")), has_ipv6=True)
_EVERY_FRAME = """
import json, socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)); s.bind(("eth0", 3)); print("ready")
while True:
    frame = s.recv(2000)
    if b"honest" in frame or b"forged" in frame: print(json.dumps([frame.hex()])); break
"""
_LISTEN6 = """
import json, socket, sys
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); s.bind((sys.argv[1], int(sys.argv[2]))); print("ready")
data, peer = s.recvfrom(2000); print(json.dumps([data.decode(), peer[0]]))
"""
_SEND6 = """
import socket, sys
socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).sendto(sys.argv[3].encode(), (sys.argv[1], int(sys.argv[2])))
"""


async def put_on_six(manager: NetworkManager, box: Sandbox, tenant: Tenant = ADA, request: NetworkRequest = SIX) -> Lease:
    """Put a container on a network with IPv6, and return its lease, which tells both addresses."""
    if manager.find_network(tenant, request.name) is None:
        await manager.create_network(tenant, request)
    await put(manager, box, NetworkJoin(request.name), tenant=tenant)
    return manager._attachments.ledger.leases[box.name][0]


def address6(lease: Lease) -> str:
    assert lease.address6 is not None
    return str(lease.address6)


async def test_ports_are_published_for_ipv6_where_the_container_has_it(
    manager: NetworkManager, sandbox: MakeSandbox, serve: Serve, outside: Outside
) -> None:
    web, neighbour = sandbox("web"), sandbox("neighbour")
    await put_on_six(manager, web)
    await put_on_six(manager, neighbour)
    ip("addr add fd00:99::1/64 dev out0 nodad")
    outside.command("ip", "addr", "add", "fd00:99::80/64", "dev", "in0", "nodad")
    serve(web, 80, ipv6=True)
    published = await manager.publish("web", [bound(WEB, 8080), bound(WEB, 8081, "fd00:99::1")])
    assert published == (
        PublishedPort(WEB, "0.0.0.0", 8080),
        PublishedPort(WEB, "::", 8080),
        PublishedPort(WEB, "fd00:99::1", 8081),
    )
    assert ask(Host(), "fd00:99::1", 8080).startswith("web ")
    assert ask(outside, "fd00:99::1", 8080) == "web fd00:99::80"
    assert ask(outside, "fd00:99::1", 8081) == "web fd00:99::80"
    assert ask(neighbour, "fd00:99::1", 8080).startswith("web ")
    assert ask(web, "fd00:99::1", 8080).startswith("web ")
    assert ask(Host(), "127.0.0.1", 8080).startswith("web ")
    assert is_closed(outside, "fd00:99::1", 80)


async def test_no_packet_of_ipv6_goes_from_one_tenant_to_another_or_to_services_of_the_host(
    manager: NetworkManager, sandbox: MakeSandbox, serve: Serve, outside: Outside
) -> None:
    web, own, stranger = sandbox("web"), sandbox("own"), sandbox("stranger")
    target = address6(await put_on_six(manager, web))
    await put_on_six(manager, own)
    await put_on_six(manager, stranger, BOB, NetworkRequest("far", Ipam(subnet6=IPv6Network("fd00:77::/64")), has_ipv6=True))
    ip("addr add fd00:99::1/64 dev out0 nodad")
    outside.command("ip", "addr", "add", "fd00:99::80/64", "dev", "in0", "nodad")
    outside.command("ip", "route", "add", "fd00:66::/64", "via", "fd00:99::1")
    serve(web, 80, ipv6=True)
    with socket_on("fd00:99::1", 9999):
        assert ask(Host(), "fd00:99::1", 9999) == "nothing"
        for address in ("fd00:99::1", "fd00:66::1"):
            assert is_closed(own, address, 9999)
    assert ask(own, target, 80).startswith("web ")
    for asker in (stranger, outside):
        assert is_closed(asker, target, 80)


def socket_on(address: str, port: int) -> "subprocess.Popen[bytes]":
    code = (
        "import socket, sys; s = socket.create_server((sys.argv[1], int(sys.argv[2])), family=socket.AF_INET6);"
        " print('ready', flush=True)\nwhile True: s.accept()[0].close()"
    )
    process = _Killed([sys.executable, "-S", "-E", "-c", code, address, str(port)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    return process


class _Killed(subprocess.Popen[bytes]):
    def __exit__(self, *reason: object) -> None:
        self.kill()
        super().__exit__(None, None, None)


async def test_an_internal_network_has_no_way_out_by_ipv6(
    manager: NetworkManager, sandbox: MakeSandbox, outside: Outside
) -> None:
    inner, plain = sandbox("inner"), sandbox("plain")
    request = NetworkRequest("inner", Ipam(subnet6=IPv6Network("fd00:55::/64")), has_ipv6=True, internal=True)
    await put_on_six(manager, inner, request=request)
    await put_on_six(manager, plain)
    ip("addr add fd00:99::1/64 dev out0 nodad")
    outside.command("ip", "addr", "add", "fd00:99::80/64", "dev", "in0", "nodad")
    inner.command("ip", "-6", "route", "add", "default", "via", "fd00:55::1", "dev", "eth0")
    listener = Listener(outside, _LISTEN6, "fd00:99::80", PORT)
    inner.python(_SEND6, "fd00:99::80", str(PORT), "forbidden")
    plain.python(_SEND6, "fd00:99::80", str(PORT), "allowed")
    assert listener.first() == ["allowed", "fd00:99::1"], "it is led out under the host's address"


@pytest.mark.parametrize("forged", ["address", "hardware address", "both, of another container", "link-local", "outside"])
async def test_a_container_cannot_send_under_a_forged_ipv6_address(
    manager: NetworkManager, sandbox: MakeSandbox, forged: str
) -> None:
    one, other, third = sandbox("one"), sandbox("other"), sandbox("third")
    own, target, victim = [await put_on_six(manager, box) for box in (one, other, third)]
    source, source_mac = {
        "address": (address6(victim), own.mac),
        "hardware address": (address6(own), victim.mac),
        "both, of another container": (address6(victim), victim.mac),
        "link-local": ("fe80::42", own.mac),
        "outside": ("2001:db8::1", own.mac),
    }[forged]
    rest: dict[str, Any] = {"target_mac": target.mac, "target": address6(target), "ports": (PORT, PORT)}
    bad = udp6_frame(source=source, source_mac=source_mac, payload=b"forged", **rest)
    good = udp6_frame(source=address6(own), source_mac=own.mac, payload=b"honest", **rest)
    listener = Listener(other, _EVERY_FRAME, "", 0)
    one.python(RAW, bad.hex(), good.hex())
    assert listener.first() == [good.hex()]


async def test_a_container_cannot_lead_its_neighbours_astray_by_ipv6(manager: NetworkManager, sandbox: MakeSandbox) -> None:
    """Announcing a neighbour's address (RFC 4861), posing as a router, or asking under no address for one that is taken."""
    one, other, third = sandbox("one"), sandbox("other"), sandbox("third")
    own, _, victim = [await put_on_six(manager, box) for box in (one, other, third)]

    def message(kind: int, body: bytes, source: str = address6(own)) -> bytes:
        return icmp6_frame(source_mac=own.mac, source=source, target="ff02::1", kind=kind, body=body)

    def claim(address: str, text: bytes) -> bytes:
        return neighbour_body(address, option=2, mac=own.mac, flags=0x2000_0000) + text + b"  "

    forged = [
        message(NEIGHBOUR_ADVERT, claim(address6(victim), b"forged")),
        message(NEIGHBOUR_ADVERT, claim(address6(victim), b"forged"), address6(victim)),
        message(NEIGHBOUR_ADVERT, claim("fd00:66::1", b"forged")),
        message(ROUTER_ADVERT, router_body("fd00:bad::") + b"forged  "),
        message(ROUTER_ADVERT, router_body("fd00:bad::") + b"forged  ", "fe80::42"),
        message(REDIRECT, claim(address6(victim), b"forged")),
        message(NEIGHBOUR_SOLICIT, neighbour_body(address6(victim), option=1, mac=own.mac) + b"forged  ", "::"),
    ]
    honest = message(NEIGHBOUR_ADVERT, claim(address6(own), b"honest"))
    listener = Listener(other, _EVERY_FRAME, "", 0)
    one.python(RAW, *(frame.hex() for frame in [*forged, honest]))
    assert listener.first() == [honest.hex()]
    assert "fd00:bad" not in other.command("ip", "-6", "addr") + other.command("ip", "-6", "route")


async def test_a_container_cannot_serve_addresses_to_its_neighbours(manager: NetworkManager, sandbox: MakeSandbox) -> None:
    """DHCP over IPv4 and IPv6, also in fragments: who answers first would tell the others their router and resolver."""
    one, other = sandbox("one"), sandbox("other")
    own, target = await put_on_six(manager, one), await put_on_six(manager, other)
    four: dict[str, Any] = {"source_mac": own.mac, "target_mac": "ff:ff:ff:ff:ff:ff", "source": str(own.address)}
    six: dict[str, Any] = {"source_mac": own.mac, "target_mac": target.mac, "source": address6(own), "target": address6(target)}
    forged = [
        udp4_frame(**four, target="255.255.255.255", ports=(67, 68), payload=b"forged"),
        udp4_frame(**four, target=str(target.address), ports=(67, 68), payload=b"forged"),
        udp6_frame(**six, ports=(547, 546), payload=b"forged"),
    ]
    honest = udp6_frame(**six, ports=(546, 547), payload=b"honest")
    listener = Listener(other, _EVERY_FRAME, "", 0)
    one.python(RAW, *(frame.hex() for frame in [*forged, honest]))
    assert listener.first() == [honest.hex()]


async def test_a_packet_that_names_its_own_way_is_dropped_at_the_door(
    manager: NetworkManager, sandbox: MakeSandbox, outside: Outside
) -> None:
    """Such a packet (RFC 791) is looked at under one address and goes to another. Many kernels refuse it, but later."""
    one = sandbox("one")
    own = await put(manager, one)
    watch = Nftables()
    watch.run(
        "table ip watch { counter seen { }; chain past { type filter hook prerouting priority -299;"
        " ip option lsrr exists counter name seen; }; }"
    )
    listener = Listener(outside, LISTEN, "203.0.113.80", PORT)
    head: dict[str, Any] = {"source_mac": own.mac, "target_mac": gateway_mac(own), "source": own.address, "ports": (PORT, PORT)}
    forged = udp4_frame(**head, target=own.gateway, payload=b"forged", options=loose_route("203.0.113.80"))
    honest = udp4_frame(**head, target="203.0.113.80", payload=b"honest", options=bytes([1, 1, 1, 1]))
    one.python(RAW, forged.hex(), honest.hex())
    assert listener.first()[0] == "honest"
    assert "packets 0 " in watch.run("list counters")
