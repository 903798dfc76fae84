"""Connections that become streams: what each way of asking for one gets, byte by byte."""

import json
import select
import socket
import time

import pytest

from tests.engine.api.raw_client import RawClient
from tests.engine.daemon import EngineDaemon, frames, wait_until

pytestmark = pytest.mark.requires_root

CASES = [(upgrade, early) for upgrade in (False, True) for early in (False, True)]
NAMES = [f"{'upgrade' if upgrade else 'plain'}, {'early' if early else 'late'} input" for upgrade, early in CASES]


def _cat(engine: EngineDaemon) -> str:
    return engine.create("cat", OpenStdin=True, StdinOnce=True, AttachStdin=True)


@pytest.mark.parametrize(("upgrade", "early"), CASES, ids=NAMES)
def test_attach_gives_input_to_the_command_and_its_output_back(engine: EngineDaemon, upgrade: bool, early: bool) -> None:
    container_id = _cat(engine)
    with RawClient(engine) as client:
        path = f"/v1.47/containers/{container_id}/attach?stdin=1&stdout=1&stderr=1&stream=1"
        client.post(path, upgrade=upgrade, early=b"hello\n" if early else b"")
        head = client.head()
        assert head.startswith(b"HTTP/1.1 101 UPGRADED" if upgrade else b"HTTP/1.1 200 OK")
        assert (b"Upgrade: tcp" in head) is upgrade
        engine.request("POST", f"/containers/{container_id}/start")
        if not early:
            client.socket.sendall(b"hello\n")
        client.half_close()
        assert frames(client.rest()) == [(1, b"hello\n")]
    assert engine.wait(container_id) == 0


@pytest.mark.parametrize(("upgrade", "early"), CASES, ids=NAMES)
def test_exec_reads_its_json_first_and_input_after_it(engine: EngineDaemon, upgrade: bool, early: bool) -> None:
    container_id = engine.run("sleep", "60")
    body = {"Cmd": ["cat"], "AttachStdin": True, "AttachStdout": True, "AttachStderr": True}
    exec_id = engine.request("POST", f"/containers/{container_id}/exec", body).document["Id"]
    with RawClient(engine) as client:
        start = json.dumps({"Detach": False, "Tty": False}).encode()
        client.post(f"/exec/{exec_id}/start", body=start, upgrade=upgrade, early=b"hello\n" if early else b"")
        client.head()
        if not early:
            client.socket.sendall(b"hello\n")
        client.half_close()
        said = frames(client.rest())
        assert b"".join(data for _, data in said) == b"hello\n"


def test_a_head_that_arrives_in_pieces_is_a_hijack_all_the_same(engine: EngineDaemon) -> None:
    container_id = _cat(engine)
    engine.request("POST", f"/containers/{container_id}/start")
    request = f"POST /containers/{container_id}/attach?stdin=1&stdout=1&stream=1 HTTP/1.1\r\nHost: engine\r\n\r\nhello\n"
    with RawClient(engine) as client:
        for byte in request.encode():
            client.socket.sendall(bytes([byte]))
        client.head()
        client.half_close()
        said = frames(client.rest())  # cat may have read the input in pieces, too
        assert ({stream for stream, _ in said}, b"".join(data for _, data in said)) == ({1}, b"hello\n")


def test_a_client_that_stops_sending_before_the_start_still_gets_the_output(engine: EngineDaemon) -> None:
    container_id = engine.create("sh", "-c", "cat; echo done", OpenStdin=True, StdinOnce=True)
    with RawClient(engine) as client:
        client.post(f"/containers/{container_id}/attach?stdin=1&stdout=1&stream=1", upgrade=True)
        client.half_close()
        client.head()
        engine.request("POST", f"/containers/{container_id}/start")
        assert frames(client.rest()) == [(1, b"done\n")]


def test_output_does_not_come_together_with_the_head(engine: EngineDaemon) -> None:
    """Clients as docker-py read the head through a buffer and the rest from the bare socket, which would lose it."""
    container_id = engine.run("echo", "said")
    engine.wait(container_id)
    with RawClient(engine) as client:
        client.post(f"/containers/{container_id}/attach?stdout=1&logs=1", upgrade=True)
        select.select([client.socket], [], [], 15)
        time.sleep(0.05)  # for what would come right behind
        assert client.socket.recv(65_536).endswith(b"\r\n\r\n")
        assert frames(client.rest()) == [(1, b"said\n")]


def test_a_client_that_leaves_the_head_unread_is_not_waited_for_long(engine: EngineDaemon) -> None:
    container_id = engine.run("echo", "said")
    engine.wait(container_id)
    with RawClient(engine) as client:
        client.post(f"/containers/{container_id}/attach?stdout=1&logs=1", upgrade=True)
        wait_until(lambda: b"said\n" in client.socket.recv(65_536, socket.MSG_PEEK), "what is said behind an unread head")


def test_streams_of_a_container_without_terminal_are_told_apart(engine: EngineDaemon) -> None:
    container_id = engine.create("sh", "-c", "echo out; sleep 0.2; echo err >&2")
    with RawClient(engine) as client:
        client.post(f"/containers/{container_id}/attach?stdout=1&stderr=1&stream=1", upgrade=True)
        assert b"application/vnd.docker.multiplexed-stream" in client.head()
        engine.request("POST", f"/containers/{container_id}/start")
        assert frames(client.rest()) == [(1, b"out\n"), (2, b"err\n")]


def test_a_terminal_is_one_raw_stream_with_echo_and_size(engine: EngineDaemon) -> None:
    container_id = engine.run("sh", Tty=True, OpenStdin=True)
    with RawClient(engine) as client:
        client.post(f"/containers/{container_id}/attach?stdin=1&stdout=1&stream=1&logs=1", upgrade=True)
        assert b"application/vnd.docker.raw-stream" in client.head()
        client.read_until(b"# ")
        engine.request("POST", f"/containers/{container_id}/resize?h=33&w=101")
        client.socket.sendall(b"stty size\n")
        client.read_until(b"33 101\r\n")


def test_the_detach_keys_leave_the_container_running(engine: EngineDaemon) -> None:
    container_id = engine.run("sh", Tty=True, OpenStdin=True)
    with RawClient(engine) as client:
        client.post(f"/containers/{container_id}/attach?stdin=1&stdout=1&stream=1&logs=1&detachKeys=ctrl-x,y", upgrade=True)
        client.head()
        client.read_until(b"# ")
        client.socket.sendall(b"echo a\x18b\n")  # ctrl-x alone belongs to the shell
        client.socket.sendall(b"\x18y")
        client.rest()
    assert engine.inspect(container_id)["State"]["Running"] is True


def test_an_attach_that_is_refused_is_a_plain_answer(engine: EngineDaemon) -> None:
    with RawClient(engine) as client:
        client.post("/containers/nosuch/attach?stream=1&stdout=1", upgrade=True, early=b"input")
        assert client.head().startswith(b"HTTP/1.1 404")
        assert b"no such container: nosuch" in client.rest()


def test_a_connection_that_was_used_before_can_be_hijacked(engine: EngineDaemon) -> None:
    container_id = _cat(engine)
    engine.request("POST", f"/containers/{container_id}/start")
    with RawClient(engine) as client:
        client.socket.sendall(b"GET /_ping HTTP/1.1\r\nHost: engine\r\n\r\n")
        client.read_until(b"OK")
        client.post(f"/containers/{container_id}/attach?stdin=1&stdout=1&stream=1", early=b"hello\n")
        client.head()
        client.half_close()
        assert frames(client.rest()) == [(1, b"hello\n")]


def test_a_body_that_looks_like_a_hijack_request_is_a_body(engine: EngineDaemon) -> None:
    with RawClient(engine) as client:
        body = b"POST /containers/x/attach HTTP/1.1\r\n\r\n"
        client.post("/containers/create", body=b"")
        client.head()
        client.read_until(b"}")
        head = "POST /containers/create HTTP/1.1\r\nHost: engine\r\nContent-Type: application/json\r\n"
        head += f"Content-Length: {len(body)}\r\n\r\n"
        client.socket.sendall(head.encode())
        client.socket.sendall(body)
        assert client.head().startswith(b"HTTP/1.1 400")
        assert b"invalid JSON" in client.read_until(b"}")
