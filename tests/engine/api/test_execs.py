"""Execs: exit codes, terminals, and joining a running one again."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest

from engine.core.execs import ExecConfig, ExecRecord, ExecRun
from engine.service.containers import ContainerStore
from engine.service.execs import MOST_BYTES_OF_CONTAINER, MOST_OF_CONTAINER, ExecStore
from tests.engine.api.raw_client import RawClient
from tests.engine.daemon import EngineDaemon, frames, wait_until
from tests.engine.dockerd import BOTH, serving

pytestmark = pytest.mark.requires_root


@pytest.fixture
def container(engine: EngineDaemon) -> str:
    return engine.run("sleep", "600")


def _create(engine: EngineDaemon, container: str, *command: str, **fields: object) -> str:
    body = {"Cmd": list(command), "AttachStdout": True, "AttachStderr": True, **fields}
    answer = engine.request("POST", f"/containers/{container}/exec", body)
    assert answer.status == 201, answer.body
    return str(answer.document["Id"])


def _start(engine: EngineDaemon, exec_id: str, **fields: object) -> bytes:
    with RawClient(engine) as client:
        client.post(f"/exec/{exec_id}/start", body=json.dumps(fields).encode())
        client.head()
        return client.rest()


def _inspect(engine: EngineDaemon, exec_id: str) -> dict[str, object]:
    return dict(engine.request("GET", f"/exec/{exec_id}/json").document)


def _wait_ended(engine: EngineDaemon, exec_id: str) -> int:
    wait_until(lambda: _inspect(engine, exec_id)["ExitCode"] is not None, "the exec to end")
    return int(str(_inspect(engine, exec_id)["ExitCode"]))


def test_an_exec_runs_beside_the_command_and_keeps_its_exit_code(engine: EngineDaemon, container: str) -> None:
    exec_id = _create(engine, container, "sh", "-c", "echo out; sleep 0.1; echo err >&2; exit 4")
    assert _inspect(engine, exec_id)["ExitCode"] is None
    assert frames(_start(engine, exec_id)) == [(1, b"out\n"), (2, b"err\n")]
    assert _wait_ended(engine, exec_id) == 4


@pytest.mark.parametrize("kind", BOTH)
def test_the_start_says_whether_output_comes_in_frames(kind: str) -> None:
    with serving(kind) as daemon:
        container_id = daemon.run("sleep", "600", StopTimeout=0)
        for made, started, expected in (
            (False, False, b"\x01\0\0\0\0\0\0\x04out\n"),
            (False, True, b"out\n"),
            (True, False, b"\x01\0\0\0\0\0\0\x05out\r\n"),
            (True, True, b"out\r\n"),
        ):
            assert _start(daemon, _create(daemon, container_id, "echo", "out", Tty=made), Tty=started) == expected


def test_an_exec_has_its_own_user_folder_and_environment(engine: EngineDaemon, container: str) -> None:
    exec_id = _create(
        engine, container, "sh", "-c", "id -un; pwd; echo $COLOUR", User="ada", WorkingDir="/tmp", Env=["COLOUR=red"]
    )
    assert b"".join(data for _, data in frames(_start(engine, exec_id))) == b"ada\n/tmp\nred\n"


def test_a_detached_exec_runs_on_its_own(engine: EngineDaemon, container: str) -> None:
    exec_id = _create(engine, container, "sh", "-c", "echo done > /made; exit 6")
    assert engine.request("POST", f"/exec/{exec_id}/start", {"Detach": True}).status == 200
    assert _wait_ended(engine, exec_id) == 6


def test_a_second_start_is_a_conflict(engine: EngineDaemon, container: str) -> None:
    exec_id = _create(engine, container, "true")
    _start(engine, exec_id)
    assert engine.request("POST", f"/exec/{exec_id}/start", {}).status == 409


def test_a_command_that_cannot_run_says_so_in_the_stream_and_by_its_code(engine: EngineDaemon, container: str) -> None:
    exec_id = _create(engine, container, "nosuch")
    assert b"executable file not found in $PATH" in _start(engine, exec_id)
    assert _inspect(engine, exec_id)["ExitCode"] == 127
    detached = _create(engine, container, "nosuch")
    assert engine.request("POST", f"/exec/{detached}/start", {"Detach": True}).status == 400


def test_more_output_than_is_kept_still_reaches_the_starter_whole(engine: EngineDaemon, container: str) -> None:
    exec_id = _create(engine, container, "sh", "-c", "seq 700000")
    output = b"".join(data for _, data in frames(_start(engine, exec_id)))
    assert output == b"".join(b"%d\n" % number for number in range(1, 700_001))


def test_a_terminal_can_be_joined_again_with_its_last_output(engine: EngineDaemon, container: str) -> None:
    exec_id = _create(engine, container, "sh", Tty=True, AttachStdin=True)
    assert engine.request("POST", f"/exec/{exec_id}/start", {"Detach": True, "Tty": True}).status == 200
    with RawClient(engine) as first:
        first.post(f"/exec/{exec_id}/attach?stdin=1&replay=1", upgrade=True)
        first.head()
        first.read_until(b"# ")
        first.socket.sendall(b"echo a$((6*7))\n")
        first.read_until(b"a42")
    with RawClient(engine) as second, RawClient(engine) as watcher:
        for client, query in ((second, "stdin=1&replay=1"), (watcher, "replay=0")):
            client.post(f"/exec/{exec_id}/attach?{query}")
            client.head()
        second.read_until(b"a42")
        watcher.socket.sendall(b"echo from-the-watcher\n")
        second.socket.sendall(b"echo b$((6*7)); exit 8\n")
        seen = watcher.rest()
        assert b"b42" in seen
        assert b"a42" not in seen
        assert b"from-the-watcher" not in seen
    assert _wait_ended(engine, exec_id) == 8
    assert engine.request("POST", f"/exec/{exec_id}/attach").status == 409


def test_a_terminal_has_the_size_it_is_given(engine: EngineDaemon, container: str) -> None:
    exec_id = _create(engine, container, "sh", Tty=True, AttachStdin=True)
    engine.request("POST", f"/exec/{exec_id}/start", {"Detach": True, "Tty": True, "ConsoleSize": [41, 121]})
    with RawClient(engine) as client:
        client.post(f"/exec/{exec_id}/attach?stdin=1&replay=1", upgrade=True)
        client.head()
        client.socket.sendall(b"stty size\n")
        client.read_until(b"41 121")
        assert engine.request("POST", f"/exec/{exec_id}/resize?h=22&w=90").status == 200
        client.socket.sendall(b"stty size\n")
        client.read_until(b"22 90")


def test_a_container_that_does_not_run_takes_no_exec(engine: EngineDaemon) -> None:
    container_id = engine.create("true")
    answer = engine.request("POST", f"/containers/{container_id}/exec", {"Cmd": ["true"]})
    assert (answer.status, answer.message) == (409, f"container {container_id[:12]} is not running")


def test_an_exec_ends_with_its_container(engine: EngineDaemon, container: str) -> None:
    exec_id = _create(engine, container, "sleep", "600")
    engine.request("POST", f"/exec/{exec_id}/start", {"Detach": True})
    engine.request("POST", f"/containers/{container}/kill")
    assert _wait_ended(engine, exec_id) == 137


def test_watchers_that_leave_are_let_go_although_nothing_is_said(engine: EngineDaemon, container: str) -> None:
    exec_id = _create(engine, container, "sh", Tty=True, AttachStdin=True)
    engine.request("POST", f"/exec/{exec_id}/start", {"Detach": True, "Tty": True})

    def descriptors() -> int:
        return len(list(Path(f"/proc/{engine.pid}/fd").iterdir()))

    before = descriptors()
    watchers = [RawClient(engine) for _ in range(20)]
    for watcher in watchers:
        watcher.post(f"/exec/{exec_id}/attach?replay=0", upgrade=True)
        watcher.head()
        watcher.half_close()
    assert descriptors() >= before + 20
    for watcher in watchers:
        watcher.socket.close()
    wait_until(lambda: descriptors() <= before + 3, "the watchers to be let go", hint=lambda: f"{before} {descriptors()}")


def test_execs_that_nobody_starts_are_bounded(engine: EngineDaemon, container: str) -> None:
    first = _create(engine, container, "true")
    for _ in range(MOST_OF_CONTAINER - 1):
        _create(engine, container, "true")
    answer = engine.request("POST", f"/containers/{container}/exec", {"Cmd": ["true"]})
    assert (answer.status, "too many execs" in answer.message) == (409, True)
    other = engine.run("sleep", "600")
    _create(engine, other, "true")
    _start(engine, first)
    _wait_ended(engine, first)
    _create(engine, container, "true")
    assert engine.request("GET", f"/exec/{first}/json").status == 404  # it had ended, and made room


def test_long_commands_of_execs_that_nobody_starts_are_bounded(engine: EngineDaemon, container: str) -> None:
    body = {"Cmd": ["echo", "x" * (MOST_BYTES_OF_CONTAINER // 4)]}
    statuses = [engine.request("POST", f"/containers/{container}/exec", body).status for _ in range(4)]
    assert statuses == [201, 201, 201, 409]


async def test_an_exec_that_is_never_started_is_forgotten(tmp_path: Path) -> None:
    store = ExecStore(ContainerStore(tmp_path))
    waiting, started = (ExecRecord(exec_id, "c1", ExecConfig(("true",))) for exec_id in ("e1", "e2"))
    store.add(waiting, kept_seconds=0)
    store.add(started, kept_seconds=0)
    store.put(replace(started, run=ExecRun(is_started=True, is_running=True)))
    await asyncio.sleep(0.01)
    assert [record.exec_id for record in store.of_container("c1")] == ["e2"]
    assert store.get("e1") is None
