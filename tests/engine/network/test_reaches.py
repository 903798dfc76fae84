"""Where tenants may send packets outside of the host: what gets through and what does not, at once; in a real kernel.

Who is refused is told so at once. A datagram that must not arrive is followed by one that does: the first one tells.
"""

import contextlib
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from ipaddress import IPv4Network, IPv6Network

import pytest

from engine.core.destinations import Reach, parse_destination
from engine.core.networks import Ipam, NetworkJoin, NetworkRequest
from engine.core.ports import Port, PortBinding
from engine.core.tenants import Tenant
from engine.linux.nftables import Nftables
from engine.network.attachments import Guest
from engine.network.manager import NetworkManager
from engine.network.model import Endpoint
from tests.engine.network.sandboxes import Sandbox, ip

pytestmark = pytest.mark.requires_root

TEAM, ADA, BOB, EVE = Tenant("demo"), Tenant("demo", "ada"), Tenant("demo", "bob"), Tenant("other", "eve")
FAR, FAR6 = "203.0.113.80", "2001:db8::80"
BOTH = NetworkRequest("both", Ipam(IPv4Network("10.5.0.0/24"), subnet6=IPv6Network("fd05::/64")), has_ipv6=True)
MakeSandbox = Callable[[str], Sandbox]
OpenManager = Callable[..., Awaitable[NetworkManager]]
Ask = Callable[..., str]

# Answers everything on some ports, both protocols, both families; "stream" gets an answer to each line until the end.
SERVE = """
import socket, sys, threading
def answer(accepted):
    for line in accepted.makefile("rb"): accepted.sendall(b"answer\\n")
def connections(listener):
    while True: threading.Thread(target=answer, args=(listener.accept()[0],), daemon=True).start()
def datagrams(bound):
    while True: bound.sendto(b"answer\\n", bound.recvfrom(9000)[1])
threads = []
for port in map(int, sys.argv[1:]):
    listener = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
    bound = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    bound.bind(("::", port))
    threads += [threading.Thread(target=connections, args=(listener,)), threading.Thread(target=datagrams, args=(bound,))]
for thread in threads: thread.start()
print("ready", flush=True)
"""
# Says what became of one question: the answer, or the name of the error.
ASK = """
import errno, socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
s = socket.socket(family, socket.SOCK_STREAM if sys.argv[3] == "tcp" else socket.SOCK_DGRAM); s.settimeout(20)
try:
    s.connect((sys.argv[1], int(sys.argv[2]))); s.send(b"x" * int(sys.argv[4]) + b"\\n"); print(s.recv(100).decode().strip())
except OSError as error: print(errno.errorcode.get(error.errno, repr(error)))
"""
# Puts a question for each line that it is given, always through the same socket.
TALK = """
import errno, socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_STREAM if sys.argv[3] == "tcp" else socket.SOCK_DGRAM); s.settimeout(20)
s.connect((sys.argv[1], int(sys.argv[2])))
for line in sys.stdin:
    try:
        s.send(line.encode()); print(s.recv(100).decode().strip(), flush=True)
    except OSError as error: print(errno.errorcode.get(error.errno, repr(error)), flush=True)
"""
# Tells its port to whoever listens, then prints the first datagram that begins with what it waits for.
HEAR = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(20)
s.connect((sys.argv[1], int(sys.argv[2]))); s.send(b"here")
print("ready", flush=True); print(s.recv(100).decode())
"""
PING = """
import socket, struct, sys
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP); s.settimeout(20)
packet = struct.pack("!BBHHH", 8, 0, 0, 7, 1); check = ~sum(struct.unpack("!4H", packet)) & 0xFFFF
s.sendto(packet[:2] + struct.pack("!H", check) + packet[4:], (sys.argv[1], 0)); print(s.recv(200)[20])
"""
REFUSED = {"EHOSTUNREACH", "EACCES"}  # ICMP "administratively prohibited" of IPv4 and IPv6


def reach(*places: str) -> Reach:
    return tuple(map(parse_destination, places))


class Outside:
    """A machine that is routed to the host, at FAR and FAR6; the host is 203.0.113.1 and 2001:db8::1 there."""

    def __init__(self) -> None:
        command = ["unshare", "--net", "sh", "-c", "echo ready; exec cat"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        self._process.stdout.readline()
        self.enter = ["nsenter", "-t", str(self._process.pid), "-n"]
        ip(f"link add out0 type veth peer name in0 netns {self._process.pid}")
        here = ("link set out0 up", "addr add 203.0.113.1/24 dev out0", "-6 addr add 2001:db8::1/64 dev out0 nodad")
        there = ("link set lo up", "link set in0 up", f"addr add {FAR}/24 dev in0", f"-6 addr add {FAR6}/64 dev in0 nodad")
        for line in here:
            ip(line)
        for line in (*there, "addr add 203.0.113.81/24 dev in0"):
            subprocess.run([*self.enter, "ip", *line.split()], check=True)

    def close(self) -> None:
        self._process.kill()
        self._process.__exit__(None, None, None)


class Inside:
    """A program inside that is spoken to line by line."""

    def __init__(self, enter: Sequence[str], code: str, *args: str) -> None:
        command = [*enter, sys.executable, "-S", "-E", "-u", "-c", code, *args]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)

    def line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def say(self, text: str) -> str:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{text}\n")
        return self.line()

    def close(self) -> None:
        self._process.kill()
        self._process.__exit__(None, None, None)


@pytest.fixture
def stack() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as made:
        yield made


@pytest.fixture
def outside(host: None, stack: contextlib.ExitStack) -> Outside:
    """With servers on 80, 443 and 8000."""
    made = stack.enter_context(contextlib.closing(Outside()))
    server = stack.enter_context(contextlib.closing(Inside(made.enter, SERVE, "80", "443", "8000")))
    assert server.line() == "ready"
    return made


async def put(manager: NetworkManager, box: Sandbox, *joins: str, tenant: Tenant = ADA) -> Endpoint:
    guest = Guest(box.name, tenant, box.name, (box.name,), tuple(map(NetworkJoin, joins or ("bridge",))))
    endpoints = await manager.attach(guest, box.netns)
    for endpoint in endpoints:
        box.configure(endpoint)
    return endpoints[0]


def rules() -> str:
    return subprocess.run(["nft", "list", "ruleset"], check=True, capture_output=True, text=True).stdout


def ask(box: "Sandbox | Outside", address: str, port: int, protocol: str = "tcp", *, size: int = 1) -> str:
    command = [*box.enter, sys.executable, "-S", "-E", "-c", ASK, address, str(port), protocol, str(size)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


async def test_who_may_reach_nothing_is_told_so_at_once_whatever_is_tried(
    manager: NetworkManager, sandbox: MakeSandbox, outside: Outside
) -> None:
    await manager.set_reaches({ADA: ()})
    await manager.create_network(ADA, BOTH)
    box = sandbox("box")
    await put(manager, box, "both")
    for protocol in ("tcp", "udp"):
        assert ask(box, FAR, 80, protocol) in REFUSED
        assert ask(box, FAR6, 80, protocol) in REFUSED
    assert ask(box, FAR, 80, "udp", size=4000) in REFUSED  # in fragments
    assert box.python(PING, FAR) == "3"  # unreachable


async def test_the_host_its_bridges_and_each_other_stay_as_near_as_they_were(
    manager: NetworkManager, sandbox: MakeSandbox, outside: Outside, stack: contextlib.ExitStack
) -> None:
    await manager.set_reaches({ADA: ()})
    box, neighbour = sandbox("box"), sandbox("neighbour")
    await put(manager, box)
    near = await put(manager, neighbour)
    server = stack.enter_context(contextlib.closing(Inside(neighbour.enter, SERVE, "80")))
    assert server.line() == "ready"
    await manager.publish("neighbour", [PortBinding(Port(80), "", 8080, 8080)])
    assert ask(box, near.address, 80) == ask(box, near.address, 80, "udp") == "answer"
    assert ask(outside, "203.0.113.1", 8080) == "answer"
    assert ask(box, "203.0.113.1", 8080) == ask(neighbour, "203.0.113.1", 8080) == "answer"
    assert box.python(PING, near.gateway) == "0"


ALLOWED = {
    "all ports of an address": (["203.0.113.80"], {(FAR, 80, "tcp"), (FAR, 443, "tcp"), (FAR, 80, "udp"), (FAR, 443, "udp")}),
    "a port of a network": (["203.0.113.0/24:443"], {(FAR, 443, "tcp"), (FAR, 443, "udp")}),
    "one protocol": (["203.0.113.0/24:80-443/udp"], {(FAR, 80, "udp"), (FAR, 443, "udp")}),
    "several that overlap": (
        ["203.0.113.0/24:80/tcp", "203.0.113.80:443", "203.0.112.0/23:443/tcp"],
        {(FAR, 80, "tcp"), (FAR, 443, "tcp"), (FAR, 443, "udp")},
    ),
    "IPv6": (["[2001:db8::/32]:80/tcp"], {(FAR6, 80, "tcp")}),
    "another address": (["203.0.113.81"], set()),
}


@pytest.mark.parametrize(("places", "open_places"), ALLOWED.values(), ids=ALLOWED)
async def test_an_allow_list_opens_what_it_names_and_nothing_else(
    manager: NetworkManager, sandbox: MakeSandbox, outside: Outside, places: list[str], open_places: set[tuple[str, int, str]]
) -> None:
    await manager.create_network(ADA, BOTH)
    box = sandbox("box")
    await put(manager, box, "both")
    await manager.set_reaches({ADA: reach(*places)})
    tried = [(address, port, protocol) for address in (FAR, FAR6) for port in (80, 443) for protocol in ("tcp", "udp")]
    assert {place for place in tried if ask(box, *place) == "answer"} == open_places


async def test_a_ping_goes_where_all_may_go(manager: NetworkManager, sandbox: MakeSandbox, outside: Outside) -> None:
    box = sandbox("box")
    await put(manager, box)
    await manager.set_reaches({ADA: reach("203.0.113.80")})
    assert (box.python(PING, FAR), box.python(PING, "203.0.113.81")) == ("0", "3")
    await manager.set_reaches({ADA: reach("203.0.113.80/tcp")})
    assert box.python(PING, FAR) == "3"


async def test_what_is_open_ends_with_the_rule_that_forbids_it_and_the_rest_goes_on(
    manager: NetworkManager, sandbox: MakeSandbox, outside: Outside, stack: contextlib.ExitStack
) -> None:
    box = sandbox("box")
    await put(manager, box)
    talks = {
        (port, protocol): stack.enter_context(contextlib.closing(Inside(box.enter, TALK, FAR, str(port), protocol)))
        for port in (80, 443)
        for protocol in ("tcp", "udp")
    }
    assert {talk.say("before") for talk in talks.values()} == {"answer"}
    await manager.set_reaches({ADA: reach(f"{FAR}:443")})
    assert talks[443, "tcp"].say("after") == talks[443, "udp"].say("after") == "answer"
    assert talks[80, "tcp"].say("after") in {"ECONNRESET", "EPIPE"}
    assert talks[80, "udp"].say("after") in REFUSED
    await manager.set_reaches({})
    assert talks[80, "udp"].say("free again") == ask(box, FAR, 80) == "answer"


async def test_a_stream_from_outside_does_not_come_in_any_more(
    manager: NetworkManager, sandbox: MakeSandbox, outside: Outside, stack: contextlib.ExitStack
) -> None:
    box = sandbox("box")
    await put(manager, box)
    send = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("", 9000)); print("ready", flush=True); _, peer = s.recvfrom(100)
for line in sys.stdin: s.sendto(line.strip().encode(), peer); print("sent", flush=True)
"""
    sender = stack.enter_context(contextlib.closing(Inside(outside.enter, send)))
    assert sender.line() == "ready"
    hearing = stack.enter_context(contextlib.closing(Inside(box.enter, HEAR, FAR, "9000")))
    assert hearing.line() == "ready"
    await manager.set_reaches({ADA: ()})
    assert sender.say("forbidden") == "sent"
    await manager.set_reaches({})
    assert sender.say("free again") == "sent"
    assert hearing.line() == "free again"


async def test_a_connection_by_a_published_port_outlives_the_rule(
    manager: NetworkManager, sandbox: MakeSandbox, outside: Outside, stack: contextlib.ExitStack
) -> None:
    box = sandbox("box")
    await put(manager, box)
    server = stack.enter_context(contextlib.closing(Inside(box.enter, SERVE, "80")))
    assert server.line() == "ready"
    await manager.publish("box", [PortBinding(Port(80, protocol), "", 8080, 8080) for protocol in ("tcp", "udp")])
    talks = [
        stack.enter_context(contextlib.closing(Inside(outside.enter, TALK, "203.0.113.1", "8080", protocol)))
        for protocol in ("tcp", "udp")
    ]
    assert [talk.say("before") for talk in talks] == ["answer", "answer"]
    await manager.set_reaches({ADA: ()})
    assert [talk.say("after") for talk in talks] == ["answer", "answer"]
    assert ask(box, FAR, 8080, "udp") in REFUSED


async def test_neighbours_without_rules_go_on_as_they_did_and_members_have_their_teams(
    manager: NetworkManager, sandbox: MakeSandbox, outside: Outside
) -> None:
    boxes = {tenant: sandbox(tenant.member or "team") for tenant in (TEAM, ADA, BOB, EVE)}
    for tenant, box in boxes.items():
        await put(manager, box, tenant=tenant)
    await manager.set_reaches({TEAM: (), BOB: reach(f"{FAR}:80")})
    answers = {tenant: ask(box, FAR, 80) == "answer" for tenant, box in boxes.items()}
    assert answers == {TEAM: False, ADA: False, BOB: True, EVE: True}


async def test_further_networks_and_those_that_come_later_are_confined_from_their_first_packet_on(
    manager: NetworkManager, sandbox: MakeSandbox, outside: Outside
) -> None:
    box = sandbox("box")
    await put(manager, box)
    await manager.set_reaches({ADA: ()})
    made = await manager.create_network(ADA, NetworkRequest("later"))
    endpoint = await manager.join(Guest("box", ADA, "box", ("box",), (NetworkJoin("later"),)), box.netns)
    assert endpoint.network_id == made.network_id
    box.command("ip", "route", "replace", "default", "via", str(made.gateway), "dev", "eth1")
    assert ask(box, FAR, 80) in REFUSED


async def test_nobody_gets_out_by_a_neighbour_of_another_network(
    manager: NetworkManager, sandbox: MakeSandbox, outside: Outside
) -> None:
    """A confined container that routes by one that is not, or under its address."""
    box, free = sandbox("box"), sandbox("free")
    own = await put(manager, box)
    other = await put(manager, free, tenant=EVE)
    await manager.set_reaches({ADA: ()})
    box.command("ip", "route", "add", f"{other.gateway}/32", "via", own.gateway)
    box.command("ip", "addr", "add", f"{other.address}/32", "dev", "lo")
    send = "import socket, sys; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind((sys.argv[1], 0))"
    listener = Inside(
        outside.enter,
        "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('', 9000));"
        " print('ready', flush=True); print(s.recv(100).decode(), flush=True)",
    )
    with contextlib.closing(listener):
        assert listener.line() == "ready"
        box.python(f"{send}; s.sendto(b'forbidden', ('{FAR}', 9000))", other.address)
        free.python(f"{send}; s.sendto(b'allowed', ('{FAR}', 9000))", other.address)
        assert listener.line() == "allowed"


async def test_the_rule_is_there_before_the_next_daemon_does_anything_else(
    open_manager: OpenManager, sandbox: MakeSandbox, outside: Outside
) -> None:
    reaches: dict[Tenant, Reach] = {ADA: reach(f"{FAR}:443")}
    first = await open_manager()
    box = sandbox("box")
    await put(first, box)
    await first.set_reaches(reaches)
    await first.close(remove=False)
    assert ask(box, FAR, 80) in REFUSED  # while there is none
    await open_manager(reaches=lambda: reaches)
    assert (ask(box, FAR, 80) in REFUSED, ask(box, FAR, 443)) == (True, "answer")


async def test_a_change_makes_flushed_rules_again_as_they_are_to_be(
    manager: NetworkManager, sandbox: MakeSandbox, outside: Outside
) -> None:
    box = sandbox("box")
    await put(manager, box)
    await manager.set_reaches({ADA: reach(f"{FAR}:443")})
    Nftables().run("flush ruleset")
    await manager.set_reaches({ADA: reach(f"{FAR}:80", FAR6)})
    assert (ask(box, FAR, 443) in REFUSED, ask(box, FAR, 80)) == (True, "answer")


async def test_a_change_without_a_difference_touches_nothing_and_a_network_that_goes_takes_its_places_along(
    manager: NetworkManager, sandbox: MakeSandbox
) -> None:
    network = await manager.create_network(ADA, BOTH)
    await manager.set_reaches({ADA: reach("203.0.113.0/24:443", "2001:db8::/32")})
    await manager.set_reaches({ADA: reach("203.0.113.0/24:443", "2001:db8::/32")})
    await manager.remove_network(network)
    text = rules()
    assert "203.0.113" not in text
    assert "2001:db8" not in text
