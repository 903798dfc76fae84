"""From a lab's own shell: the daemon's loop, threads and memory, by asking for much at once beside a neighbour."""

import hashlib
import os
import select
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest

from engine.api.answers import DOCUMENTS_AT_ONCE
from engine.service.engine import LOOKS_AT_ONCE
from tests.engine.daemon import files_of_processes, wait_until
from tests.engine.escapes.cells import ADA, BOB
from tests.engine.escapes.labs import Lab, labs_engine, slowest_answer

pytestmark = pytest.mark.requires_root

PATIENCE_SECONDS = 2.0  # each of these stalled the daemon for ten seconds or longer
CONNECTIONS = 60
LABELS = {f"label{number}": "x" * 60_000 for number in range(4)}


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with labs_engine() as engine:
        yield Lab(engine)


@pytest.fixture(scope="module")
def heavy(lab: Lab) -> Lab:
    """A lab with containers whose list is far longer than what fits into a socket."""
    for _ in range(20):
        assert lab.ask("POST", "/containers/create", {"Image": "busybox", "Labels": LABELS}).status == 201
    return lab


_LONG = ["/containers/json?all=1", "/system/df"]


@pytest.mark.parametrize("path", _LONG)
def test_long_answers_that_nobody_reads_are_few_in_memory(heavy: Lab, path: str) -> None:
    """The others wait, for the same tenant alone: neither a neighbour nor who acts for the lab waits behind them."""
    with ExitStack() as stack:
        asking = [asked(heavy, stack, path) for _ in range(CONNECTIONS)]
        wait_until(lambda: answered(asking) == DOCUMENTS_AT_ONCE, "as many answers as may be at once")
        with slowest_answer(heavy.engine) as slowest:
            for _ in range(5):
                assert heavy.ask("GET", "/_ping").status == 200
                assert heavy.engine.request("GET", path, tenant=ADA).status == 200
                assert answered(asking) == DOCUMENTS_AT_ONCE
        assert slowest() < PATIENCE_SECONDS
        for connection in [one for one in asking if has_answer(one)]:
            connection.close()
            asking.remove(connection)
        wait_until(lambda: answered(asking) == DOCUMENTS_AT_ONCE, "those that come next")


def test_a_long_list_is_whole(heavy: Lab) -> None:
    listed = heavy.ask("GET", "/containers/json?all=1").document
    assert len(listed) == 21
    assert [one["Labels"] for one in listed if one["Names"] != ["/lab"]] == [LABELS] * 20


def test_processes_are_looked_at_a_few_at_a_time(lab: Lab) -> None:
    """Each look is a process of the host."""
    with ExitStack() as stack, slowest_answer(lab.engine) as slowest:
        asking = [asked(lab, stack, "/containers/lab/top?ps_args=aux") for _ in range(CONNECTIONS // 4)]
        most = 0
        while answered(asking) < len(asking):
            most = max(most, children_named(lab.engine.pid, "ps"))
        assert 0 < most <= LOOKS_AT_ONCE
    assert slowest() < PATIENCE_SECONDS


def test_work_of_one_lab_leaves_launches_and_threads_to_a_neighbour(lab: Lab) -> None:
    """Of many requests that all want to write and to make processes, at once."""
    neighbour = lab.engine.run("sleep", "6000", tenant=BOB)
    with ExitStack() as stack:
        execs = [lab.ask("POST", "/containers/lab/exec", {"Cmd": ["true"]}).document["Id"] for _ in range(CONNECTIONS // 2)]
        asking = [asked(lab, stack, f"/exec/{one}/start", b'{"Detach":true}') for one in execs]
        asking += [asked(lab, stack, f"/images/busybox/tag?repo=other{n}", b"{}") for n in range(CONNECTIONS // 2)]
        while answered(asking) < len(asking):
            ready = lab.engine.request("POST", f"/containers/{neighbour}/exec", {"Cmd": ["true"]}, tenant=BOB).document["Id"]
            assert lab.engine.request("POST", f"/exec/{ready}/start", {"Detach": True}, tenant=BOB).status == 200
        assert {one.recv(12) for one in asking} == {b"HTTP/1.1 200", b"HTTP/1.1 201"}


def test_what_waits_for_its_turn_comes_whole_and_in_order(lab: Lab) -> None:
    """Input right behind the request, of many at once, beside bodies that are slow to read out."""
    with ExitStack() as stack:
        slow = [asked(lab, stack, "/build", chunked=b"1\r\nx\r\n" * 50_000) for _ in range(4)]
        given = [bytes([number]) * 100_000 + os.urandom(50_000) for number in range(8)]
        asking = [begun(lab, stack, data) for data in given]
        for connection, data in zip(asking, given, strict=True):
            assert hashlib.md5(data, usedforsecurity=False).hexdigest().encode() in told_by(connection)
        assert len(slow) == 4


def begun(lab: Lab, stack: ExitStack, data: bytes) -> socket.socket:
    """Return a connection with a program that has been given its input together with the request."""
    wish = {"Cmd": ["md5sum"], "AttachStdin": True, "AttachStdout": True}
    exec_id = lab.ask("POST", "/containers/lab/exec", wish).document["Id"]
    connection = stack.enter_context(lab.connection())
    head = f"POST /exec/{exec_id}/start HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"
    connection.sendall(f"{head}Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}".encode() + data)
    connection.shutdown(socket.SHUT_WR)
    return connection


def told_by(connection: socket.socket) -> bytes:
    told = b""
    while data := connection.recv(65536):
        told += data
    return told


def asked(lab: Lab, stack: ExitStack, path: str, body: bytes | None = None, *, chunked: bytes | None = None) -> socket.socket:
    """Return a connection on which something was asked and nothing is read."""
    connection = stack.enter_context(lab.connection())
    if chunked is not None:
        connection.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        connection.setblocking(False)
        connection.send(chunked)
        return connection
    head = f"{'GET' if body is None else 'POST'} {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    connection.sendall(f"{head}Content-Length: {len(body or b'')}\r\n\r\n".encode() + (body or b""))
    return connection


def answered(asking: list[socket.socket]) -> int:
    return sum(map(has_answer, asking))


def has_answer(connection: socket.socket) -> bool:
    return bool(select.select([connection], [], [], 0)[0])


def children_named(pid: int, name: str) -> int:
    """How many processes of a name a process has made that still run."""
    found = 0
    for stat in files_of_processes("stat"):
        with suppress(OSError):
            _, _, rest = stat.read_text().partition(f"({name}) ")
            found += rest.split()[1:2] == [str(pid)]
    return found
