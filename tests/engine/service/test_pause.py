"""Pause: everything stands still when it is answered, and every other verb does what dockerd's does."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.engine.api.raw_client import RawClient
from tests.engine.daemon import EngineDaemon, wait_until
from tests.engine.service.observing import actions, kill_daemon, post, state

pytestmark = pytest.mark.requires_root
COUNT = "i=0; while :; do echo $i; i=$((i+1)); done"


@pytest.fixture
def counting(engine: EngineDaemon) -> str:
    """A container that counts as fast as it can."""
    container_id = engine.run("sh", "-c", COUNT, name="counting", HostConfig={"LogConfig": {"Config": {"max-size": "1m"}}})
    wait_until(lambda: _end_of_log(engine, container_id), "the first output")
    return container_id


def _end_of_log(engine: EngineDaemon, container_id: str) -> bytes:
    return engine.request("GET", f"/containers/{container_id}/logs?stdout=1&tail=1").body


def _control(engine: EngineDaemon, container_id: str, name: str) -> Path:
    """A control file of the container, in the tree of version 2."""
    below = f"atelier-{engine.instance}/c-{container_id}/{name}"
    return next(path for root in ("/sys/fs/cgroup/unified", "/sys/fs/cgroup") if (path := Path(root, below)).exists())


def test_nothing_moves_once_it_is_answered(engine: EngineDaemon, counting: str) -> None:
    assert post(engine, f"/containers/{counting}/pause") == 204
    # Written by the supervisor shortly after, what was in the pipe already may still arrive.
    time.sleep(0.2)
    before = _end_of_log(engine, counting)
    time.sleep(0.2)
    assert _end_of_log(engine, counting) == before
    assert engine.inspect(counting)["State"]["Paused"] is True
    assert post(engine, f"/containers/{counting}/unpause") == 204
    wait_until(lambda: _end_of_log(engine, counting) != before, "the count to go on")


def test_processes_that_are_being_born_are_frozen_too(engine: EngineDaemon) -> None:
    container_id = engine.run("sh", "-c", "while :; do true & sleep 0.001; wait; done", name="forking")
    for _ in range(10):
        assert post(engine, "/containers/forking/pause") == 204
        assert "frozen 1" in _control(engine, container_id, "cgroup.events").read_text()
        assert post(engine, "/containers/forking/unpause") == 204


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/containers/counting/pause", 409),
        ("POST", "/containers/counting/start", 409),
        ("DELETE", "/containers/counting", 409),
        ("POST", "/containers/counting/dial?port=80", 409),
        ("POST", "/containers/counting/rename?name=counted", 204),
        ("GET", "/containers/counting/logs?stdout=1&tail=1", 200),
        ("GET", "/containers/counting/json", 200),
    ],
)
def test_what_a_paused_container_answers(engine: EngineDaemon, counting: str, method: str, path: str, status: int) -> None:
    assert post(engine, f"/containers/{counting}/pause") == 204
    assert engine.request(method, path).status == status


def test_no_exec_begins_in_a_paused_container(engine: EngineDaemon, counting: str) -> None:
    post(engine, f"/containers/{counting}/pause")
    assert post(engine, f"/containers/{counting}/exec", {"Cmd": ["true"]}) == 409


@pytest.mark.parametrize("name", ["created", "ended"])
def test_what_does_not_run_is_not_paused(engine: EngineDaemon, name: str) -> None:
    engine.create("true", name="created")
    assert engine.wait(engine.run("true", name="ended")) == 0
    assert post(engine, f"/containers/{name}/pause") == 409
    assert post(engine, f"/containers/{name}/unpause") == 409


def test_what_runs_is_not_unpaused(engine: EngineDaemon, counting: str) -> None:
    assert post(engine, f"/containers/{counting}/unpause") == 409


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("POST", "/containers/lab/stop?t=20", 143),
        ("POST", "/containers/lab/kill", 137),
        ("POST", "/containers/lab/kill?signal=TERM", 143),
    ],
)
def test_what_ends_a_container_ends_a_paused_one(engine: EngineDaemon, method: str, path: str, code: int) -> None:
    container_id = engine.run("sh", "-c", "trap 'exit 143' TERM; while :; do sleep 0.05; done", name="lab")
    time.sleep(0.2)
    post(engine, "/containers/lab/pause")
    assert engine.request(method, path).status == 204
    assert engine.wait(container_id) == code


def test_a_paused_container_is_restarted_and_removed_by_force(engine: EngineDaemon) -> None:
    engine.run("sleep", "600", name="lab")
    post(engine, "/containers/lab/pause")
    assert post(engine, "/containers/lab/restart?t=0") == 204
    assert state(engine, "lab") == "running"
    post(engine, "/containers/lab/pause")
    assert engine.request("DELETE", "/containers/lab?force=1").status == 204


def test_other_signals_wait_until_it_goes_on(engine: EngineDaemon) -> None:
    container_id = engine.run("sh", "-c", "trap 'exit 7' USR1; while :; do sleep 0.05; done", name="lab")
    time.sleep(0.2)
    post(engine, "/containers/lab/pause")
    assert post(engine, "/containers/lab/kill?signal=USR1") == 204
    assert state(engine, "lab") == "paused"
    post(engine, "/containers/lab/unpause")
    assert engine.wait(container_id) == 7


def test_attached_clients_go_on(engine: EngineDaemon) -> None:
    engine.run("sh", "-c", "while read line; do echo got $line; done", name="lab", OpenStdin=True)
    with RawClient(engine) as client:
        client.post("/containers/lab/attach?stream=1&stdin=1&stdout=1")
        client.head()
        post(engine, "/containers/lab/pause")
        client.socket.sendall(b"early\n")
        post(engine, "/containers/lab/unpause")
        client.read_until(b"got early")


def test_events_and_list_tell_of_it(engine: EngineDaemon, counting: str) -> None:
    since = time.time()
    assert engine.cli("pause", "counting").stdout == b"counting\n"
    listed = engine.request("GET", '/containers/json?filters={"status":["paused"]}').document
    assert [one["State"] for one in listed] == ["paused"]
    assert listed[0]["Status"].endswith("(Paused)")
    assert engine.cli("unpause", "counting").returncode == 0
    assert actions(engine, since, "counting") == ["pause", "unpause"]


def test_no_other_tenant_pauses_it(engine: EngineDaemon, counting: str) -> None:
    assert post(engine, f"/containers/{counting}/pause", tenant="blue") == 404
    assert post(engine, f"/containers/{counting}/unpause", tenant="blue") == 404


def test_it_stays_paused_when_the_daemon_dies(start_engine: Callable[..., EngineDaemon]) -> None:
    engine = start_engine()
    engine.run("sh", "-c", "sleep 0.2; exit 5", name="lab")
    post(engine, "/containers/lab/pause")
    kill_daemon(engine)
    assert state(engine, "lab") == "paused"
    assert post(engine, "/containers/lab/unpause") == 204
    assert engine.wait("lab") == 5


def test_a_pause_that_was_cut_off_is_recorded_as_it_is(start_engine: Callable[..., EngineDaemon]) -> None:
    engine = start_engine()
    engine.run("sleep", "600", name="lab")
    container_id = engine.inspect("lab")["Id"]
    engine.kill()
    control = _control(engine, container_id, "cgroup.freeze")
    control.write_text("1")
    engine.start()
    assert state(engine, "lab") == "paused"
    engine.kill()
    control.write_text("0")
    engine.start()
    assert state(engine, "lab") == "running"
