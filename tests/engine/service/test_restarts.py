"""Daemon and supervisor are killed: containers go on, terminals too, logs are complete, exit codes known."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.engine.api.raw_client import RawClient
from tests.engine.daemon import EngineDaemon, wait_until

pytestmark = pytest.mark.requires_root

COUNT = "i=0; while [ ! -e /enough ]; do echo $i; i=$((i+1)); sleep 0.05; done; echo $i in all; exit 9"


def _kill_supervisor(engine: EngineDaemon) -> None:
    pid = engine.supervisor_pid()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    # Served only once the new supervisor has been handed everything; a daemon killed before that is the case of both at once.
    assert engine.wait(engine.run("true")) == 0


def _kill_daemon(engine: EngineDaemon) -> None:
    engine.kill()
    engine.start()


def _stop_daemon(engine: EngineDaemon) -> None:
    engine.stop()
    engine.start()


@pytest.mark.parametrize(
    "incidents",
    [[_kill_daemon], [_stop_daemon], [_kill_supervisor], [_kill_daemon, _kill_supervisor], [_kill_supervisor, _kill_daemon]],
    ids=["daemon killed", "daemon stopped", "supervisor killed", "daemon, then supervisor", "supervisor, then daemon"],
)
def test_containers_go_on_with_logs_and_exit_codes(
    start_engine: Callable[..., EngineDaemon], incidents: list[Callable[[EngineDaemon], None]]
) -> None:
    engine = start_engine()
    counting = engine.run("sh", "-c", COUNT)
    short = engine.run("sh", "-c", "sleep 0.3; exit 4")
    pid = engine.inspect(counting)["State"]["Pid"]
    for incident in incidents:
        incident(engine)
    assert engine.inspect(counting)["State"]["Pid"] == pid
    engine.cli("exec", counting, "touch", "/enough", check=True)
    assert engine.wait(counting) == 9
    *lines, last = engine.output(counting).decode().splitlines()
    assert (lines, last) == ([str(number) for number in range(len(lines))], f"{len(lines)} in all")
    assert engine.wait(short) == 4


def test_a_terminal_is_joined_again_after_both_have_died(start_engine: Callable[..., EngineDaemon]) -> None:
    engine = start_engine()
    container_id = engine.run("sleep", "600", name="lab")
    body = {"Cmd": ["sh"], "Tty": True, "AttachStdin": True, "AttachStdout": True}
    exec_id = engine.request("POST", f"/containers/{container_id}/exec", body).document["Id"]
    engine.request("POST", f"/exec/{exec_id}/start", {"Detach": True, "Tty": True})
    with RawClient(engine) as client:
        client.post(f"/exec/{exec_id}/attach?stdin=1&replay=1")
        client.head()
        client.socket.sendall(b"x=$((6*7)); echo $x\n")
        client.read_until(b"42")
    _kill_daemon(engine)
    _kill_supervisor(engine)
    with RawClient(engine) as client:
        client.post(f"/exec/{exec_id}/attach?stdin=1&replay=1")
        client.head()
        client.socket.sendall(b"echo still-$x; exit 3\n")
        assert b"42" in client.read_until(b"still-42")
    wait_until(
        lambda: engine.request("GET", f"/exec/{exec_id}/json").document["ExitCode"] == 3,
        "the exec's exit code",
    )


def test_both_killed_at_once_lose_streams_but_no_container(start_engine: Callable[..., EngineDaemon]) -> None:
    engine = start_engine()
    container_id = engine.run("sleep", "600")
    ended = engine.run("sleep", "0.2")
    supervisor = engine.supervisor_pid()
    assert supervisor is not None
    os.kill(engine.pid, signal.SIGSTOP)  # so that it cannot start another supervisor in between
    os.kill(supervisor, signal.SIGKILL)
    engine.kill()
    engine.start()
    assert engine.inspect(container_id)["State"]["Running"] is True
    assert engine.request("POST", f"/containers/{container_id}/kill").status == 204
    assert engine.inspect(container_id)["State"]["Status"] == "exited"
    wait_until(lambda: engine.inspect(ended)["State"]["Status"] == "exited", "the end to be noticed")


def test_a_daemon_that_is_stopped_leaves_an_idle_host_clean(start_engine: Callable[..., EngineDaemon]) -> None:
    engine = start_engine()
    engine.wait(engine.run("true"))
    engine.stop()
    wait_until(lambda: not engine.leftovers(), "a clean host", hint=lambda: str(engine.leftovers()))
    engine.start()
    assert len(engine.request("GET", "/containers/json?all=1").document) == 1


def test_a_second_daemon_on_the_same_data_is_refused(start_engine: Callable[..., EngineDaemon]) -> None:
    engine = start_engine()
    second = EngineDaemon()
    second.data_path = engine.data_path
    with pytest.raises(AssertionError, match="another engine already serves"):
        second.start()
    second.destroy()


def test_a_container_that_removes_itself_goes_also_when_it_ends_without_a_daemon(
    start_engine: Callable[..., EngineDaemon],
) -> None:
    engine = start_engine()
    container_id = engine.run("sleep", "0.3", HostConfig={"AutoRemove": True})
    pid = engine.inspect(container_id)["State"]["Pid"]
    engine.kill()
    wait_until(lambda: not Path(f"/proc/{pid}").exists(), "the end")
    engine.start()
    assert engine.request("GET", f"/containers/{container_id}/json").status == 404


def test_half_made_folders_are_cleared_away(start_engine: Callable[..., EngineDaemon]) -> None:
    engine = start_engine()
    engine.stop()
    stray = engine.data_path / "engine" / "containers" / ("f" * 64)
    with engine.data_at_rest():
        stray.mkdir()
    engine.start()
    assert not stray.exists()
