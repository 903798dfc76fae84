"""The resolver's process, asked from inside real network namespaces: by friends, by foes, and across its own death."""

import os
import shutil
import signal
import socket
import struct
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import dns.message
import dns.rrset
import pytest

from engine.core.networks import NetworkJoin, NetworkRequest
from engine.core.tenants import Tenant
from engine.network import names_client
from engine.network.attachments import Guest
from engine.network.manager import NetworkManager
from engine.network.model import Endpoint
from tests.engine.daemon import processes_with, wait_until
from tests.engine.network.asking import (
    ask,
    ask_wire,
    connected,
    look_up,
    query,
    random_name,
    read_frame,
    said,
    server,
    try_to_look_up,
)
from tests.engine.network.sandboxes import Sandbox
from tests.engine.network.test_manager import eventually

pytestmark = pytest.mark.requires_root

ADA, BOB = Tenant("demo", "ada"), Tenant("demo", "bob")
MakeSandbox = Callable[[str], Sandbox]
OpenManager = Callable[..., Awaitable[NetworkManager]]
Put = Callable[..., Awaitable[tuple[Sandbox, tuple[Endpoint, ...]]]]


@pytest.fixture
def run_path() -> Iterator[Path]:
    """Short, since a socket's path has at most 107 bytes; nothing of a resolver may be left of it."""
    path = Path(tempfile.mkdtemp(prefix="names-"))
    yield path
    left = processes_with(str(path))
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    shutil.rmtree(path)
    assert not left


@pytest.fixture
async def manager(run_path: Path, open_manager: OpenManager) -> AsyncIterator[NetworkManager]:
    made = await open_manager(run_path=run_path)
    await made.create_network(ADA, NetworkRequest("net"))
    yield made
    await made.close(remove=True)


@pytest.fixture
def put(manager: NetworkManager, sandbox: MakeSandbox) -> Put:
    """Makes a sandbox and puts it on networks, by default ``net``."""

    async def putting(name: str, *joins: NetworkJoin, tenant: Tenant = ADA, servers: tuple[str, ...] = ()) -> object:
        box = sandbox(name)
        guest = Guest(f"id-of-{name}", tenant, f"host-{name}", (name,), joins or (NetworkJoin("net"),), servers=servers)
        endpoints = await manager.attach(guest, box.netns)
        for endpoint in endpoints:
            box.configure(endpoint)
        return box, endpoints

    return putting  # type: ignore[return-value]  # a tuple, as Put says


def resolver_pid(run_path: Path) -> int:
    (pid,) = processes_with(f"main('{run_path}'")
    return pid


@pytest.mark.parametrize("by_tcp", [False, True], ids=["udp", "tcp"])
async def test_containers_of_a_network_know_each_other_by_their_names(put: Put, by_tcp: bool) -> None:
    db, (endpoint,) = await put("db", NetworkJoin("net", aliases=("store",)))
    web, _ = await put("web")
    for name in ("db", "DB", "store", "id-of-db", "host-db", "db.net"):
        assert look_up(web.netns, name, by_tcp=by_tcp) == endpoint.address
    assert look_up(db.netns, "web", by_tcp=by_tcp) != "NXDOMAIN"
    assert look_up(web.netns, "db", "AAAA", by_tcp=by_tcp) == "NOERROR"
    assert look_up(web.netns, "nosuch", by_tcp=by_tcp) == "NXDOMAIN"
    reverse = ".".join(reversed(endpoint.address.split("."))) + ".in-addr.arpa"
    assert look_up(web.netns, reverse, "PTR", by_tcp=by_tcp) == "db.net."


async def test_a_shared_alias_has_all_addresses_in_turning_order(put: Put) -> None:
    addresses = set()
    for name in ("one", "two", "three"):
        _, (endpoint,) = await put(name, NetworkJoin("net", aliases=("app",)))
        addresses.add(endpoint.address)
    web, _ = await put("web")
    wire = query("app")
    first = set()
    for _ in range(3):
        found = [record.to_text() for records in dns_answers(ask_wire(web.netns, wire)) for record in records]
        assert set(found) == addresses
        first.add(found[0])
    assert first == addresses


def dns_answers(wire: bytes) -> list[dns.rrset.RRset]:
    return dns.message.from_wire(wire).answer


async def test_a_name_goes_with_its_container_and_changes_with_it(manager: NetworkManager, put: Put) -> None:
    web, _ = await put("web")
    _, (endpoint,) = await put("db")
    assert look_up(web.netns, "db") == endpoint.address
    await manager.rename("id-of-db", old="db", new="store")
    assert (look_up(web.netns, "db"), look_up(web.netns, "store")) == ("NXDOMAIN", endpoint.address)
    await manager.detach("id-of-db")
    assert look_up(web.netns, "store") == "NXDOMAIN"


async def test_a_container_asks_for_names_of_the_networks_that_it_comes_to(
    manager: NetworkManager, put: Put, sandbox: MakeSandbox
) -> None:
    _, (endpoint,) = await put("db")
    late, _ = await put("late", NetworkJoin("bridge"))
    guest = Guest("id-of-late", ADA, "late", ("late",), (NetworkJoin("net", links=("db:base",)),))
    joined = await manager.join(guest, late.netns)
    assert (look_up(late.netns, "db"), look_up(late.netns, "base")) == (endpoint.address,) * 2
    await manager.leave("id-of-late", joined.network_id, late.netns)
    assert look_up(late.netns, "db") == "NXDOMAIN"
    await manager.join(guest, late.netns)
    assert look_up(late.netns, "base") == endpoint.address


async def test_names_of_another_tenant_or_another_network_are_not_known(manager: NetworkManager, put: Put) -> None:
    await manager.create_network(BOB, NetworkRequest("net"))
    await manager.create_network(ADA, NetworkRequest("apart"))
    bobs, (of_bob,) = await put("bobs", tenant=BOB)
    _, (apart,) = await put("apart", NetworkJoin("apart"))
    web, (of_ada,) = await put("web")
    for name in ("bobs", "bobs.net", "host-bobs", "apart"):
        assert look_up(web.netns, name) in ("NXDOMAIN", "SERVFAIL")
    assert look_up(bobs.netns, "web") == "NXDOMAIN"
    assert look_up(bobs.netns, "bobs.net") == of_bob.address
    assert of_ada.address != apart.address
    for foreign in (of_bob, apart):
        reverse = ".".join(reversed(foreign.address.split("."))) + ".in-addr.arpa"
        assert not ask(web.netns, reverse, "PTR").answer


async def test_a_link_is_a_name_for_one_container_alone(put: Put) -> None:
    _, (endpoint,) = await put("db")
    linked, _ = await put("linked", NetworkJoin("net", links=("db:base",)))
    web, _ = await put("web")
    assert look_up(linked.netns, "base") == endpoint.address
    assert look_up(web.netns, "base") == "NXDOMAIN"


async def test_the_container_s_own_servers_are_asked_from_inside_it(put: Put) -> None:
    """There, 127.0.0.5 is the container's own loopback."""
    box, _ = await put("box", servers=("127.0.0.5",))
    with server("127.0.0.5", 53, lambda wire: [said(wire, "192.0.2.7")], netns_fd=box.netns) as got:
        assert look_up(box.netns, "www.example") == "192.0.2.7"
        assert look_up(box.netns, "nosuch") == "NXDOMAIN"
    assert len(got) == 1


async def test_a_container_without_a_way_out_asks_nobody_outside(manager: NetworkManager, put: Put) -> None:
    await manager.create_network(ADA, NetworkRequest("closed", internal=True))
    box, _ = await put("box", NetworkJoin("closed"), servers=("127.0.0.5",))
    with server("127.0.0.5", 53, lambda wire: [said(wire, "192.0.2.7")], netns_fd=box.netns) as got:
        assert look_up(box.netns, "www.example") == "SERVFAIL"
    assert got == []


async def test_port_53_stays_the_container_s_own(put: Put) -> None:
    box, (endpoint,) = await put("box")
    with server("127.0.0.1", 53, lambda wire: [said(wire, "192.0.2.8")], netns_fd=box.netns):
        assert look_up(box.netns, "box") == endpoint.address


async def test_a_resolver_that_is_killed_is_followed_by_another_that_knows_all(put: Put, run_path: Path) -> None:
    web, (endpoint,) = await put("web")
    before = resolver_pid(run_path)
    os.kill(before, signal.SIGKILL)
    await eventually(lambda: processes_with(f"main('{run_path}'") not in ([], [before]))
    await eventually(lambda: try_to_look_up(web.netns, "web") == endpoint.address)
    late, _ = await put("late")
    assert look_up(late.netns, "web") == endpoint.address


async def test_a_resolver_that_dies_unseen_keeps_no_container_from_coming(put: Put, run_path: Path) -> None:
    web, (endpoint,) = await put("web")
    os.kill(resolver_pid(run_path), signal.SIGKILL)
    late, _ = await put("late")
    assert (look_up(late.netns, "web"), look_up(web.netns, "web")) == (endpoint.address,) * 2


async def test_the_next_daemon_takes_the_resolver_over_and_puts_it_right(
    manager: NetworkManager, put: Put, open_manager: OpenManager, run_path: Path
) -> None:
    web, (endpoint,) = await put("web")
    gone, _ = await put("gone")
    await manager.close(remove=False)
    before = resolver_pid(run_path)
    assert look_up(web.netns, "gone") != "NXDOMAIN"
    following = await open_manager(run_path=run_path)
    await following.reconcile({"id-of-web": None})
    guest = Guest("id-of-web", ADA, "host-web", ("web",), (NetworkJoin("net", links=("web:me",)),))
    await following.serve_names([guest], {"id-of-web": web.netns})
    assert resolver_pid(run_path) == before
    assert (look_up(web.netns, "web"), look_up(web.netns, "me"), look_up(web.netns, "gone")) == (
        endpoint.address,
        endpoint.address,
        "NXDOMAIN",
    )
    assert not try_to_look_up(gone.netns, "web")


async def test_a_resolver_of_other_code_is_replaced(
    manager: NetworkManager, put: Put, open_manager: OpenManager, run_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    web, (endpoint,) = await put("web")
    await manager.close(remove=False)
    before = resolver_pid(run_path)
    monkeypatch.setattr(names_client, "names_code", lambda: "of another day")
    following = await open_manager(run_path=run_path)
    await following.reconcile({"id-of-web": None})
    guest = Guest("id-of-web", ADA, "host-web", ("web",), (NetworkJoin("net"),))
    await following.serve_names([guest], {"id-of-web": web.netns})
    assert resolver_pid(run_path) != before
    assert look_up(web.netns, "web") == endpoint.address


async def test_an_idle_resolver_ends_with_its_daemon(manager: NetworkManager, put: Put, run_path: Path) -> None:
    await put("web")
    await manager.detach("id-of-web")
    assert resolver_pid(run_path)
    await manager.close(remove=False)
    assert processes_with(f"main('{run_path}'") == []


async def test_a_daemon_without_networks_of_users_has_no_resolver(run_path: Path, open_manager: OpenManager) -> None:
    made = await open_manager(run_path=run_path)
    await made.serve_names([], {})
    assert processes_with(str(run_path)) == []


async def test_the_control_socket_is_the_daemon_s_alone(put: Put, run_path: Path) -> None:
    await put("web")
    control = run_path / "names" / "control.sock"
    assert (control.stat().st_mode & 0o777, control.parent.stat().st_mode & 0o777) == (0o600, 0o700)


async def test_nobody_reaches_a_neighbour_s_resolver_or_one_on_the_bridge(manager: NetworkManager, put: Put) -> None:
    await put("db")
    web, (endpoint,) = await put("web")
    for address in (endpoint.gateway, *(one.address for one in manager.endpoints_of("id-of-db"))):
        for port in (53, 61_053):
            with pytest.raises(OSError):  # refused, or dropped by the host
                _ask_at(web, address, port)


def _ask_at(box: Sandbox, address: str, port: int) -> bytes:
    with connected(box.netns, socket.SOCK_DGRAM, address, port) as asking:
        asking.settimeout(0.3)
        asking.send(query("db"))
        return asking.recv(512)


async def test_the_resolver_s_address_is_bound_to_the_loopback_device(put: Put) -> None:
    """Whatever a container does to its routes, no packet of a neighbour's comes there."""
    box, _ = await put("box")
    assert "127.0.0.11%lo:61053" in box.command("ss", "-Hlnu").split()
    assert "127.0.0.11%lo:61053" in box.command("ss", "-Hlnt").split()


class Flood:
    """Threads that send all that they can from a container, as long as the block lasts."""

    def __init__(self, box: Sandbox, make: Callable[[], bytes]) -> None:
        self._box, self._make = box, make
        self._ends = threading.Event()
        self._threads = [threading.Thread(target=self._send) for _ in range(2)]

    def __enter__(self) -> None:
        for thread in self._threads:
            thread.start()

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        for thread in self._threads:
            thread.join()

    def _send(self) -> None:
        with connected(self._box.netns, socket.SOCK_DGRAM) as sending:
            sending.setblocking(False)
            while not self._ends.is_set():
                for _ in range(50):
                    try:
                        sending.send(self._make())
                    except OSError:
                        break
                time.sleep(0)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: query(random_name()), id="random names"),
        pytest.param(lambda: query(f"{random_name()}.example"), id="random names of the outside"),
        pytest.param(lambda: os.urandom(60), id="noise"),
        pytest.param(lambda: query("db")[:12] + b"\xc0\x0c\x00\x01\x00\x01", id="names that point to themselves"),
    ],
)
async def test_a_flood_from_one_container_keeps_no_other_from_its_answers(
    put: Put, run_path: Path, make: Callable[[], bytes]
) -> None:
    foe, _ = await put("foe", servers=("127.0.0.5",))
    web, (endpoint,) = await put("web")
    with Flood(foe, make):
        for _ in range(50):
            assert look_up(web.netns, "web") == endpoint.address
    await eventually(lambda: try_to_look_up(foe.netns, "web") == endpoint.address)  # behind what is left of the flood
    status = Path(f"/proc/{resolver_pid(run_path)}/status").read_text()
    resident_kb = int(status.partition("VmRSS:")[2].split()[0])
    assert resident_kb < 64 * 1024


async def test_connections_that_are_slow_or_hostile_are_bounded(put: Put, run_path: Path) -> None:
    foe, (own,) = await put("foe")
    web, _ = await put("web")
    with ExitStack() as opened:
        for number in range(60):
            connection = opened.enter_context(connected(foe.netns, socket.SOCK_STREAM))
            try:
                connection.sendall(b"\xff\xff" + bytes(4000) if number % 2 else b"\x00")  # a huge frame, half a length
            except OSError:
                continue  # it was refused already
        wait_until(lambda: len([*Path(f"/proc/{resolver_pid(run_path)}/fd").iterdir()]) < 40, "the resolver to let go")
        assert look_up(web.netns, "foe", by_tcp=True) == own.address
        assert look_up(foe.netns, "foe") == own.address


async def test_several_questions_on_one_connection_are_answered_in_order(put: Put) -> None:
    web, (endpoint,) = await put("web")
    with connected(web.netns, socket.SOCK_STREAM) as asking:
        wires = [query("web"), query("nosuch"), query("web", "AAAA")]
        asking.sendall(b"".join(struct.pack("!H", len(wire)) + wire for wire in wires))
        answers = [dns.message.from_wire(read_frame(asking)) for _ in wires]
    assert [answer.id for answer in answers] == [int.from_bytes(wire[:2], "big") for wire in wires]
    assert [len(answer.answer) for answer in answers] == [1, 0, 0]
    assert answers[0].answer[0][0].to_text() == endpoint.address
