"""Rename on the network too, signals by every name, restart of what removes itself, removal with a link."""

import time

import pytest

from tests.engine.daemon import EngineDaemon
from tests.engine.service.observing import actions, post, state

pytestmark = pytest.mark.requires_root


def test_a_new_name_is_known_on_the_network(engine: EngineDaemon) -> None:
    since = time.time()
    engine.run("sleep", "600", name="lab")
    assert post(engine, "/containers/lab/rename?name=other") == 204
    found = engine.inspect("other")
    members = engine.request("GET", "/networks/bridge").document["Containers"]
    assert members[found["Id"]]["Name"] == "other"
    assert engine.request("GET", "/containers/lab/json").status == 404
    assert actions(engine, since, found["Id"]) == ["create", "start", "rename"]


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("TERM", 143),
        ("SIGTERM", 143),
        ("15", 143),
        ("sigusr2", 140),
        ("RTMIN", 162),
        ("SIGRTMIN+3", 165),
        ("RTMAX-1", 191),
        ("64", 192),
    ],
)
def test_signals_are_sent_by_name_and_number(engine: EngineDaemon, name: str, code: int) -> None:
    """Without a handler the first process of a container ignores them, so a small init passes them on."""
    container_id = engine.run("sleep", "600", HostConfig={"Init": True})
    time.sleep(0.3)
    assert engine.cli("kill", "--signal", name, container_id).returncode == 0
    assert engine.wait(container_id) == code


@pytest.mark.parametrize("name", ["0", "65", "-1", "TERMINATE", "RTMIN+31", "RTMAX-99", "9;8"])
def test_what_is_no_signal_is_refused(engine: EngineDaemon, name: str) -> None:
    engine.run("sleep", "600", name="lab")
    assert engine.cli("kill", f"--signal={name}", "lab").returncode == 1
    assert state(engine, "lab") == "running"


def test_what_removes_itself_stays_through_a_restart(engine: EngineDaemon) -> None:
    container_id = engine.run("sleep", "600", name="lab", HostConfig={"AutoRemove": True})
    assert post(engine, "/containers/lab/restart?t=0") == 204
    assert (engine.inspect("lab")["Id"], state(engine, "lab")) == (container_id, "running")
    assert post(engine, "/containers/lab/stop?t=0") == 204
    engine.request("POST", f"/containers/{container_id}/wait?condition=removed")
    assert engine.request("GET", "/containers/lab/json").status == 404


def test_a_stop_without_patience_kills_and_one_with_all_of_it_waits(engine: EngineDaemon) -> None:
    deaf = engine.run("sleep", "600")
    assert post(engine, f"/containers/{deaf}/stop?t=0") == 204
    assert engine.inspect(deaf)["State"]["ExitCode"] == 137
    slow = engine.run("sh", "-c", "trap 'sleep 0.5; exit 3' TERM; while :; do sleep 0.05; done")
    time.sleep(0.3)
    assert post(engine, f"/containers/{slow}/stop?t=-1") == 204
    assert engine.inspect(slow)["State"]["ExitCode"] == 3
