"""What is asked of others: real sockets on a loopback of the test's own, servers that behave well or not."""

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import dns.message
import dns.rcode
import pytest

from engine.core.resolv import FALLBACK_NAMESERVERS
from engine.network import names_codec as codec
from engine.network.names_forward import Forwarder, HostServers, Way
from engine.network.names_inside import Inside
from engine.network.names_loop import Loop
from tests.engine.network.asking import Behaviour, query, said, server

pytestmark = pytest.mark.requires_root

PORT = 5300
FIRST, SECOND = "127.0.0.21", "127.0.0.22"
Ask = Callable[..., bytes]


def well(wire: bytes) -> list[bytes]:
    return [said(wire, "192.0.2.1")]


def silent(_: bytes) -> list[bytes]:
    return []


@pytest.fixture
def ask(host: None) -> Ask:
    """Asks through a forwarder and waits for what it says."""

    def asking(*servers: str, wire: bytes = b"", kind: int = socket.SOCK_DGRAM) -> bytes:
        loop = Loop()
        forwarder = Forwarder(loop, Inside(), port=PORT)
        answers: list[bytes] = []
        asked = wire or query("www.example")

        def take(answer: bytes) -> None:
            answers.append(answer)
            loop.stop()

        loop.later(30.0, loop.stop)
        forwarder.ask(Way("box", None, servers, kind), asked, codec.parse_question(asked), take)
        if not answers:
            loop.run()
        assert answers[0][:2] == asked[:2]
        return answers[0]

    return asking


def told(answer: bytes) -> str:
    message = dns.message.from_wire(answer)
    return " ".join(record.to_text() for records in message.answer for record in records) or dns.rcode.to_text(message.rcode())


def test_a_question_goes_out_under_another_id_and_its_answer_comes_back_under_its_own(ask: Ask) -> None:
    wires = [codec.with_number(query("www.example"), 0x1234) for _ in range(8)]
    with server(FIRST, PORT, well) as got:
        assert [told(ask(FIRST, wire=wire)) for wire in wires] == ["192.0.2.1"] * 8
    assert len({wire[:2] for wire in got}) > 1
    assert {wire[2:] for wire in got} == {wires[0][2:]}


@pytest.mark.parametrize(
    "lie",
    [
        pytest.param(lambda wire: codec.with_number(said(wire, "192.0.2.66"), 65_535 ^ wire[0] << 8 ^ wire[1]), id="another id"),
        pytest.param(lambda wire: said(query("www.evil"), "192.0.2.66"), id="another question"),
        pytest.param(lambda wire: wire, id="the question itself"),
        pytest.param(lambda wire: wire[:2] + os.urandom(40), id="noise"),
        pytest.param(lambda wire: b"", id="nothing at all"),
    ],
)
def test_what_is_no_answer_to_the_question_is_passed_over(ask: Ask, lie: Callable[[bytes], bytes]) -> None:
    with server(FIRST, PORT, lambda wire: [lie(wire), said(wire, "192.0.2.1")]):
        assert told(ask(FIRST)) == "192.0.2.1"


def test_an_answer_from_somewhere_else_does_not_count(ask: Ask) -> None:
    other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    other.bind((SECOND, PORT))
    peers: list[int] = []

    def lied_for(wire: bytes) -> list[bytes]:
        for port in _ports_towards(FIRST):  # whoever knows the port and the id
            peers.append(port)
            other.sendto(said(wire, "192.0.2.66"), ("127.0.0.1", port))
        return [said(wire, "192.0.2.1")]

    with other, server(FIRST, PORT, lied_for):
        assert told(ask(FIRST)) == "192.0.2.1"
    assert len(peers) == 1


def _ports_towards(address: str) -> Iterator[int]:
    """The ports of this namespace's sockets that are connected to an address, by the kernel's own list."""
    wanted = f"{int.from_bytes(socket.inet_aton(address), 'little'):08X}:{PORT:04X}"
    for line in Path("/proc/thread-self/net/udp").read_text().splitlines()[1:]:
        _, local, remote, *_ = line.split()
        if remote == wanted:
            yield int(local.partition(":")[2], 16)


@pytest.mark.parametrize(
    ("first", "outcome"),
    [
        pytest.param(lambda wire: [said(wire, rcode=dns.rcode.SERVFAIL)], "192.0.2.1", id="ill"),
        pytest.param(lambda wire: [said(wire, rcode=dns.rcode.REFUSED)], "192.0.2.1", id="refusing"),
        pytest.param(lambda wire: [wire] * 40, "192.0.2.1", id="talking nonsense"),
        pytest.param(silent, "192.0.2.1", id="silent"),
        pytest.param(None, "192.0.2.1", id="not there"),
        pytest.param(lambda wire: [said(wire, rcode=dns.rcode.NXDOMAIN)], "NXDOMAIN", id="knowing that there is none"),
    ],
)
def test_a_server_that_does_not_answer_is_followed_by_the_next(ask: Ask, first: Behaviour | None, outcome: str) -> None:
    with server(SECOND, PORT, well):
        if first is None:
            assert told(ask(FIRST, SECOND)) == outcome
        else:
            with server(FIRST, PORT, first):
                assert told(ask(FIRST, SECOND)) == outcome


def test_where_no_server_is_the_answer_says_so(ask: Ask) -> None:
    assert told(ask(FIRST, SECOND, "no address")) == "SERVFAIL"
    with server(FIRST, PORT, lambda wire: [said(wire, rcode=dns.rcode.REFUSED)]):
        assert told(ask(FIRST)) == "REFUSED"


def test_a_long_answer_is_cut_for_who_takes_less(ask: Ask) -> None:
    many = [f"192.0.2.{number}" for number in range(1, 90)]
    with server(FIRST, PORT, lambda wire: [said(wire, *many)]):
        cut = dns.message.from_wire(ask(FIRST))
        whole = dns.message.from_wire(ask(FIRST, wire=query("www.example", use_edns=0, payload=4096)))
    assert (cut.answer, bool(cut.flags & dns.flags.TC)) == ([], True)
    assert sum(len(records) for records in whole.answer) == 89


def test_a_container_has_a_limited_number_of_questions_on_their_way(host: None) -> None:
    loop = Loop()
    forwarder = Forwarder(loop, Inside(), port=PORT)
    answers: list[bytes] = []
    asked = query("www.example")
    before = len([*Path("/proc/self/fd").iterdir()])
    with server(FIRST, PORT, silent):
        for container_id in ("one", "two"):
            way = Way(container_id, None, (FIRST,), socket.SOCK_DGRAM)
            for _ in range(200):
                forwarder.ask(way, asked, codec.parse_question(asked), answers.append)
        assert len(answers) == 2 * (200 - 64)  # the others are refused at once
        forwarder.cancel("one")
        forwarder.cancel("two")
    assert len([*Path("/proc/self/fd").iterdir()]) <= before
    assert len(answers) == 2 * (200 - 64)


def test_the_host_s_own_servers_are_read_again_when_they_change(tmp_path: Path) -> None:
    file = tmp_path / "resolv.conf"
    servers = HostServers(file)
    assert servers.servers() == FALLBACK_NAMESERVERS
    file.write_text("nameserver 127.0.0.53\nnameserver ::1\n")
    assert servers.servers() == ("127.0.0.53", "::1")
    other = tmp_path / "other"
    other.write_text("nameserver 192.0.2.9\n")
    other.rename(file)
    assert servers.servers() == ("192.0.2.9",)
