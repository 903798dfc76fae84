"""Published ports on a real kernel: who reaches them from where, who holds them, and what is left when they are given back."""

import contextlib
import errno
import json
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from engine.core.networks import ICC_OPTION, Ipam, NetworkJoin, NetworkRequest
from engine.core.ports import Port, PortBinding, PublishedPort
from engine.core.tenants import Tenant
from engine.errors import Conflict, QuotaExceeded, Unavailable
from engine.linux.nftables import Nftables
from engine.network.attachments import Guest
from engine.network.manager import NetworkManager
from engine.network.model import Endpoint
from tests.engine.network.sandboxes import Sandbox, ip, udp_frame
from tests.engine.network.test_manager import eventually, rules
from tests.engine.network.test_traffic import LISTEN, RAW, Listener

pytestmark = pytest.mark.requires_root

ADA, BOB = Tenant("demo", "ada"), Tenant("demo", "bob")
WEB, DNS = Port(80), Port(53, "udp")
MakeSandbox = Callable[[str], Sandbox]
OpenManager = Callable[..., Awaitable[NetworkManager]]

# Answers each connection or datagram with the name it was given and who asked.
SERVE = """
import socket, sys, threading
family = socket.AF_INET6 if len(sys.argv) > 4 else socket.AF_INET
kind = socket.SOCK_STREAM if sys.argv[1] == "tcp" else socket.SOCK_DGRAM
s = socket.socket(family, kind)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("::" if len(sys.argv) > 4 else "0.0.0.0", int(sys.argv[2])))
if kind == socket.SOCK_STREAM: s.listen()
print("ready")
while True:
    if kind == socket.SOCK_STREAM:
        c, peer = s.accept(); c.sendall(f"{sys.argv[3]} {peer[0]}".encode()); c.close()
    else:
        data, peer = s.recvfrom(2000); s.sendto(f"{sys.argv[3]} {peer[0]}".encode(), peer)
"""
# Prints what is answered, or the kind of failure.
ASK = """
import socket, sys
kind = socket.SOCK_STREAM if sys.argv[1] == "tcp" else socket.SOCK_DGRAM
s = socket.socket(socket.AF_INET6 if ":" in sys.argv[2] else socket.AF_INET, kind); s.settimeout(float(sys.argv[4]))
try:
    s.connect((sys.argv[2], int(sys.argv[3])))
    if kind == socket.SOCK_DGRAM: s.send(b"?")
    print(s.recv(200).decode() or "nothing")
except OSError as error:
    print(type(error).__name__)
"""
PATIENCE = 10.0  # for what must come; nothing waits that long
SHORT = 0.4  # for what must not come: dropped packets tell nothing


class Host:
    """Asks from the host itself, as a sandbox does from inside."""

    enter: Sequence[str] = ()


def ask(box: "Sandbox | Host | Outside", address: str, port: int, *, protocol: str = "tcp", seconds: float = PATIENCE) -> str:
    command = [*box.enter, sys.executable, "-S", "-E", "-c", ASK, protocol, address, str(port), str(seconds)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def is_closed(box: "Sandbox | Host | Outside", address: str, port: int, *, protocol: str = "tcp") -> bool:
    return ask(box, address, port, protocol=protocol, seconds=SHORT) in ("TimeoutError", "ConnectionRefusedError", "OSError")


class Outside:
    """A network namespace that is routed to the host: 203.0.113.80, where the host is 203.0.113.1 and 203.0.113.2."""

    def __init__(self) -> None:
        command = ["unshare", "--net", "sh", "-c", "echo ready; exec cat"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        self._process.stdout.readline()
        self.enter = ["nsenter", "-t", str(self._process.pid), "-n"]
        ip(f"link add out0 type veth peer name in0 netns {self._process.pid}")
        for command_line in ("link set out0 up", "address add 203.0.113.1/24 dev out0", "address add 203.0.113.2/24 dev out0"):
            ip(command_line)
        for command_line in ("link set lo up", "link set in0 up", "address add 203.0.113.80/24 dev in0"):
            subprocess.run([*self.enter, "ip", *command_line.split()], check=True)

    def command(self, *command: str) -> str:
        return subprocess.run([*self.enter, *command], check=True, capture_output=True, text=True).stdout

    def python(self, code: str, *args: str) -> str:
        return self.command(sys.executable, "-S", "-E", "-c", code, *args).strip()

    def close(self) -> None:
        self._process.kill()
        self._process.__exit__(None, None, None)


@pytest.fixture
def outside(host: None) -> Iterator[Outside]:
    with contextlib.closing(Outside()) as made:
        yield made


@pytest.fixture
def serve() -> Iterator[Callable[..., None]]:
    """Starts servers inside sandboxes; they end with the test."""
    with contextlib.ExitStack() as stack:

        def start(box: Sandbox, port: int, *, protocol: str = "tcp", ipv6: bool = False) -> None:
            command = [*box.enter, sys.executable, "-S", "-E", "-u", "-c", SERVE, protocol, str(port), box.name]
            process = subprocess.Popen([*command, *(["6"] if ipv6 else [])], stdout=subprocess.PIPE)
            stack.callback(process.__exit__, None, None, None)
            stack.callback(process.kill)
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"

        yield start


Serve = Callable[..., None]


async def put(manager: NetworkManager, box: Sandbox, *joins: NetworkJoin, tenant: Tenant = ADA) -> Endpoint:
    guest = Guest(box.name, tenant, box.name, (box.name,), joins or (NetworkJoin("bridge"),))
    endpoints = await manager.attach(guest, box.netns)
    for endpoint in endpoints:
        box.configure(endpoint)
    return endpoints[0]


def bound(port: Port, host_port: int, address: str = "") -> PortBinding:
    return PortBinding(port, address, host_port, host_port)


async def test_a_port_is_reached_from_the_host_loopback_outside_a_neighbour_a_stranger_and_itself(
    manager: NetworkManager, sandbox: MakeSandbox, serve: Serve, outside: Outside
) -> None:
    web, neighbour, stranger = sandbox("web"), sandbox("neighbour"), sandbox("stranger")
    endpoint, other = await put(manager, web), await put(manager, neighbour)
    far = await put(manager, stranger, tenant=BOB)
    serve(web, 80)
    assert await manager.publish("web", [bound(WEB, 8080)]) == (PublishedPort(WEB, "0.0.0.0", 8080),)
    assert ask(Host(), "127.0.0.1", 8080) == f"web {endpoint.gateway}"
    assert ask(Host(), "203.0.113.1", 8080) == "web 203.0.113.1"
    assert ask(outside, "203.0.113.2", 8080) == "web 203.0.113.80"
    assert ask(neighbour, "203.0.113.1", 8080) == f"web {endpoint.gateway}"
    assert ask(neighbour, other.gateway, 8080) == f"web {endpoint.gateway}"
    assert ask(web, "203.0.113.1", 8080) == f"web {endpoint.gateway}"
    assert ask(stranger, "203.0.113.1", 8080) == f"web {endpoint.gateway}"
    assert ask(stranger, far.gateway, 8080) == f"web {endpoint.gateway}"
    assert is_closed(stranger, endpoint.address, 80)
    assert is_closed(outside, "203.0.113.1", 80)


async def test_datagrams_are_led_on_as_well(
    manager: NetworkManager, sandbox: MakeSandbox, serve: Serve, outside: Outside
) -> None:
    box, neighbour = sandbox("dns"), sandbox("neighbour")
    await put(manager, box)
    await put(manager, neighbour)
    serve(box, 53, protocol="udp")
    assert await manager.publish("dns", [bound(DNS, 5300)]) == (PublishedPort(DNS, "0.0.0.0", 5300),)
    for asker, address in ((Host(), "127.0.0.1"), (outside, "203.0.113.1"), (neighbour, "203.0.113.1"), (box, "203.0.113.1")):
        assert ask(asker, address, 5300, protocol="udp").startswith("dns ")
    assert is_closed(Host(), "127.0.0.1", 5300), "TCP of that number is another port"


async def test_what_is_published_on_one_address_is_closed_on_all_others(
    manager: NetworkManager, sandbox: MakeSandbox, serve: Serve, outside: Outside
) -> None:
    web, neighbour, stranger = sandbox("web"), sandbox("neighbour"), sandbox("stranger")
    endpoint = await put(manager, web)
    await put(manager, neighbour)
    await put(manager, stranger, tenant=BOB)
    serve(web, 80)
    await manager.publish("web", [bound(WEB, 8080, "127.0.0.1"), bound(WEB, 8081, "203.0.113.2")])
    assert ask(Host(), "127.0.0.1", 8080).startswith("web ")
    assert ask(outside, "203.0.113.2", 8081) == "web 203.0.113.80"
    assert ask(neighbour, "203.0.113.2", 8081).startswith("web ")
    assert is_closed(outside, "203.0.113.1", 8081)
    for asker in (outside, neighbour, stranger, web):
        assert is_closed(asker, "203.0.113.1", 8080)
    assert is_closed(neighbour, endpoint.gateway, 8080)


async def test_a_loopback_port_is_closed_to_a_machine_beside_the_host_that_names_it(
    manager: NetworkManager, sandbox: MakeSandbox, outside: Outside
) -> None:
    """CVE-2020-8558: a neighbour on the same wire may send packets to 127.0.0.1 if it wants to."""
    box = sandbox("dns")
    await put(manager, box)
    await manager.publish("dns", [bound(DNS, 5300, "127.0.0.1"), bound(DNS, 5301)])
    target = next(link["address"] for link in json.loads(ip("-j link show out0")))
    source = json.loads(outside.command("ip", "-j", "link", "show", "in0"))[0]["address"]
    listener = Listener(box, LISTEN, "0.0.0.0", 53)
    frames = [
        udp_frame(source_mac=source, target_mac=target, source="203.0.113.80", target=address, port=port, payload=text)
        for address, port, text in (("127.0.0.1", 5300, b"in"), ("127.0.0.1", 5301, b"in"), ("203.0.113.1", 5301, b"last"))
    ]
    outside.python(RAW.replace("eth0", "in0"), *(frame.hex() for frame in frames))
    assert listener.first()[0] == "last"


async def test_a_port_that_is_taken_is_refused_in_dockerds_words_and_free_at_once_when_given_back(
    manager: NetworkManager, sandbox: MakeSandbox
) -> None:
    first, second = sandbox("first"), sandbox("second")
    await put(manager, first)
    await put(manager, second, tenant=BOB)
    await manager.publish("first", [bound(WEB, 8080), bound(DNS, 5300)])
    words = r"driver failed programming external connectivity on endpoint shop \([0-9a-f]{64}\): "
    with pytest.raises(Conflict, match=words + r"Bind for 0.0.0.0:8080 failed: port is already allocated"):
        await manager.publish("second", [bound(Port(81), 8081), bound(WEB, 8080)], name="shop")
    with pytest.raises(Conflict, match=r"Bind for 127.0.0.1:5300 failed: port is already allocated"):
        await manager.publish("second", [bound(DNS, 5300, "127.0.0.1")])
    assert manager.published("second") == ()
    await manager.detach("first")
    assert await manager.publish("second", [bound(Port(81), 8081), bound(WEB, 8080), bound(DNS, 5300)])


@pytest.mark.parametrize("address", ["0.0.0.0", "127.0.0.1"])
async def test_a_port_of_another_program_is_refused(manager: NetworkManager, sandbox: MakeSandbox, address: str) -> None:
    await put(manager, sandbox("web"))
    words = r"failed to bind host port for 0.0.0.0:8080:172.\S+:80/tcp: address already in use"
    with socket.create_server((address, 8080)), pytest.raises(Conflict, match=words):
        await manager.publish("web", [bound(WEB, 8080)])
    await manager.publish("web", [bound(WEB, 8080)])


async def test_another_program_cannot_take_a_port_that_is_published(manager: NetworkManager, sandbox: MakeSandbox) -> None:
    await put(manager, sandbox("web"))
    await manager.publish("web", [bound(WEB, 8080), bound(DNS, 5300)])
    for kind, port in ((socket.SOCK_STREAM, 8080), (socket.SOCK_DGRAM, 5300)):
        with socket.socket(socket.AF_INET, kind) as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with pytest.raises(OSError) as refused:
                other.bind(("127.0.0.1", port))
                other.listen()
            assert refused.value.errno == errno.EADDRINUSE


async def test_a_range_gives_its_first_free_port_and_ends(manager: NetworkManager, sandbox: MakeSandbox) -> None:
    span = PortBinding(WEB, "", 9000, 9001)
    boxes = [sandbox(f"box{number}") for number in range(3)]
    for box in boxes:
        await put(manager, box)
    assert (await manager.publish("box0", [span]))[0].host_port == 9000
    assert (await manager.publish("box1", [span]))[0].host_port == 9001
    with pytest.raises(Conflict, match=r"Bind for 0.0.0.0:9000-9001 failed: all ports are allocated"):
        await manager.publish("box2", [span])
    await manager.detach("box0")
    assert (await manager.publish("box2", [span]))[0].host_port == 9000


async def test_any_port_is_one_that_nobody_has(manager: NetworkManager, sandbox: MakeSandbox) -> None:
    Path("/proc/sys/net/ipv4/ip_local_port_range").write_text("40000 40003")
    await put(manager, sandbox("web"))
    with socket.create_server(("127.0.0.1", 40001)):
        found = await manager.publish("web", [PortBinding(Port(number)) for number in (80, 81, 82)])
        assert [one.host_port for one in found] == [40000, 40002, 40003]
        with pytest.raises(Conflict, match="any port failed: all ports are allocated"):
            await manager.publish("web", [PortBinding(Port(number)) for number in (80, 81, 82, 83)])


async def test_an_address_that_the_host_does_not_have_is_refused(manager: NetworkManager, sandbox: MakeSandbox) -> None:
    await put(manager, sandbox("web"))
    with pytest.raises(Unavailable, match=r"10.9.8.7:80: cannot assign requested address"):
        await manager.publish("web", [bound(WEB, 80, "10.9.8.7")])
    with pytest.raises(Unavailable, match="no IPv6 address"):
        await manager.publish("web", [bound(WEB, 80, "::")])
    assert manager.published("web") == ()


async def test_two_hundred_ports_come_and_go_at_once(manager: NetworkManager, sandbox: MakeSandbox, serve: Serve) -> None:
    web = sandbox("web")
    await put(manager, web)
    before = rules()
    serve(web, 180)
    await manager.publish("web", [bound(Port(number), 10_000 + number) for number in range(1, 201)])
    assert ask(Host(), "127.0.0.1", 10_180).startswith("web ")
    await manager.publish("web", [])
    assert rules() == before
    socket.create_server(("0.0.0.0", 10_180)).close()


async def test_ports_of_a_tenant_have_a_bound(
    manager: NetworkManager, sandbox: MakeSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.network.port_shares._MOST_OF_A_TENANT", 3)
    await put(manager, sandbox("one"))
    await put(manager, sandbox("two"))
    await put(manager, sandbox("far"), tenant=BOB)
    await manager.publish("one", [bound(WEB, 8080), bound(WEB, 8081)])
    with pytest.raises(QuotaExceeded) as refused:
        await manager.publish("two", [bound(WEB, 8082), bound(WEB, 8083)])
    assert (refused.value.used, refused.value.requested, refused.value.tenant) == (2, 2, "demo/ada")
    await manager.publish("far", [bound(WEB, 8082), bound(WEB, 8083)])
    await manager.publish("one", [bound(WEB, 8080), bound(WEB, 8081), bound(WEB, 8084)])


async def test_ports_follow_a_container_to_the_network_that_leads_out(
    manager: NetworkManager, sandbox: MakeSandbox, serve: Serve
) -> None:
    web = sandbox("web")
    for request in (
        NetworkRequest("inner", Ipam(IPv4Network("10.5.0.0/24")), internal=True),
        NetworkRequest("one", Ipam(IPv4Network("10.6.0.0/24"))),
        NetworkRequest("two", Ipam(IPv4Network("10.7.0.0/24"))),
    ):
        await manager.create_network(ADA, request)
    await put(manager, web, NetworkJoin("inner"))
    assert await manager.publish("web", [bound(WEB, 8080)]) == (), "an internal network publishes nothing"
    await manager.detach("web")
    again = sandbox("again")
    await put(manager, again, NetworkJoin("inner"), NetworkJoin("one"))
    serve(again, 80)
    await manager.publish("again", [bound(WEB, 8080)])
    assert ask(Host(), "127.0.0.1", 8080) == "again 10.6.0.1"
    await manager.join(Guest("again", ADA, "again", ("again",), (NetworkJoin("two"),)), again.netns)
    one = manager.find_network(ADA, "one")
    assert one is not None
    await manager.leave("again", one.network_id, again.netns)
    assert ask(Host(), "127.0.0.1", 8080) == "again 10.7.0.1"


async def test_what_is_published_for_a_quiet_network_is_reached_within_it_too(
    manager: NetworkManager, sandbox: MakeSandbox, serve: Serve
) -> None:
    web, neighbour = sandbox("web"), sandbox("neighbour")
    await manager.create_network(ADA, NetworkRequest("quiet", options={ICC_OPTION: "false"}))
    endpoint = await put(manager, web, NetworkJoin("quiet"))
    await put(manager, neighbour, NetworkJoin("quiet"))
    serve(web, 80)
    await manager.publish("web", [bound(WEB, 8080)])
    assert is_closed(neighbour, endpoint.address, 80)
    assert ask(Host(), "127.0.0.1", 8080).startswith("web ")


async def test_a_daemon_that_was_killed_leaves_its_ports_to_the_next(
    open_manager: OpenManager, sandbox: MakeSandbox, serve: Serve
) -> None:
    former = await open_manager()
    web, gone = sandbox("web"), sandbox("gone")
    await put(former, web)
    await put(former, gone)
    serve(web, 80)
    await former.publish("web", [bound(WEB, 8080)])
    await former.publish("gone", [bound(WEB, 8081)])
    await former.close(remove=False)  # its sockets go with it, as the kernel sees to when it is killed
    Nftables().run("flush ruleset")
    manager = await open_manager()
    assert manager.published("web") == (PublishedPort(WEB, "0.0.0.0", 8080),)
    with pytest.raises(OSError, match="in use"):
        socket.create_server(("0.0.0.0", 8080))
    await manager.reconcile({"web": None})
    assert ask(Host(), "127.0.0.1", 8080).startswith("web ")
    assert manager.published("gone") == ()
    socket.create_server(("0.0.0.0", 8081)).close()


async def test_a_port_that_another_program_took_meanwhile_still_leads_to_the_container(
    open_manager: OpenManager, sandbox: MakeSandbox, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    former, web = await open_manager(), sandbox("web")
    await put(former, web)
    serve(web, 80)
    await former.publish("web", [bound(WEB, 8080)])
    await former.close(remove=False)
    with socket.create_server(("0.0.0.0", 8080)):
        manager = await open_manager()
        await manager.reconcile({"web": None})
        assert ask(Host(), "127.0.0.1", 8080).startswith("web ")
    assert "8080/tcp, though another program has taken it" in caplog.text
    await manager.detach("web")


async def test_flushed_rules_come_back_with_the_ports(manager: NetworkManager, sandbox: MakeSandbox, serve: Serve) -> None:
    web = sandbox("web")
    await put(manager, web)
    serve(web, 80)
    await manager.publish("web", [bound(WEB, 8080)])
    before = rules()
    Nftables().run("flush ruleset")
    await eventually(lambda: rules() == before)
    assert ask(Host(), "127.0.0.1", 8080).startswith("web ")


async def test_only_bridges_with_ports_on_loopback_route_it(manager: NetworkManager, sandbox: MakeSandbox) -> None:
    await put(manager, sandbox("web"))
    await put(manager, sandbox("far"), tenant=BOB)

    def switched() -> list[str]:
        paths = Path("/proc/sys/net/ipv4/conf").glob("b5a5a5a*/route_localnet")
        return sorted(path.parent.name for path in paths if path.read_text().strip() == "1")

    assert switched() == []
    await manager.publish("web", [bound(WEB, 8080)])
    assert len(switched()) == 1
    await manager.publish("web", [bound(WEB, 8080, "172.30.0.1")])
    assert switched() == []


async def test_who_sends_datagrams_all_the_time_follows_the_port_to_its_next_owner(
    manager: NetworkManager, sandbox: MakeSandbox, serve: Serve
) -> None:
    first, second = sandbox("first"), sandbox("second")
    for box in (first, second):
        await put(manager, box)
        serve(box, 53, protocol="udp")
    await manager.publish("first", [bound(DNS, 5300)])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(PATIENCE)
        client.connect(("127.0.0.1", 5300))
        client.send(b"?")
        assert client.recv(100).startswith(b"first ")
        await manager.detach("first")
        await manager.publish("second", [bound(DNS, 5300)])
        client.send(b"?")
        assert client.recv(100).startswith(b"second ")


async def test_a_record_that_cannot_be_read_is_set_aside(open_manager: OpenManager, sandbox: MakeSandbox, tmp_path: Path) -> None:
    former = await open_manager()
    await put(former, sandbox("web"))
    await former.publish("web", [bound(WEB, 8080)])
    await former.close(remove=False)
    (record,) = tmp_path.glob("*/networks/web.ports")
    record.write_text("{}")
    manager = await open_manager()
    assert manager.published("web") == ()
    assert not record.exists()
