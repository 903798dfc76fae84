"""The supervisor puts itself on other code under running containers: none of them notices; a failure leaves the former one."""

import asyncio
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

import engine as engine_package
from engine.errors import Fault
from engine.runtime import spawn
from engine.runtime.connection import Connection
from tests.engine.api.raw_client import RawClient
from tests.engine.daemon import EngineDaemon, wait_until

pytestmark = pytest.mark.requires_root

SOURCE = Path(engine_package.__file__).parent
UPGRADES = 6
BULK = 300_000
SLOW = "i=0; while [ $i -lt 40 ]; do echo line $i; i=$((i+1)); sleep 0.1; done; exit %d"
SLOW_OUTPUT = b"".join(b"line %d\n" % number for number in range(40))
ANSWER = "while read line; do [ $line = end ] && exit 7; echo got $line; done"


def upgrade(daemon: EngineDaemon) -> None:
    """Have the supervisor executed anew, and wait until it has been."""
    before = _renewals(daemon)
    os.kill(daemon.pid, signal.SIGHUP)
    wait_until(lambda: _renewals(daemon) > before, "the upgrade", hint=daemon.log_path.read_text)


def _renewals(daemon: EngineDaemon) -> int:
    return daemon.log_path.read_text().count("runs code")


@contextmanager
def other_code(folder: Path, **changes: str) -> Iterator[dict[str, str]]:
    """A copy of the engine with text appended to modules of its runtime: the environment that makes a daemon run it."""
    shutil.copytree(SOURCE, folder / "engine", ignore=shutil.ignore_patterns("__pycache__"))
    for module, text in changes.items():
        with (folder / "engine" / "runtime" / f"{module}.py").open("a") as file:
            file.write(text)
    yield {"PYTHONPATH": str(folder), "PYTHONSAFEPATH": "1"}


def restart_on(daemon: EngineDaemon, environment: dict[str, str]) -> None:
    daemon.stop()
    daemon.environment = environment
    daemon.start()


class Typist:
    """Somebody at a container's input."""

    def __init__(self, daemon: EngineDaemon, client: RawClient, *, tty: bool) -> None:
        self.container_id = daemon.create("sh", "-c", ANSWER, Tty=tty, OpenStdin=True, AttachStdin=True)
        self._client = client
        client.post(f"/containers/{self.container_id}/attach?stream=1&stdin=1&stdout=1")
        client.head()
        assert daemon.request("POST", f"/containers/{self.container_id}/start").status == 204

    def type(self, text: bytes) -> None:
        self._client.socket.sendall(text + b"\n")
        self._client.read_until(b"got " + text)

    def end(self) -> None:
        self._client.socket.sendall(b"end\n")


def test_fifty_containers_do_not_notice_that_the_supervisor_is_executed_anew(
    start_engine: Callable[..., EngineDaemon],
) -> None:
    engine = start_engine()
    supervisor = engine.supervisor_pid()
    with ExitStack() as stack, ThreadPoolExecutor(8) as pool:
        slow = list(pool.map(lambda number: engine.run("sh", "-c", SLOW % number), range(26)))
        bulk = list(pool.map(lambda _: engine.run("seq", "1", str(BULK)), range(4)))
        typists = [Typist(engine, stack.enter_context(RawClient(engine)), tty=number % 2 == 0) for number in range(10)]
        quiet = list(pool.map(lambda _: engine.run("sleep", "600"), range(10)))
        execs = [_exec(engine, container_id, f"sleep 1; seq 1 20000; exit {number}") for number, container_id in enumerate(quiet)]
        for number in range(UPGRADES):
            upgrade(engine)
            for typist in typists:
                typist.type(b"%d" % number)
            time.sleep(0.1)
        assert engine.supervisor_pid() == supervisor
        for typist in typists:
            typist.end()
            assert engine.wait(typist.container_id) == 7
        assert [engine.wait(container_id) for container_id in slow] == list(range(26))
        assert [engine.output(container_id) for container_id in slow] == [SLOW_OUTPUT] * 26
        assert [engine.wait(container_id) for container_id in bulk] == [0] * 4
        expected = b"".join(b"%d\n" % number for number in range(1, BULK + 1))
        assert all(engine.output(container_id) == expected for container_id in bulk)
        for number, exec_id in enumerate(execs):
            _expect_exit(engine, exec_id, number)
        assert all(engine.inspect(container_id)["State"]["Running"] for container_id in quiet)
    assert engine.wait(engine.run("true")) == 0


def _exec(engine: EngineDaemon, container_id: str, script: str) -> str:
    body = {"Cmd": ["sh", "-c", script], "AttachStdout": True}
    exec_id = str(engine.request("POST", f"/containers/{container_id}/exec", body).document["Id"])
    assert engine.request("POST", f"/exec/{exec_id}/start", {"Detach": True}).status == 200
    return exec_id


def _expect_exit(engine: EngineDaemon, exec_id: str, code: int) -> None:
    wait_until(lambda: not engine.request("GET", f"/exec/{exec_id}/json").document["Running"], "the end of an exec")
    assert engine.request("GET", f"/exec/{exec_id}/json").document["ExitCode"] == code


def test_starts_and_ends_between_upgrades_are_whole(start_engine: Callable[..., EngineDaemon]) -> None:
    """Some of them are in every state at the moment of the exec."""
    engine = start_engine()

    def live(number: int) -> tuple[int, bytes]:
        container_id = engine.run("sh", "-c", f"echo {number}; exit {number}")
        code, output = engine.wait(container_id), engine.output(container_id)
        assert engine.request("DELETE", f"/containers/{container_id}").status == 204
        return code, output

    with ThreadPoolExecutor(6) as pool:
        lives = pool.map(live, range(120))
        for _ in range(10):
            upgrade(engine)
        assert list(lives) == [(number, b"%d\n" % number) for number in range(120)]


def test_children_that_a_dead_container_process_left_behind_keep_their_pipe(start_engine: Callable[..., EngineDaemon]) -> None:
    engine = start_engine()
    container_id = engine.run("sh", "-c", "while :; do sleep 0.05; done")
    script = "(for i in 1 2 3 4 5 6 7 8; do sleep 0.2; echo still here; done; echo done > /done) & exit 0"
    exec_id = _exec(engine, container_id, script)
    _expect_exit(engine, exec_id, 0)
    upgrade(engine)
    wait_until(lambda: engine.cli("exec", container_id, "cat", "/done").stdout == b"done\n", "a child to write to its pipe")


def test_a_daemon_of_other_code_renews_the_supervisor_that_it_finds(
    start_engine: Callable[..., EngineDaemon], tmp_path: Path
) -> None:
    with other_code(tmp_path, custody="# of another version\n") as environment:
        engine = start_engine(**environment)
        container_id = engine.run("sh", "-c", SLOW % 5)
        supervisor = engine.supervisor_pid()
        assert _program(supervisor).count(str(tmp_path)) == 1
        restart_on(engine, {})
        wait_until(lambda: _renewals(engine) == 1, "the upgrade", hint=engine.log_path.read_text)
        assert engine.supervisor_pid() == supervisor
        assert str(tmp_path) not in _program(supervisor)
        restart_on(engine, {})
        assert engine.wait(container_id) == 5
        assert engine.output(container_id) == SLOW_OUTPUT
        assert _renewals(engine) == 1  # the same code needs none


def _program(pid: int | None) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text()


def test_code_that_cannot_be_loaded_leaves_the_former_one(start_engine: Callable[..., EngineDaemon], tmp_path: Path) -> None:
    engine = start_engine()
    container_id = engine.run("sh", "-c", SLOW % 6)
    supervisor = engine.supervisor_pid()
    with other_code(tmp_path, reactor="raise RuntimeError('a half-copied file')\n") as environment:
        restart_on(engine, environment)
        wait_until(lambda: "stays on its former code" in engine.log_path.read_text(), "the refusal")
        assert engine.supervisor_pid() == supervisor
        assert engine.cli("exec", container_id, "echo", "here").stdout == b"here\n"
        assert engine.wait(container_id) == 6
    assert engine.output(container_id) == SLOW_OUTPUT
    restart_on(engine, {})


def test_code_that_cannot_read_the_state_is_followed_by_a_supervisor_that_takes_over(
    start_engine: Callable[..., EngineDaemon], tmp_path: Path
) -> None:
    engine = start_engine()
    container_id = engine.run("sh", "-c", SLOW % 6)
    supervisor = engine.supervisor_pid()
    with other_code(tmp_path, upgrade="FORMAT = 0\n") as environment:
        restart_on(engine, environment)
        wait_until(lambda: engine.supervisor_pid() not in (None, supervisor), "the next supervisor")
        assert engine.wait(container_id) == 6
    assert engine.output(container_id) == SLOW_OUTPUT
    restart_on(engine, {})


async def test_a_command_that_cannot_be_executed_leaves_the_supervisor_as_it_was(tmp_path: Path) -> None:
    pid, sock = spawn.start(tmp_path, python=sys.executable)
    connection = Connection(sock, on_event=lambda _body, _fds: None, on_lost=lambda: None)
    with pytest.raises(Fault, match="No such file"):
        await connection.request("upgrade", {"command": ["/nothing/there"]})
    assert (await connection.request("hello"))[0]["pid"] == pid
    assert (await connection.request("quit"))[0]["quits"]
    await asyncio.to_thread(os.waitpid, pid, 0)
    connection.close()
