"""Ways to attach: over a WebSocket, several at once, with other detach keys, and to what cannot be attached to."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest

from tests.engine.api.raw_client import RawClient
from tests.engine.daemon import EngineDaemon

pytestmark = pytest.mark.requires_root
V = "/v1.47"
ECHO = "while read line; do [ $line = end ] && exit 3; echo got $line; echo err $line >&2; done"


@asynccontextmanager
async def websocket(engine: EngineDaemon, name: str, query: str) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    connector = aiohttp.UnixConnector(str(engine.socket_path))
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.ws_connect(f"http://engine{V}/containers/{name}/attach/ws?{query}") as socket,
    ):
        yield socket


async def read_until(socket: aiohttp.ClientWebSocketResponse, text: bytes) -> bytes:
    received = b""
    while text not in received:
        message = await socket.receive(timeout=15)
        assert message.type is aiohttp.WSMsgType.BINARY, message
        received += message.data
    return received


async def test_a_websocket_carries_input_and_both_outputs_as_they_are(engine: EngineDaemon) -> None:
    await asyncio.to_thread(engine.run, "sh", "-c", ECHO, name="echo", OpenStdin=True)
    async with websocket(engine, "echo", "stream=1&stdin=1&stdout=1&stderr=1") as first:
        await first.send_bytes(b"one\n")
        assert await read_until(first, b"err one\n") == b"got one\nerr one\n"
        async with websocket(engine, "echo", "stream=1&stdout=1&logs=1") as second:
            assert await read_until(second, b"got one\n") == b"got one\n"
            await second.send_bytes(b"from one who may not type\n")
            await first.send_str("two\n")
            assert await read_until(second, b"\n") == b"got two\n"
            await first.send_bytes(b"end\n")
            assert (await second.receive(timeout=15)).type is aiohttp.WSMsgType.CLOSE
    assert await asyncio.to_thread(engine.wait, "echo") == 3


async def test_a_websocket_that_leaves_does_not_touch_the_container(engine: EngineDaemon) -> None:
    await asyncio.to_thread(engine.run, "sh", "-c", "while :; do echo x; sleep 0.01; done", name="talker")
    for _ in range(3):
        async with websocket(engine, "talker", "stream=1&stdout=1") as socket:
            await read_until(socket, b"x\n")
    state = (await asyncio.to_thread(engine.inspect, "talker"))["State"]
    assert state["Running"] is True


def test_what_is_no_websocket_is_refused(engine: EngineDaemon) -> None:
    engine.run("sleep", "600", name="lab")
    assert engine.request("GET", f"{V}/containers/lab/attach/ws?stream=1").status == 400
    assert engine.request("GET", f"{V}/containers/nosuch/attach/ws?stream=1", headers={"Upgrade": "websocket"}).status == 404


@pytest.mark.parametrize("path", ["attach?stream=1&stdout=1", "attach/ws?stream=1&stdout=1"])
def test_a_paused_container_cannot_be_attached_to(engine: EngineDaemon, path: str) -> None:
    engine.run("sleep", "600", name="lab")
    engine.request("POST", f"{V}/containers/lab/pause")
    method = "GET" if "ws" in path else "POST"
    answer = engine.request(method, f"{V}/containers/lab/{path}", headers={"Upgrade": "websocket"} if "ws" in path else {})
    assert (answer.status, answer.message) == (409, "container lab is paused, unpause the container before attach")
    engine.request("POST", f"{V}/containers/lab/unpause")


def test_keys_of_ones_own_detach_and_leave_the_container_running(engine: EngineDaemon) -> None:
    engine.run("cat", name="typed", Tty=True, OpenStdin=True)
    with RawClient(engine) as client:
        client.post(f"{V}/containers/typed/attach?stream=1&stdin=1&stdout=1&detachKeys=ctrl-x,q", upgrade=True)
        client.head()
        client.socket.sendall(b"hello\r")
        client.read_until(b"hello\r\nhello\r\n")
        client.socket.sendall(b"\x18q")
        client.rest()
    assert engine.inspect("typed")["State"]["Running"] is True


def test_a_client_that_vanishes_ends_the_input_that_was_its_own(engine: EngineDaemon) -> None:
    engine.create("sh", "-c", "cat; exit 5", name="orphan", OpenStdin=True, StdinOnce=True, AttachStdin=True)
    with RawClient(engine) as client:
        client.post(f"{V}/containers/orphan/attach?stream=1&stdin=1&stdout=1", upgrade=True)
        client.head()
        engine.request("POST", f"{V}/containers/orphan/start")
        client.socket.sendall(b"hello\n")
        client.read_until(b"hello\n")
    assert engine.wait("orphan") == 5


@pytest.mark.parametrize("options", ["--log-driver none", "--log-opt max-size=64k --log-opt max-file=1"])
def test_a_slow_attached_client_gets_all_though_the_log_keeps_little(engine: EngineDaemon, options: str) -> None:
    done = engine.shell(f"$D run --rm {options} busybox seq 1 1500000 | (sleep 0.5; md5sum); seq 1 1500000 | md5sum")
    received, said = done.stdout.splitlines()
    assert received == said


def test_without_a_log_and_a_client_nothing_holds_the_output_up(engine: EngineDaemon) -> None:
    engine.run("seq", "1", "2000000", name="alone", HostConfig={"LogConfig": {"Type": "none"}})
    assert engine.wait("alone") == 0


def test_a_container_that_waited_for_its_reader_goes_on_when_the_daemon_comes_back(
    start_engine: Callable[..., EngineDaemon],
) -> None:
    engine = start_engine()
    engine.create("sh", "-c", "seq 1 2000000; exit 7", name="held", HostConfig={"LogConfig": {"Type": "none"}})
    with RawClient(engine) as client:
        client.post(f"{V}/containers/held/attach?stream=1&stdout=1", upgrade=True)
        client.head()
        engine.request("POST", f"{V}/containers/held/start")
        engine.kill()
    engine.start()
    assert engine.wait("held") == 7
