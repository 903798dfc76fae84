"""Restart policies with real containers: who is started again, who is not, and what a killed daemon goes on with."""

import json
import os
import signal
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.engine.daemon import EngineDaemon, wait_until
from tests.engine.service.observing import actions, kill_daemon, post, state, wait_for_state

pytestmark = pytest.mark.requires_root
ALWAYS = {"RestartPolicy": {"Name": "always"}}
UNLESS_STOPPED = {"RestartPolicy": {"Name": "unless-stopped"}}
THRICE = {"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 3}}
PATIENT = "trap 'exit 0' TERM; while :; do sleep 0.05; done"


def _restarts(engine: EngineDaemon, name: str) -> int:
    return int(engine.inspect(name)["RestartCount"])


def _wait_for_restarts(engine: EngineDaemon, name: str, count: int) -> None:
    wait_until(lambda: _restarts(engine, name) >= count, f"{name} to be started again {count} times")


def _waiting(engine: EngineDaemon, name: str = "lab", host: object = ALWAYS) -> str:
    """A container that waits for its next start for some seconds."""
    container_id = engine.run("sh", "-c", "exit 3", name=name, HostConfig=host)
    _wait_for_restarts(engine, name, 4)
    wait_for_state(engine, name, "restarting")
    return container_id


def test_always_is_started_again_with_growing_pauses(engine: EngineDaemon) -> None:
    since = time.time()
    engine.run("true", name="lab", HostConfig=ALWAYS)
    _wait_for_restarts(engine, "lab", 4)
    assert actions(engine, since, "lab")[:8] == ["create", "start", "die", "start", "die", "start", "die", "start"]
    told = [(event["Action"], event["timeNano"]) for event in _events(engine, since) if event["Action"] in ("die", "start")]
    pauses = [(later - earlier) / 10**9 for (action, earlier), (_, later) in pairwise(told) if action == "die"]
    for pause, least in zip(pauses[:3], (0.1, 0.2, 0.4), strict=True):  # a busy host only makes them longer
        assert pause > least * 0.9


def _events(engine: EngineDaemon, since: float) -> list[dict[str, Any]]:
    body = engine.request("GET", f"/events?since={since:.6f}&until={time.time():.6f}").body
    return [json.loads(line) for line in body.splitlines()]


def test_on_failure_ends_with_success_or_after_its_tries(engine: EngineDaemon) -> None:
    engine.run("sh", "-c", "exit 4", name="failing", HostConfig=THRICE)
    engine.run("true", name="succeeding", HostConfig=THRICE)
    second = "test -e /once || { touch /once; exit 1; }"
    engine.run("sh", "-c", second, name="second", HostConfig={"RestartPolicy": {"Name": "on-failure"}})
    wait_for_state(engine, "failing", "exited")
    assert (_restarts(engine, "failing"), engine.inspect("failing")["State"]["ExitCode"]) == (3, 4)
    wait_for_state(engine, "second", "exited")
    assert (_restarts(engine, "second"), engine.inspect("second")["State"]["ExitCode"]) == (1, 0)
    wait_for_state(engine, "succeeding", "exited")
    assert _restarts(engine, "succeeding") == 0


def test_what_waits_for_its_start_says_so(engine: EngineDaemon) -> None:
    _waiting(engine)
    found = engine.inspect("lab")["State"]
    assert (found["Running"], found["Restarting"], found["Pid"], found["ExitCode"]) == (True, True, 0, 3)
    assert engine.cli("ps", "--format", "{{.Status}}").stdout.startswith(b"Restarting (3) ")
    assert len(engine.request("GET", '/containers/json?filters={"status":["restarting"]}').document) == 1


def test_what_a_waiting_container_answers(engine: EngineDaemon) -> None:
    _waiting(engine)
    requests = [
        ("POST", "/start", 304),
        ("POST", "/pause", 409),
        ("POST", "/exec", 409),
        ("POST", "/attach?stream=1&stdout=1", 409),
        ("POST", "/dial?port=80", 409),
        ("DELETE", "", 409),
        ("GET", "/logs?stdout=1&follow=1", 200),
    ]
    for method, path, status in requests:
        wait_for_state(engine, "lab", "restarting")
        body = {"Cmd": ["true"]} if path == "/exec" else None
        assert engine.request(method, f"/containers/lab{path}", body).status == status


@pytest.mark.parametrize("verb", ["stop", "kill", "kill?signal=TERM"])
def test_what_waits_is_ended_by_hand(engine: EngineDaemon, verb: str) -> None:
    _waiting(engine)
    since = time.time()
    assert post(engine, f"/containers/lab/{verb}") == 204
    assert state(engine, "lab") == "exited"
    assert engine.inspect("lab")["State"]["ExitCode"] == 3
    assert actions(engine, since, "lab") == (["stop"] if verb == "stop" else [])


def test_what_waits_is_removed_by_force_and_stays_away(engine: EngineDaemon) -> None:
    _waiting(engine)
    assert engine.request("DELETE", "/containers/lab?force=1").status == 204
    assert engine.request("GET", "/containers/lab/json").status == 404


def test_what_waits_is_restarted_at_once_and_counts_anew(engine: EngineDaemon) -> None:
    _waiting(engine)
    assert post(engine, "/containers/lab/restart") == 204
    assert _restarts(engine, "lab") < 4


def test_a_new_name_is_kept_through_a_start(engine: EngineDaemon) -> None:
    container_id = _waiting(engine)
    count = _restarts(engine, container_id)
    assert post(engine, "/containers/lab/rename?name=other") == 204
    _wait_for_restarts(engine, container_id, count + 1)
    assert engine.inspect("other")["Id"] == container_id


def test_another_policy_ends_the_waiting(engine: EngineDaemon) -> None:
    _waiting(engine)
    assert engine.cli("update", "--restart", "no", "lab").returncode == 0
    assert state(engine, "lab") == "exited"


def test_a_policy_given_later_is_followed(engine: EngineDaemon) -> None:
    engine.run("sh", "-c", "until test -e /go; do sleep 0.05; done; exit 1", name="lab")
    assert engine.cli("update", "--restart", "on-failure:2", "lab").returncode == 0
    assert engine.inspect("lab")["HostConfig"]["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 2}
    assert engine.cli("exec", "lab", "touch", "/go").returncode == 0
    wait_for_state(engine, "lab", "exited")
    assert _restarts(engine, "lab") == 2


@pytest.mark.parametrize("verb", ["stop?t=0", "kill", "stop"])
def test_what_was_ended_by_hand_is_not_started_again(engine: EngineDaemon, verb: str) -> None:
    engine.run("sh", "-c", PATIENT, name="lab", HostConfig=ALWAYS)
    time.sleep(0.2)
    assert post(engine, f"/containers/lab/{verb}") == 204
    assert state(engine, "lab") == "exited"
    time.sleep(0.3)
    assert (state(engine, "lab"), _restarts(engine, "lab")) == ("exited", 0)


def test_a_signal_that_is_a_message_leaves_the_policy_alone(engine: EngineDaemon) -> None:
    engine.run("sh", "-c", "trap 'exit 1' USR1; while :; do sleep 0.05; done", name="lab", HostConfig=ALWAYS)
    time.sleep(0.2)
    assert post(engine, "/containers/lab/kill?signal=USR1") == 204
    _wait_for_restarts(engine, "lab", 1)


def test_a_wait_ends_with_each_run(engine: EngineDaemon) -> None:
    engine.run("sh", "-c", "sleep 0.1; exit 6", name="lab", HostConfig=ALWAYS)
    for condition in ("next-exit", "not-running", ""):
        answer = engine.request("POST", f"/containers/lab/wait?condition={condition}")
        assert answer.document == {"StatusCode": 6}


def test_run_tells_the_code_of_the_first_run(engine: EngineDaemon) -> None:
    assert engine.cli("run", "--restart", "on-failure:1", "busybox", "sh", "-c", "echo once; exit 5").returncode == 5


def test_a_command_that_cannot_be_executed_ends_the_trying(engine: EngineDaemon) -> None:
    engine.run("sh", "-c", "rm -f /bin/sh; exit 1", name="lab", HostConfig=ALWAYS)
    wait_for_state(engine, "lab", "exited")
    assert "sh" in engine.inspect("lab")["State"]["Error"]


@pytest.mark.parametrize(
    "host",
    [
        {"RestartPolicy": {"Name": "sometimes"}},
        {"RestartPolicy": {"Name": "always", "MaximumRetryCount": 1}},
        {"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": -1}},
        {"RestartPolicy": {"Name": "always"}, "AutoRemove": True},
    ],
)
def test_what_cannot_be_followed_is_refused(engine: EngineDaemon, host: object) -> None:
    assert post(engine, "/containers/create", {"Image": "busybox", "Cmd": ["true"], "HostConfig": host}) == 400


def test_a_killed_daemon_leaves_its_waiting_to_the_next(start_engine: Callable[..., EngineDaemon]) -> None:
    engine = start_engine()
    _waiting(engine)
    kill_daemon(engine)
    count = _restarts(engine, "lab")
    assert state(engine, "lab") in ("restarting", "running")
    _wait_for_restarts(engine, "lab", count + 1)


def test_what_ended_without_a_daemon_is_started_by_the_next(start_engine: Callable[..., EngineDaemon]) -> None:
    engine = start_engine()
    once = "test -e /once && exec sleep 600; touch /once; sleep 0.5; exit 3"
    engine.run("sh", "-c", once, name="failing", HostConfig=THRICE)
    engine.run("sh", "-c", "sleep 0.5", name="succeeding", HostConfig=THRICE)
    engine.kill()
    time.sleep(1)
    engine.start()
    wait_for_state(engine, "failing", "running")
    assert _restarts(engine, "failing") == 1
    assert state(engine, "succeeding") == "exited"


def test_who_is_started_with_the_daemon(start_engine: Callable[..., EngineDaemon]) -> None:
    engine = start_engine()
    for name, host in (("always", ALWAYS), ("unless", UNLESS_STOPPED), ("failure", THRICE), ("none", {})):
        engine.run("sh", "-c", PATIENT, name=name, HostConfig=host)
        engine.create("sleep", "600", name=f"new-{name}", HostConfig=host)
    time.sleep(0.2)
    for name in ("always", "unless", "failure", "none"):
        assert post(engine, f"/containers/{name}/stop") == 204
    engine.stop()
    engine.start()
    wait_for_state(engine, "always", "running")
    assert [state(engine, name) for name in ("unless", "failure", "none")] == ["exited"] * 3
    assert {state(engine, f"new-{name}") for name in ("always", "unless", "failure", "none")} == {"created"}


def test_after_a_restart_of_the_host_they_are_started(start_engine: Callable[..., EngineDaemon]) -> None:
    """As far as records tell: all processes have gone, and nobody saw how."""
    engine = start_engine()
    for name, host in (("always", ALWAYS), ("unless", UNLESS_STOPPED), ("failure", THRICE), ("none", {})):
        engine.run("sleep", "600", name=name, HostConfig=host)
    pids = [engine.inspect(name)["State"]["Pid"] for name in ("always", "unless", "failure", "none")]
    supervisor_pid = engine.supervisor_pid()
    assert supervisor_pid is not None
    engine.kill()
    for pid in (supervisor_pid, *pids):
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), "orphans to be reaped")
    engine.start()
    for name in ("always", "unless", "failure"):
        wait_for_state(engine, name, "running")
    assert state(engine, "none") == "exited"
