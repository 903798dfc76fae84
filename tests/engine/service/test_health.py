"""Health checks with real containers: what is told, what a probe may not do, and what a killed daemon goes on with."""

import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from tests.engine.busybox_image import busybox_tar
from tests.engine.daemon import EngineDaemon, wait_until
from tests.engine.service.observing import actions, kill_daemon, post, state

pytestmark = pytest.mark.requires_root
MS = 10**6
QUICK = {"Interval": 100 * MS, "Timeout": 5000 * MS, "Retries": 2}


def _check(command: str, **fields: object) -> dict[str, object]:
    return {"Test": ["CMD-SHELL", command], **QUICK, **fields}


def _health(engine: EngineDaemon, name: str = "lab") -> Any:
    return engine.inspect(name)["State"]["Health"]


def _run(engine: EngineDaemon, command: str, **fields: object) -> str:
    return engine.run("sleep", "600", name="lab", Healthcheck=_check(command, **fields))


def _wait_for_health(engine: EngineDaemon, wanted: str) -> None:
    wait_until(lambda: _health(engine)["Status"] == wanted, f"lab to be {wanted}", hint=lambda: str(_health(engine)))


def _wait_for_probes(engine: EngineDaemon, count: int) -> None:
    wait_until(lambda: len(_health(engine)["Log"]) >= count, f"{count} probes")


def test_it_becomes_healthy_and_unhealthy_and_tells_so(engine: EngineDaemon) -> None:
    since = time.time()
    _run(engine, "echo looked; test ! -e /broken")
    assert _health(engine) == {"Status": "starting", "FailingStreak": 0, "Log": []}
    assert b"(health: starting)" in engine.cli("ps").stdout
    _wait_for_health(engine, "healthy")
    assert b"(healthy)" in engine.cli("ps").stdout
    engine.cli("exec", "lab", "touch", "/broken")
    _wait_for_health(engine, "unhealthy")
    entry = _health(engine)["Log"][-1]
    assert (entry["ExitCode"], entry["Output"]) == (1, "looked\n")
    assert entry["Start"] < entry["End"]
    assert _health(engine)["FailingStreak"] >= 2
    told = actions(engine, since, "lab")
    assert [action for action in told if action.startswith("health")] == ["health_status: healthy", "health_status: unhealthy"]
    probe = "/bin/sh -c echo looked; test ! -e /broken"
    assert {f"exec_create: {probe}", f"exec_start: {probe}", "exec_die"} <= set(told)


@pytest.mark.parametrize("word", ["none", "starting", "healthy", "unhealthy"])
def test_lists_are_filtered_by_health(engine: EngineDaemon, word: str) -> None:
    engine.run("sleep", "600", name="none")
    engine.run("sleep", "600", name="starting", Healthcheck={"Test": ["CMD", "true"]})
    engine.run("sleep", "600", name="healthy", Healthcheck=_check("true"))
    engine.run("sleep", "600", name="unhealthy", Healthcheck=_check("false", Retries=1))
    for name in ("healthy", "unhealthy"):
        wait_until(lambda name=name: _health(engine, name)["Status"] == name, f"{name}")  # type: ignore[misc]  # lambda default
    listed = engine.request("GET", f"/containers/json?filters={quote(json.dumps({'health': [word]}))}").document
    assert [one["Names"] for one in listed] == [[f"/{word}"]]


def test_a_probe_that_takes_too_long_is_killed_with_its_children(engine: EngineDaemon) -> None:
    _run(
        engine,
        "sleep 54321 & sleep 54321",
        Timeout=200 * MS,
        Interval=10_000 * MS,
        StartPeriod=60_000 * MS,
        StartInterval=100 * MS,
    )
    _wait_for_probes(engine, 2)
    entry = _health(engine)["Log"][0]
    assert (entry["ExitCode"], entry["Output"]) == (-1, "Health check exceeded timeout (200ms)")
    assert engine.cli("top", "lab", "-eo", "pid,args").stdout.count(b"54321") <= 2  # those of one probe


def test_failures_do_not_count_while_it_starts(engine: EngineDaemon) -> None:
    _run(engine, "false", StartPeriod=600_000 * MS, StartInterval=100 * MS, Interval=600_000 * MS, Retries=1)
    _wait_for_probes(engine, 3)
    assert (_health(engine)["Status"], _health(engine)["FailingStreak"]) == ("starting", 0)


def test_of_a_flood_the_beginning_is_kept(engine: EngineDaemon) -> None:
    _run(engine, "head -c 30000000 /dev/zero | tr '\\0' a")
    _wait_for_health(engine, "healthy")
    assert _health(engine)["Log"][0]["Output"] == "a" * 4096 + "..."


def test_a_program_that_is_not_there_is_a_failure(engine: EngineDaemon) -> None:
    engine.run("sleep", "600", name="lab", Healthcheck={**QUICK, "Test": ["CMD", "/no/such"], "Retries": 1})
    _wait_for_health(engine, "unhealthy")
    assert "/no/such" in _health(engine)["Log"][0]["Output"]


def test_nothing_is_left_of_probes(engine: EngineDaemon) -> None:
    container_id = _run(engine, "true")
    _wait_for_probes(engine, 5)
    folder = engine.data_path / "engine" / "containers" / container_id / "execs"
    wait_until(lambda: len(list(folder.iterdir())) < 40, "old probes to be deleted")
    first = sorted(path.name for path in folder.iterdir())
    wait_until(lambda: not {path.name for path in folder.iterdir()} & set(first), "those to be deleted")


def test_probes_never_overlap(engine: EngineDaemon) -> None:
    _run(engine, "mkdir /one || { touch /two; exit 1; }; sleep 0.3; rmdir /one", Interval=1 * MS)
    _wait_for_probes(engine, 3)
    assert engine.cli("exec", "lab", "test", "-e", "/two").returncode == 1


def test_it_stands_still_while_it_is_paused_and_when_it_has_ended(engine: EngineDaemon) -> None:
    _run(engine, "sleep 0.2; true")
    _wait_for_health(engine, "healthy")
    post(engine, "/containers/lab/pause")
    paused = _health(engine)
    time.sleep(0.5)
    assert _health(engine) == paused
    post(engine, "/containers/lab/unpause")
    wait_until(lambda: _health(engine) != paused, "probes to go on")
    post(engine, "/containers/lab/stop?t=0")
    ended = _health(engine)
    time.sleep(0.5)
    assert _health(engine) == ended
    post(engine, "/containers/lab/start")
    assert _health(engine)["Status"] == "starting"


def test_a_container_that_stops_answering_probes_is_stopped_all_the_same(engine: EngineDaemon) -> None:
    _run(engine, "sleep 600", Timeout=600_000 * MS)
    wait_until(lambda: engine.inspect("lab")["ExecIDs"], "a probe to run")
    assert post(engine, "/containers/lab/stop?t=0") == 204
    assert state(engine, "lab") == "exited"


def test_what_the_image_says_is_done_and_can_be_switched_off(engine: EngineDaemon) -> None:
    changes = ['CMD ["sleep","600"]', "HEALTHCHECK --interval=100ms --retries=1 CMD test -e /ok"]
    query = "&".join(f"changes={quote(change)}" for change in changes)
    assert engine.request("POST", f"/images/create?fromSrc=-&repo=checked&tag=latest&{query}", busybox_tar()).status == 200
    assert engine.request("GET", "/images/checked/json").document["Config"]["Healthcheck"] == {
        "Test": ["CMD-SHELL", "test -e /ok"],
        "Interval": 100 * MS,
        "Retries": 1,
    }
    assert engine.cli("run", "-d", "--name", "lab", "checked").returncode == 0
    _wait_for_health(engine, "unhealthy")
    engine.cli("exec", "lab", "touch", "/ok")
    _wait_for_health(engine, "healthy")
    assert engine.cli("run", "-d", "--name", "unwatched", "--no-healthcheck", "checked").returncode == 0
    assert "Health" not in engine.inspect("unwatched")["State"]
    assert engine.cli("run", "-d", "--name", "other", "--health-cmd", "true", "--health-retries", "7", "checked").returncode == 0
    assert engine.inspect("other")["Config"]["Healthcheck"] == {
        "Test": ["CMD-SHELL", "true"],
        "Interval": 100 * MS,
        "Retries": 7,
    }


@pytest.mark.parametrize(
    "check",
    [
        {"Test": ["CMD-SHELL", "true"], "Interval": 1},
        {"Test": ["CMD-SHELL", "true"], "Timeout": 999_999},
        {"Test": ["CMD-SHELL", "true"], "StartPeriod": -1},
        {"Test": ["CMD-SHELL", "true"], "StartInterval": 10},
        {"Test": ["CMD-SHELL", "true"], "Retries": -1},
        {"Test": ["CMD"]},
        {"Test": ["PERHAPS", "true"]},
        {"Test": "true"},
    ],
)
def test_what_cannot_be_carried_out_is_refused(engine: EngineDaemon, check: object) -> None:
    assert post(engine, "/containers/create", {"Image": "busybox", "Cmd": ["true"], "Healthcheck": check}) == 400


def test_a_killed_daemon_leaves_probing_to_the_next(start_engine: Callable[..., EngineDaemon]) -> None:
    """A probe that was under way ends with its daemon's successor, so that two never run at once."""
    engine = start_engine()
    _run(engine, "test ! -e /hang || { touch /hung; sleep 600; }; test ! -e /broken", Timeout=60_000 * MS)
    _wait_for_health(engine, "healthy")
    kill_daemon(engine)
    assert _health(engine)["Status"] == "healthy"
    engine.cli("exec", "lab", "touch", "/hang")
    wait_until(lambda: engine.cli("exec", "lab", "test", "-e", "/hung").returncode == 0, "a probe that hangs")
    engine.kill()
    engine.start()
    engine.cli("exec", "lab", "sh", "-c", "rm /hang; touch /broken")
    _wait_for_health(engine, "unhealthy")
    wait_until(lambda: b"sleep 600; }" not in engine.cli("top", "lab", "-eo", "pid,args").stdout, "the old probe to be gone")
