"""What a container uses and what runs in it, through the API and the docker command."""

import contextlib
import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import pytest

from tests.engine.api.raw_client import RawClient
from tests.engine.daemon import EngineDaemon, wait_until

pytestmark = pytest.mark.requires_root
V = "/v1.47"


def stats(engine: EngineDaemon, name: str, query: str = "stream=0&one-shot=1", tenant: str = "") -> Any:
    answer = engine.request("GET", f"{V}/containers/{name}/stats?{query}", tenant=tenant)
    assert answer.status == 200, answer.body
    return answer.document


@contextmanager
def streaming(engine: EngineDaemon, path: str) -> Iterator[socket.socket]:
    """A client that has asked, and reads nothing unless the test does."""
    with RawClient(engine) as client:
        client.socket.sendall(f"GET {path} HTTP/1.1\r\nHost: engine\r\n\r\n".encode())
        yield client.socket


def read_samples(client: socket.socket, count: int) -> list[Any]:
    """The next samples of a stream whose chunks hold one each."""
    received = b""
    found: list[Any] = []
    while len(found) < count:
        received += client.recv(65_536)
        found = [json.loads(line) for line in received.split(b"\r\n") if line.startswith(b"{")]
    return found


def test_a_reading_shows_what_the_container_uses(engine: EngineDaemon) -> None:
    lab = engine.run("sh", "-c", "while :; do :; done", name="busy", HostConfig={"Memory": 64 * 2**20, "PidsLimit": 50})
    found = stats(engine, "busy", "stream=0")
    before, now = found["precpu_stats"], found["cpu_stats"]
    assert (found["id"], found["name"]) == (lab, "/busy")
    assert found["preread"] < found["read"]
    assert now["cpu_usage"]["total_usage"] > before["cpu_usage"]["total_usage"] > 0
    assert now["system_cpu_usage"] > before["system_cpu_usage"] > 0
    assert now["online_cpus"] >= 1
    assert found["memory_stats"]["limit"] == 64 * 2**20
    assert 0 < found["memory_stats"]["usage"] < 64 * 2**20
    assert {"inactive_file", "total_inactive_file"} & set(found["memory_stats"]["stats"])
    assert found["pids_stats"] == {"current": 1, "limit": 50}


def test_memory_without_a_limit_is_limited_by_the_hosts(engine: EngineDaemon) -> None:
    engine.run("sleep", "600", name="free")
    info = engine.request("GET", f"{V}/info").document
    assert stats(engine, "free")["memory_stats"]["limit"] == info["MemTotal"]


def test_traffic_is_counted_from_inside(engine: EngineDaemon) -> None:
    engine.run("sleep", "600", name="net")
    gateway = engine.inspect("net")["NetworkSettings"]["Networks"]["bridge"]["Gateway"]
    engine.cli("exec", "net", "ping", "-c", "3", "-W", "1", gateway)
    found = stats(engine, "net")["networks"]["eth0"]
    assert found["tx_bytes"] > 3 * 64
    assert set(found) == {f"{way}_{what}" for way in ("rx", "tx") for what in ("bytes", "packets", "errors", "dropped")}
    engine.run("sleep", "600", name="alone", HostConfig={"NetworkMode": "none"})
    assert "networks" not in stats(engine, "alone")


def test_a_container_that_does_not_run_uses_nothing(engine: EngineDaemon) -> None:
    lab = engine.create("true", name="fresh")
    found = stats(engine, "fresh", "stream=0")
    assert (found["id"], found["read"], found["memory_stats"], found["pids_stats"]) == (lab, "0001-01-01T00:00:00Z", {}, {})
    assert found["cpu_stats"]["cpu_usage"]["total_usage"] == 0
    assert found["blkio_stats"]["io_service_bytes_recursive"] is None


def test_a_paused_container_is_read(engine: EngineDaemon) -> None:
    engine.run("sleep", "600", name="paused")
    assert engine.request("POST", f"{V}/containers/paused/pause").status == 204
    assert stats(engine, "paused")["pids_stats"]["current"] == 1
    assert len(engine.request("GET", f"{V}/containers/paused/top").document["Processes"]) == 1
    assert engine.request("POST", f"{V}/containers/paused/unpause").status == 204


def test_a_stream_tells_each_second_until_the_container_is_removed(engine: EngineDaemon) -> None:
    engine.run("sleep", "600", name="watched")
    with (
        streaming(engine, f"{V}/containers/watched/stats") as first,
        streaming(engine, f"{V}/containers/watched/stats") as second,
    ):
        samples = read_samples(first, 2)
        assert samples[0]["preread"] == "0001-01-01T00:00:00Z"
        assert samples[1]["preread"] == samples[0]["read"]
        assert {sample["read"] for sample in read_samples(second, 2)} & {
            sample["read"] for sample in samples
        }  # read once for both
        engine.request("DELETE", f"{V}/containers/watched?force=1")
        while data := first.recv(65_536):
            if data.endswith(b"0\r\n\r\n"):
                break


def test_asking_for_a_stream_of_one_is_refused(engine: EngineDaemon) -> None:
    engine.run("sleep", "600", name="lab")
    assert engine.request("GET", f"{V}/containers/lab/stats?stream=1&one-shot=1").status == 400
    assert engine.request("GET", f"{V}/containers/nosuch/stats").status == 404


def test_the_docker_command_shows_sane_numbers(engine: EngineDaemon) -> None:
    engine.run("sh", "-c", "while :; do :; done", name="busy", HostConfig={"Memory": 64 * 2**20})
    engine.create("true", name="fresh")
    shown = engine.cli(
        "stats", "--no-stream", "--format", "{{.Name}} {{.CPUPerc}} {{.MemUsage}} {{.PIDs}}", "busy", "fresh", check=True
    )
    rows = {line.split()[0]: line.split()[1:] for line in shown.stdout.decode().splitlines()}
    assert float(rows["busy"][0].rstrip("%")) > 1
    assert rows["busy"][-3:] == ["/", "64MiB", "1"]
    assert rows["fresh"][0] == "0.00%"


def test_clients_that_read_nothing_hold_nobody_up(engine: EngineDaemon) -> None:
    engine.run("sleep", "600", name="lab")
    with contextlib.ExitStack() as clients:
        for _ in range(50):
            clients.enter_context(streaming(engine, f"{V}/containers/lab/stats"))
        assert len(read_samples(clients.enter_context(streaming(engine, f"{V}/containers/lab/stats")), 2)) == 2
    assert stats(engine, "lab")["pids_stats"]["current"] == 1


def top(engine: EngineDaemon, name: str, arguments: str = "", tenant: str = "") -> Any:
    return engine.request("GET", f"{V}/containers/{name}/top?ps_args={quote(arguments)}", tenant=tenant)


@pytest.mark.parametrize("arguments", ["", "-ef", "aux", "-o pid,user,args", "axo user,pid,cmd --sort=-pid"])
def test_the_processes_of_a_container_and_no_others_are_shown(engine: EngineDaemon, arguments: str) -> None:
    engine.run("sh", "-c", "sleep 601 & sleep 602; true", name="lab")
    engine.run("sleep", "603", name="other")
    engine.cli("exec", "-d", "-u", "ada", "lab", "sleep", "604", check=True)
    wait_until(lambda: len(top(engine, "lab").document["Processes"]) == 4, "all processes")
    found = top(engine, "lab", arguments).document
    commands = sorted(row[-1] for row in found["Processes"])
    assert commands == ["sh -c sleep 601 & sleep 602; true", "sleep 601", "sleep 602", "sleep 604"]
    user = next(at for at, title in enumerate(found["Titles"]) if title in ("UID", "USER"))
    assert {row[user] for row in found["Processes"]} == {"root", "1000"}
    pids = {int(row[found["Titles"].index("PID")]) for row in found["Processes"]}
    assert engine.inspect("lab")["State"]["Pid"] in pids


def test_top_of_what_does_not_run_is_a_conflict(engine: EngineDaemon) -> None:
    engine.create("true", name="fresh")
    answer = top(engine, "fresh")
    assert (answer.status, "is not running" in answer.message) == (409, True)
    assert top(engine, "nosuch").status == 404


@pytest.mark.parametrize(
    "arguments", ["-o args", "-p 1", "--version", "'", "-o pid=X", "-eo pid,bogus", "x" * 10_000, "-o" + "pid," * 400, "$(id)"]
)
def test_arguments_that_ps_or_the_engine_does_not_take_are_refused(engine: EngineDaemon, arguments: str) -> None:
    engine.run("sleep", "600", name="lab")
    answer = top(engine, "lab", arguments)
    assert answer.status == 400, answer.body


def test_what_a_process_calls_itself_cannot_flood_the_engine(engine: EngineDaemon) -> None:
    """Each of 40 processes has an argument of 128 KiB."""
    engine.run(
        "sh",
        "-c",
        'for i in $(seq 40); do sh -c "sleep 600; : $(head -c 100000 /dev/zero | tr "\\0" x)" & done; wait',
        name="fat",
    )
    wait_until(lambda: len(top(engine, "fat").document["Processes"]) > 40, "all processes")
    assert len(top(engine, "fat").body) < 40 * 2 * 4200 + 10_000
    assert top(engine, "fat", "axww o pid,args").status in (200, 400)
    assert engine.request("GET", "/_ping").status == 200


def test_the_container_of_another_is_not_there_to_be_looked_at(engine: EngineDaemon) -> None:
    engine.import_busybox(tenant="blue")
    lab = engine.run("sleep", "600", tenant="blue", name="lab")
    for path in ("stats?stream=0", "stats", "top", "logs?stdout=1", "attach/ws?stream=1", "json"):
        for name in (lab, lab[:12], "lab"):
            headers = {"Connection": "Upgrade", "Upgrade": "websocket"} if "ws" in path else {}
            answer = engine.request("GET", f"{V}/containers/{name}/{path}", tenant="red", headers=headers)
            assert answer.status == 404, (path, name, answer.body)
    assert stats(engine, lab, tenant="blue")["pids_stats"]["current"] == 1


def test_top_is_told_in_events(engine: EngineDaemon) -> None:
    engine.run("sleep", "600", name="lab")
    began = time.time()
    top(engine, "lab")
    query = f"since={began:.9f}&until={time.time():.9f}&filters={quote(json.dumps({'event': ['top']}))}"
    (event,) = [json.loads(line) for line in engine.request("GET", f"{V}/events?{query}").body.splitlines()]
    assert event["Actor"]["Attributes"]["name"] == "lab"
