"""Attacks by a tenant's requests on the engine's threads, memory and disk, and on what it tells."""

import base64
import json
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from engine.core.mount_plan import MOST_MOUNTS
from engine.core.tenants import Tenant
from engine.runtime.seccomp_document import MOST_CONDITIONAL, MOST_OF_CALL
from engine.service.engine import COPIES_AT_ONCE
from engine.service.events import MOST_CHARACTERS, EventBus
from engine.service.slow_work import AT_ONCE
from tests.engine.busybox_image import busybox_tar
from tests.engine.daemon import EngineDaemon, processes_with, wait_until

pytestmark = pytest.mark.requires_root

ADA, BOB = "blue/ada", "red/bob"
GIGABYTE = 2**30
MANY = 3 * max(AT_ONCE, COPIES_AT_ONCE)


@contextmanager
def endless_body(engine: EngineDaemon, method: str, path: str, *, begin: bytes = b"") -> Iterator[socket.socket]:
    """A request of ada's whose body has begun and never ends."""
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(engine.socket_path))
        head = f"{method} {path} HTTP/1.1\r\nHost: engine\r\nAtelier-Tenant: {ADA}\r\nTransfer-Encoding: chunked\r\n\r\n"
        client.sendall(head.encode() + (b"%x\r\n%s\r\n" % (len(begin), begin) if begin else b""))
        yield client


def copies(container_id: str) -> list[int]:
    """Workers on a container's files."""
    return processes_with(f"engine files {container_id[:12]}")


def refused(engine: EngineDaemon, **fields: Any) -> str:
    """What ada is told whose container cannot be."""
    answer = engine.request("POST", "/containers/create", {"Image": "busybox", "Cmd": ["true"], **fields}, tenant=ADA)
    assert answer.status == 400, answer.body[:300]
    return answer.message


@pytest.mark.parametrize("begin", [b"", busybox_tar()[:100_000]], ids=["nothing", "half an image"])
@pytest.mark.parametrize("path", ["/images/create?fromSrc=-", "/images/load"])
def test_archives_that_never_end_hold_nobody_up(engine: EngineDaemon, path: str, begin: bytes) -> None:
    with ExitStack() as held:
        for _ in range(MANY):
            held.enter_context(endless_body(engine, "POST", path, begin=begin))
        for tenant in (ADA, BOB):
            assert engine.wait(engine.run("true", tenant=tenant)) == 0
            assert engine.request("POST", "/volumes/create", {}, tenant=tenant).status == 201
    wait_until(lambda: not list((engine.data_path / "engine/images").glob("*staging*/*")), "what was half read to be gone")
    assert engine.import_busybox("again:1", tenant=ADA)


def test_sizes_asked_for_again_and_again_hold_nobody_up(engine: EngineDaemon) -> None:
    script = "for i in $(seq 20); do mkdir /d$i; cd /d$i; seq 1 1000 | xargs touch; done; touch /ready; exec sleep 1000"
    container_id = engine.run("sh", "-c", script, tenant=ADA)
    wait_until(lambda: engine.request("HEAD", f"/containers/{container_id}/archive?path=/ready").status == 200, "files")
    with ExitStack() as held:
        for _ in range(MANY):
            client = held.enter_context(socket.socket(socket.AF_UNIX))
            client.connect(str(engine.socket_path))
            client.sendall(f"GET /containers/{container_id}/json?size=1 HTTP/1.1\r\nHost: engine\r\n\r\n".encode())
        assert engine.wait(engine.run("true", tenant=BOB)) == 0


def test_a_sparse_file_of_a_container_takes_no_place_in_an_image(engine: EngineDaemon) -> None:
    container_id = engine.run(
        "sh", "-c", f"truncate -s {2 * GIGABYTE} /big; echo end | dd of=/big bs=1 conv=notrunc seek={GIGABYTE}", tenant=ADA
    )
    engine.wait(container_id)
    answer = engine.request("POST", f"/commit?container={container_id}&repo=sparse", {}, tenant=ADA)
    assert answer.status == 201, answer.body
    (stored,) = (engine.data_path / "engine/layers").glob("*/**/big")
    status = stored.stat()
    assert (status.st_size, status.st_blocks * 512 < 10 * 2**20) == (2 * GIGABYTE, True)
    with stored.open("rb") as file:
        file.seek(GIGABYTE)
        assert file.read(4) == b"end\n"
    assert engine.request("DELETE", "/images/sparse?force=1", tenant=ADA).status == 200


@pytest.mark.parametrize("state", ["running", "paused", "stopped"])
def test_copies_that_never_end_are_few_and_end_with_their_clients(engine: EngineDaemon, state: str) -> None:
    container_id = engine.run("sleep", "1000", tenant=ADA)
    if state != "running":
        verb = "pause" if state == "paused" else "stop?t=0"
        assert engine.request("POST", f"/containers/{container_id}/{verb}", tenant=ADA).status == 204
    with ExitStack() as held:
        for _ in range(MANY):
            held.enter_context(endless_body(engine, "PUT", f"/containers/{container_id}/archive?path=/"))
        most = 1 if state == "stopped" else COPIES_AT_ONCE
        wait_until(lambda: len(copies(container_id)) == most, "the first copies")
        other = engine.run("sleep", "1000", tenant=BOB)
        assert engine.request("HEAD", f"/containers/{other}/archive?path=/etc", tenant=BOB).status == 200
        assert len(copies(container_id)) <= most
    wait_until(lambda: not copies(container_id), "the copies to end")
    assert engine.request("HEAD", f"/containers/{container_id}/archive?path=/etc", tenant=ADA).status == 200


def test_a_tenant_is_told_no_place_of_the_host(engine: EngineDaemon) -> None:
    container_id = engine.run("sleep", "1000", tenant=ADA, Volumes={"/data": {}})
    for path in (
        f"/containers/{container_id}/json",
        "/containers/json",
        "/info",
        "/volumes",
        "/system/df",
        "/events?since=1&until=1",
    ):
        assert str(engine.root) not in engine.request("GET", path, tenant=ADA).body.decode(), path
    assert str(engine.root) in engine.request("GET", f"/containers/{container_id}/json").body.decode()


def test_ps_shows_a_tenant_nothing_of_the_engines_environment(engine: EngineDaemon) -> None:
    container_id = engine.run("sleep", "1000", tenant=ADA)
    daemon = set(Path(f"/proc/{engine.pid}/environ").read_text().split("\0"))
    with endless_body(engine, "PUT", f"/containers/{container_id}/archive?path=/"):
        wait_until(lambda: copies(container_id), "the copy")
        shown = engine.request("GET", f"/containers/{container_id}/top?ps_args=axewww", tenant=ADA).body.decode()
    assert "engine files" in shown
    assert not [
        entry for entry in daemon if entry and not entry.startswith(("PATH=", "ATELIER_")) and f" {entry} " in f"{shown} "
    ]


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"Labels": {"a": "x" * 300_000}}, "Labels are too long"),
        (
            {"HostConfig": {"Mounts": [{"Type": "volume", "Target": "/m", "VolumeOptions": {"Labels": {"a": "x" * 300_000}}}]}},
            "too long",
        ),
        ({"HostConfig": {"Tmpfs": {f"/t{number}": "" for number in range(MOST_MOUNTS + 1)}}}, "too many mounts"),
        ({"HostConfig": {"Binds": [f"volume:/t{number}" for number in range(MOST_MOUNTS + 1)]}}, "too many mounts"),
        ({"Volumes": {f"/t{number}": {} for number in range(MOST_MOUNTS + 1)}}, "too many mounts"),
        ({"Env": ["A=1"] * 100_001}, "too many entries in Env"),
        ({"Labels": {str(number): "" for number in range(100_001)}}, "too many entries in Labels"),
    ],
)
def test_what_is_long_beyond_use_is_refused(engine: EngineDaemon, fields: dict[str, Any], complaint: str) -> None:
    before = engine.request("GET", "/volumes", tenant=ADA).body
    assert complaint in refused(engine, **fields)
    assert engine.request("GET", "/volumes", tenant=ADA).body == before


@pytest.mark.parametrize(
    ("calls", "complaint"),
    [
        (["ioctl"] * (MOST_OF_CALL + 1), "for ioctl"),
        ([f"call{number % 9}" for number in range(MOST_CONDITIONAL + 1)], "with conditions"),
    ],
)
def test_a_filter_that_takes_minutes_to_compile_is_refused(engine: EngineDaemon, calls: list[str], complaint: str) -> None:
    """Their number is what counts: 1100 rules for three calls kept a processor busy for longer than anybody waited."""
    argument = {"index": 0, "op": "SCMP_CMP_LE", "value": 7}
    rules = [
        {"name": name, "action": "SCMP_ACT_ERRNO", "args": [{**argument, "value": number}]} for number, name in enumerate(calls)
    ]
    profile = json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules})
    assert complaint in refused(engine, HostConfig={"SecurityOpt": [f"seccomp={profile}"]})


def test_long_events_take_the_place_of_many_short_ones() -> None:
    bus = EventBus()
    for number in range(100):
        bus.publish("container", f"exec_create: {'x' * 2**20}", str(number), {}, tenant=Tenant("blue"))
    assert 0 < sum(event.characters for event in bus.remembered()) <= MOST_CHARACTERS
    assert bus.remembered()[-1].actor_id == "99"


@pytest.mark.parametrize("change", ['CMD ["\\ud800"]', 'ENTRYPOINT ["a\\u0000b"]', "ENV A=\0b", "LABEL \0=1", "WORKDIR /a\0"])
@pytest.mark.parametrize("route", ["/commit?container={container_id}", "/images/create?fromSrc=-"])
def test_an_image_is_not_told_what_cannot_be_and_leaves_no_layer(engine: EngineDaemon, route: str, change: str) -> None:
    container_id = engine.run("sh", "-c", "cat /proc/sys/kernel/random/uuid > /new", tenant=ADA)
    engine.wait(container_id)
    before = sorted((engine.data_path / "engine/layers").iterdir())
    path = f"{route.format(container_id=container_id)}&{urlencode({'changes': change})}"
    answer = engine.request("POST", path, {} if "commit" in route else busybox_tar(), tenant=ADA)
    assert (answer.status, "null byte or half a character" in answer.message) == (400, True)
    assert sorted((engine.data_path / "engine/layers").iterdir()) == before


def test_engine_and_supervisor_hand_no_descriptor_to_a_program(engine: EngineDaemon) -> None:
    engine.run("sleep", "1000", tenant=ADA)
    for pid in (engine.pid, engine.supervisor_pid()):
        flags = {path.name: path.read_text().split("flags:")[1].split()[0] for path in Path(f"/proc/{pid}/fdinfo").iterdir()}
        assert [fd for fd, text in flags.items() if int(fd) > 2 and not int(text, 8) & os.O_CLOEXEC] == []


def test_names_of_files_that_are_no_text_can_be_looked_at(engine: EngineDaemon) -> None:
    container_id = engine.run("sh", "-c", "ln -s $(printf '\\377') /link", tenant=ADA)
    engine.wait(container_id)
    answer = engine.request("HEAD", f"/containers/{container_id}/archive?path=/link", tenant=ADA)
    shown = json.loads(base64.b64decode(answer.headers["X-Docker-Container-Path-Stat"]))
    assert (answer.status, shown["linkTarget"]) == (200, "/\ufffd")
