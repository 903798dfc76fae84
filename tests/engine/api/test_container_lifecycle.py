"""The life of a container through the API, against a real engine."""

import pytest

from tests.engine.daemon import EngineDaemon

pytestmark = pytest.mark.requires_root


def test_a_container_runs_its_command_and_keeps_its_output_and_exit_code(engine: EngineDaemon) -> None:
    container_id = engine.run("sh", "-c", "echo out; echo err >&2; exit 7")
    assert engine.wait(container_id) == 7
    assert sorted(engine.output(container_id).splitlines()) == [b"err", b"out"]
    state = engine.inspect(container_id)["State"]
    assert (state["Status"], state["ExitCode"], state["Running"], state["Pid"]) == ("exited", 7, False, 0)


def test_starting_twice_is_not_modified(engine: EngineDaemon) -> None:
    container_id = engine.run("sleep", "60")
    assert engine.request("POST", f"/containers/{container_id}/start").status == 304


def test_stopping_a_stopped_container_is_not_modified(engine: EngineDaemon) -> None:
    container_id = engine.create("true")
    assert engine.request("POST", f"/containers/{container_id}/stop").status == 304


def test_stop_asks_first_and_kills_when_the_time_is_up(engine: EngineDaemon) -> None:
    polite = engine.run("sh", "-c", "trap 'exit 3' TERM; while true; do sleep 0.05; done")
    deaf = engine.run("sleep", "60")  # PID 1 without a handler never sees SIGTERM
    assert engine.request("POST", f"/containers/{polite}/stop?t=10").status == 204
    assert engine.request("POST", f"/containers/{deaf}/stop?t=0").status == 204
    assert engine.inspect(polite)["State"]["ExitCode"] == 3
    assert engine.inspect(deaf)["State"]["ExitCode"] == 137


def test_kill_sends_the_signal_that_is_named(engine: EngineDaemon) -> None:
    container_id = engine.run("sh", "-c", "trap 'echo got it; exit 0' USR1; echo ready; while true; do sleep 0.05; done")
    while b"ready" not in engine.output(container_id):
        pass
    assert engine.request("POST", f"/containers/{container_id}/kill?signal=USR1").status == 204
    assert engine.wait(container_id) == 0
    assert b"got it" in engine.output(container_id)


def test_killing_a_container_that_does_not_run_is_a_conflict(engine: EngineDaemon) -> None:
    answer = engine.request("POST", f"/containers/{engine.create('true')}/kill")
    assert (answer.status, "is not running" in answer.message) == (409, True)


def test_restart_runs_it_again_and_the_log_goes_on(engine: EngineDaemon) -> None:
    container_id = engine.run("sh", "-c", "echo once; sleep 60")
    while b"once" not in engine.output(container_id):
        pass
    assert engine.request("POST", f"/containers/{container_id}/restart?t=0").status == 204
    while engine.output(container_id).count(b"once") < 2:
        pass
    assert engine.inspect(container_id)["State"]["Running"] is True


def test_an_exited_container_keeps_its_files_for_the_next_start(engine: EngineDaemon) -> None:
    container_id = engine.run("sh", "-c", "cat /kept 2>/dev/null; echo hello > /kept")
    engine.wait(container_id)
    engine.request("POST", f"/containers/{container_id}/start")
    engine.wait(container_id)
    assert engine.output(container_id) == b"hello\n"


def test_a_running_container_is_removed_by_force_only(engine: EngineDaemon) -> None:
    container_id = engine.run("sleep", "60")
    assert engine.request("DELETE", f"/containers/{container_id}").status == 409
    assert engine.request("DELETE", f"/containers/{container_id}?force=1").status == 204
    assert engine.request("GET", f"/containers/{container_id}/json").status == 404


def test_a_container_that_is_to_go_at_its_exit_goes(engine: EngineDaemon) -> None:
    container_id = engine.create("sh", "-c", "exit 5", HostConfig={"AutoRemove": True})
    engine.request("POST", f"/containers/{container_id}/start")
    answer = engine.request("POST", f"/containers/{container_id}/wait?condition=removed")
    assert answer.status == 404 or answer.document == {"StatusCode": 5}
    assert engine.request("GET", f"/containers/{container_id}/json").status == 404


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        (["nosuch"], 127, "executable file not found in $PATH"),
        (["/nosuch"], 127, "no such file or directory"),
        (["/etc/passwd"], 126, "permission denied"),
    ],
    ids=["not in PATH", "no such path", "not executable"],
)
def test_a_command_that_cannot_run_is_refused_in_dockers_words(
    engine: EngineDaemon, command: list[str], code: int, words: str
) -> None:
    container_id = engine.create(*command)
    answer = engine.request("POST", f"/containers/{container_id}/start")
    assert (answer.status, words in answer.message) == (400, True), answer.message
    state = engine.inspect(container_id)["State"]
    assert (state["Status"], state["ExitCode"]) == ("created", code)
    assert words in state["Error"]


def test_a_name_is_taken_once_and_free_again_after_removal_or_renaming(engine: EngineDaemon) -> None:
    first = engine.create("true", name="one")
    body = {"Image": "busybox"}
    assert engine.request("POST", "/containers/create?name=one", body).status == 409
    assert engine.request("POST", f"/containers/{first}/rename?name=two").status == 204
    second = engine.request("POST", "/containers/create?name=one", body)
    assert second.status == 201
    assert engine.request("POST", f"/containers/{first}/rename?name=one").status == 409
    assert engine.inspect("two")["Id"] == first
    assert engine.inspect(first[:12])["Name"] == "/two"


def test_the_list_is_filtered(engine: EngineDaemon) -> None:
    running = engine.run("sleep", "60", name="runs", Labels={"kind": "a"})
    created = engine.create("true", name="waits", Labels={"kind": "b"})

    def listed(query: str) -> list[str]:
        return [one["Id"] for one in engine.request("GET", f"/containers/json?{query}").document]

    assert listed("") == [running]
    assert listed("all=1") == [created, running]
    assert listed('filters={"label":["kind=b"]}&all=1') == [created]
    assert listed('filters={"label":{"kind":true}}&all=1') == [created, running]
    assert listed('filters={"status":["created"]}') == [created]
    assert listed('filters={"name":["^/runs$"]}') == [running]
    assert listed(f'filters={{"before":["{created}"]}}&all=1') == [running]
    assert listed('filters={"ancestor":["busybox"]}&all=1') == [created, running]
    assert engine.request("GET", '/containers/json?filters={"colour":["red"]}').status == 400


def test_limits_reach_the_kernel_and_inspect(engine: EngineDaemon) -> None:
    limits = {"Memory": 32 * 2**20, "NanoCpus": 500_000_000, "PidsLimit": 20}
    container_id = engine.run("sleep", "60", HostConfig=limits)
    host = engine.inspect(container_id)["HostConfig"]
    assert {name: host[name] for name in limits} == limits
    fork_bomb = engine.run("sh", "-c", "for i in $(seq 40); do sleep 5 & done; wait", HostConfig={"PidsLimit": 10})
    engine.wait(fork_bomb)
    assert b"can't fork" in engine.output(fork_bomb)


def test_a_memory_hog_is_killed_and_said_to_be_out_of_memory(engine: EngineDaemon) -> None:
    # The shell holds one ever longer string.
    script = "x=0123456789abcdef; while true; do x=$x$x; done"
    container_id = engine.run("sh", "-c", script, HostConfig={"Memory": 16 * 2**20})
    assert engine.wait(container_id) == 137
    assert engine.inspect(container_id)["State"]["OOMKilled"] is True
