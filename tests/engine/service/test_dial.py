"""Dial: streams to TCP ports inside containers, whatever their network, and nowhere else."""

import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.engine.api.raw_client import RawClient
from tests.engine.daemon import EngineDaemon, wait_until
from tests.engine.service.observing import kill_daemon, post

pytestmark = pytest.mark.requires_root
SERVE = """
printf '#!/bin/sh\\ncat; echo end\\n' > /echo
printf '#!/bin/sh\\nexec head -c 100000000 /dev/zero\\n' > /flood
printf '#!/bin/sh\\nexec sleep 600\\n' > /deaf
chmod +x /echo /flood /deaf
nc -ll -p 8001 -e /echo & echo said | nc -l -p 8002 > /heard & nc -ll -p 8003 -e /flood & nc -ll -p 8004 -e /deaf &
httpd -p 127.0.0.1:8005 -h /etc
touch /ready
wait
"""


def _serve(engine: EngineDaemon, *, network: str = "bridge", tenant: str = "") -> str:
    container_id = engine.run("sh", "-c", SERVE, tenant=tenant, name="lab", HostConfig={"NetworkMode": network})
    listening = "grep -q ':1F45 .* 0A ' /proc/net/tcp && grep -q ':1F44 ' /proc/net/tcp*"
    wait_until(lambda: engine.cli("exec", container_id, "sh", "-c", listening).returncode == 0, "the services")
    return container_id


@pytest.fixture
def lab(engine: EngineDaemon) -> str:
    return _serve(engine)


@pytest.fixture
def client(engine: EngineDaemon) -> Iterator[RawClient]:
    with RawClient(engine) as connected:
        yield connected


def _dial(client: RawClient, port: int, *, early: bytes = b"", upgrade: bool = True) -> None:
    client.post(f"/v1.47/containers/lab/dial?port={port}", early=early, upgrade=upgrade)
    assert client.head().startswith(b"HTTP/1.1 101" if upgrade else b"HTTP/1.1 200")


@pytest.mark.parametrize("network", ["bridge", "none"])
def test_bytes_go_both_ways_and_each_side_ends_for_itself(engine: EngineDaemon, client: RawClient, network: str) -> None:
    _serve(engine, network=network)
    _dial(client, 8001, early=b"early ")
    client.socket.sendall(b"late\n")
    client.half_close()
    assert client.rest() == b"early late\nend\n"


def test_without_an_upgrade_it_is_a_stream_too(lab: str, client: RawClient) -> None:
    _dial(client, 8001, upgrade=False)
    client.half_close()
    assert client.rest() == b"end\n"


def test_the_services_half_may_end_first(engine: EngineDaemon, lab: str, client: RawClient) -> None:
    _dial(client, 8002)
    assert client.rest() == b"said\n"
    client.socket.sendall(b"still here")
    client.half_close()
    wait_until(lambda: engine.cli("exec", "lab", "cat", "/heard").stdout == b"still here", "the rest to arrive")


def test_a_service_on_the_loopback_address_is_reached(lab: str, client: RawClient) -> None:
    _dial(client, 8005, early=b"GET /hostname HTTP/1.0\r\n\r\n")
    assert client.rest().endswith(f"\r\n\r\n{lab[:12]}\n".encode())


@pytest.mark.parametrize("port", ["", "0", "65536", "-1", "x", "80.5", "127.0.0.1:80"])
def test_what_is_no_port_is_refused(engine: EngineDaemon, port: str) -> None:
    engine.run("sleep", "600", name="lab")
    assert post(engine, f"/containers/lab/dial?port={port}") == 400


def test_a_port_where_nobody_listens_is_told_before_the_stream(engine: EngineDaemon) -> None:
    engine.run("sleep", "600", name="lab")
    answer = engine.request("POST", "/containers/lab/dial?port=8001")
    assert answer.status == 409
    assert "connection refused" in answer.message


def test_only_what_runs_is_dialled(engine: EngineDaemon) -> None:
    engine.create("true", name="lab")
    assert post(engine, "/containers/lab/dial?port=80") == 409
    assert post(engine, "/containers/nosuch/dial?port=80") == 404


def test_no_other_tenant_dials_it(engine: EngineDaemon, lab: str) -> None:
    assert post(engine, f"/containers/{lab}/dial?port=8001", tenant="blue") == 404


def test_services_of_the_host_are_not_what_is_dialled(engine: EngineDaemon) -> None:
    """127.0.0.1 is the container's: what listens on the host's is out of reach."""
    engine.run("sleep", "600", name="lab")
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert post(engine, f"/containers/lab/dial?port={server.getsockname()[1]}") == 409


def test_a_reader_who_waits_slows_himself_only(engine: EngineDaemon, lab: str, client: RawClient) -> None:
    _dial(client, 8003)
    before = _memory_bytes(engine)
    time.sleep(0.5)
    assert engine.request("GET", "/_ping").status == 200
    assert _memory_bytes(engine) - before < 10 * 2**20
    received = 0
    while data := client.socket.recv(2**20):
        received += len(data)
    assert received == 100_000_000


def test_a_service_that_does_not_read_slows_its_client_only(engine: EngineDaemon, lab: str, client: RawClient) -> None:
    _dial(client, 8004)
    before = _memory_bytes(engine)
    client.socket.setblocking(False)
    with pytest.raises(BlockingIOError):
        while True:
            client.socket.send(bytes(65_536))
            time.sleep(0.001)
    assert _memory_bytes(engine) - before < 10 * 2**20


def _memory_bytes(engine: EngineDaemon) -> int:
    status = Path(f"/proc/{engine.pid}/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


def _sockets(engine: EngineDaemon) -> int:
    return len([fd for fd in Path(f"/proc/{engine.pid}/fd").iterdir() if fd.is_socket()])


def test_whoever_leaves_ends_it(engine: EngineDaemon, lab: str) -> None:
    before = _sockets(engine)
    for _ in range(20):
        with RawClient(engine) as client:
            _dial(client, 8004)
    wait_until(lambda: _sockets(engine) <= before, "the daemon to let go", hint=lambda: f"{before} {_sockets(engine)}")


def test_the_end_of_the_container_ends_it(engine: EngineDaemon, lab: str, client: RawClient) -> None:
    _dial(client, 8004)
    assert engine.request("DELETE", "/containers/lab?force=1").status == 204
    assert client.rest() == b""


def test_so_many_at_once_and_no_more(engine: EngineDaemon, lab: str) -> None:
    clients = [RawClient(engine) for _ in range(256)]
    try:
        for client in clients:
            _dial(client, 8005)
        assert post(engine, "/containers/lab/dial?port=8005") == 409
    finally:
        for client in clients:
            client.socket.close()
    wait_until(lambda: _answers(engine), "room for more")


def _answers(engine: EngineDaemon) -> bool:
    with RawClient(engine) as client:
        client.post("/containers/lab/dial?port=8005", early=b"GET /hostname HTTP/1.0\r\n\r\n")
        return client.head().startswith(b"HTTP/1.1 200")


def test_after_the_daemon_was_killed_it_is_dialled_again(start_engine: Callable[..., EngineDaemon]) -> None:
    engine = start_engine()
    _serve(engine)
    with RawClient(engine) as client:
        _dial(client, 8001)
        engine.kill()
        assert client.rest() == b""
    engine.start()
    kill_daemon(engine)
    with RawClient(engine) as client:
        _dial(client, 8001)
        client.half_close()
        assert client.rest() == b"end\n"
