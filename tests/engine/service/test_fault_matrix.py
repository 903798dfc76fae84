"""Each part of the engine is killed in each state of a container: records stay true, logs whole, codes right, nothing is left."""

import os
import random
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.engine.daemon import Answer, EngineDaemon, wait_until
from tests.engine.service.faults import VICTIMS, assert_truthful, strike

pytestmark = pytest.mark.requires_root

LINES = 60
COUNT = f"i=0; while [ $i -lt {LINES} ]; do echo line $i; i=$((i+1)); sleep 0.03; done; exit 9"
COUNTED = b"".join(b"line %d\n" % number for number in range(LINES))
ROUNDS = 3
LONGEST_DELAY_SECONDS = 0.02
LOST = 255  # shown where nobody could learn a code


def lost_streams(victim: str) -> bool:
    """Only where daemon and supervisor die at once is nobody left who holds a container's streams."""
    return victim == "both"


@pytest.mark.parametrize("victim", VICTIMS)
def test_created(engine: EngineDaemon, victim: str) -> None:
    container_id = engine.create("sh", "-c", "echo fresh; exit 5")
    strike(engine, victim)
    assert engine.inspect(container_id)["State"]["Status"] == "created"
    assert engine.request("POST", f"/containers/{container_id}/start").status == 204
    assert (engine.wait(container_id), engine.output(container_id)) == (5, b"fresh\n")
    assert_truthful(engine)


@pytest.mark.parametrize("victim", VICTIMS)
@pytest.mark.parametrize("tty", [False, True], ids=["pipes", "terminal"])
def test_running(engine: EngineDaemon, victim: str, tty: bool) -> None:
    container_id = engine.run("sh", "-c", COUNT, Tty=tty)
    quiet = engine.run("sleep", "600")
    pid = engine.inspect(quiet)["State"]["Pid"]
    time.sleep(0.2)
    strike(engine, victim)
    assert engine.inspect(quiet)["State"]["Pid"] == pid
    code, output = engine.wait(container_id), _text(engine, container_id, tty=tty)
    if lost_streams(victim):
        assert COUNTED.startswith(output)
    else:
        assert (code, output) == (9, COUNTED)
    assert_truthful(engine)


def _text(engine: EngineDaemon, container_id: str, *, tty: bool) -> bytes:
    if not tty:
        return engine.output(container_id)
    return engine.request("GET", f"/containers/{container_id}/logs?stdout=1").body.replace(b"\r\n", b"\n")


@pytest.mark.parametrize("victim", VICTIMS)
def test_paused(engine: EngineDaemon, victim: str) -> None:
    container_id = engine.run("sh", "-c", "sleep 0.5; exit 8")
    if engine.request("POST", f"/containers/{container_id}/pause").status != 204:
        pytest.skip("this engine cannot pause")
    strike(engine, victim)
    time.sleep(0.5)
    assert engine.inspect(container_id)["State"]["Status"] == "paused"
    assert engine.request("POST", f"/containers/{container_id}/unpause").status == 204
    assert engine.wait(container_id) in ((8, LOST) if lost_streams(victim) else (8,))
    assert_truthful(engine)


@pytest.mark.parametrize("victim", VICTIMS)
def test_stopping(engine: EngineDaemon, victim: str) -> None:
    container_id = engine.run("sh", "-c", "trap 'sleep 1; exit 3' TERM; echo ready; while :; do sleep 0.02; done")
    wait_until(lambda: engine.output(container_id), "the trap")
    with ThreadPoolExecutor(1) as pool:
        pool.submit(_try, engine, "POST", f"/containers/{container_id}/stop?t=10")
        time.sleep(0.3)
        strike(engine, victim)
    assert engine.wait(container_id) in ((3, LOST) if lost_streams(victim) else (3,))
    assert engine.inspect(container_id)["State"]["Status"] == "exited"
    assert_truthful(engine)


@pytest.mark.parametrize("victim", VICTIMS)
def test_an_exec_runs(engine: EngineDaemon, victim: str) -> None:
    container_id = engine.run("sleep", "600")
    exec_id = _exec(engine, container_id, "sleep 1; seq 1 5000 > /numbers; exit 4")
    strike(engine, victim)
    assert engine.cli("exec", container_id, "sh", "-c", "exit 6").returncode == 6
    wait_until(lambda: engine.cli("exec", container_id, "cat", "/numbers").stdout.endswith(b"\n5000\n"), "the exec to go on")
    if not lost_streams(victim):
        wait_until(lambda: engine.request("GET", f"/exec/{exec_id}/json").document["ExitCode"] == 4, "the exec's code")
    assert_truthful(engine)


def _exec(engine: EngineDaemon, container_id: str, script: str) -> str:
    body = {"Cmd": ["sh", "-c", script], "AttachStdout": True}
    exec_id = str(engine.request("POST", f"/containers/{container_id}/exec", body).document["Id"])
    assert engine.request("POST", f"/exec/{exec_id}/start", {"Detach": True}).status == 200
    return exec_id


def test_the_first_process_of_a_container_is_killed(engine: EngineDaemon) -> None:
    """From outside, in each state in which it has one."""
    running, stopping = (
        engine.run("sh", "-c", COUNT),
        engine.run("sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1; done"),
    )
    exec_id = _exec(engine, running, "sleep 600")
    wait_until(lambda: engine.output(stopping), "the trap")
    with ThreadPoolExecutor(1) as pool:
        stop = pool.submit(_try, engine, "POST", f"/containers/{stopping}/stop?t=10")
        time.sleep(0.2)
        for container_id in (running, stopping):
            os.kill(engine.inspect(container_id)["State"]["Pid"], signal.SIGKILL)
        answer = stop.result()
    assert answer is not None
    assert answer.status == 204
    assert [engine.wait(running), engine.wait(stopping)] == [137, 137]
    assert COUNTED.startswith(engine.output(running))
    wait_until(lambda: engine.request("GET", f"/exec/{exec_id}/json").document["ExitCode"] == 137, "the exec's code")
    assert_truthful(engine)


def test_the_first_process_of_a_container_is_killed_while_both_are_away(engine: EngineDaemon) -> None:
    container_id = engine.run("sleep", "600")
    pid, supervisor = engine.inspect(container_id)["State"]["Pid"], engine.supervisor_pid()
    assert supervisor is not None
    os.kill(engine.pid, signal.SIGSTOP)
    os.kill(supervisor, signal.SIGKILL)
    engine.kill()
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not Path(f"/proc/{pid}").exists(), "the end")
    engine.start()
    state = engine.inspect(container_id)["State"]
    assert (state["Status"], state["ExitCode"] in (137, LOST)) == ("exited", True)
    assert_truthful(engine)


def _start(engine: EngineDaemon) -> tuple[str, str, str]:
    return engine.create("sh", "-c", "sleep 0.3; exit 5"), "POST", "start"


def _remove(engine: EngineDaemon) -> tuple[str, str, str]:
    return engine.run("sleep", "600"), "DELETE", "?force=1"


def _create(engine: EngineDaemon) -> tuple[str, str, str]:
    return f"new-{time.monotonic_ns()}", "POST", ""


def _kill(engine: EngineDaemon) -> tuple[str, str, str]:
    return engine.run("sleep", "600"), "POST", "kill"


CHANGES = {"creating": _create, "starting": _start, "ending": _kill, "removing": _remove}
DELAYS = random.Random(7)


@pytest.mark.parametrize("victim", VICTIMS)
@pytest.mark.parametrize("change", CHANGES)
def test_in_the_middle_of(engine: EngineDaemon, change: str, victim: str) -> None:
    """Some containers each time, so that the blow finds them at different steps of the change."""
    for _ in range(ROUNDS):
        targets = [CHANGES[change](engine) for _ in range(4)]
        with ThreadPoolExecutor(4) as pool:
            answers = [pool.submit(_change, engine, change, *target) for target in targets]
            time.sleep(DELAYS.uniform(0, LONGEST_DELAY_SECONDS))
            strike(engine, victim)
            for answer in answers:
                found = answer.result()
                assert found is None or found.status in (200, 201, 204, 304, 404, 409, 500, 503), found.body
        assert_truthful(engine)
        for target in targets:
            _bring_to_its_end(engine, change, target[0])
        assert_truthful(engine)


def _change(engine: EngineDaemon, change: str, name: str, method: str, verb: str) -> Answer | None:
    if change == "creating":
        return _try(engine, "POST", f"/containers/create?name={name}", {"Image": "busybox", "Cmd": ["true"]})
    return _try(engine, method, f"/containers/{name}{verb if verb.startswith('?') else f'/{verb}'}")


def _try(engine: EngineDaemon, method: str, path: str, body: object = None) -> Answer | None:
    """The answer, or None when the daemon died over it."""
    try:
        return engine.request(method, path, body)
    except (OSError, ValueError, EOFError):
        return None


def _bring_to_its_end(engine: EngineDaemon, change: str, name: str) -> None:
    """Whatever half of the change was done, the other half can be done now."""
    found = engine.request("GET", f"/containers/{name}/json")
    if found.status == 404:
        assert change in ("creating", "removing")
        return
    state = found.document["State"]
    if change == "starting":
        if state["Status"] == "created":
            assert engine.request("POST", f"/containers/{name}/start").status == 204
        assert engine.wait(name) in (5, LOST)
    assert engine.request("DELETE", f"/containers/{name}?force=1").status == 204
