"""The process manager with small real processes: order, restarts, giving up, reaping, stopping."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from launcher.accounts import Account
from launcher.console import LauncherError
from launcher.manager import SIGNALS, Manager
from launcher.parts import Part
from launcher.project import Project
from launcher.readiness import log_says
from launcher.spawning import Spawner
from launcher.up import become_reaper
from launcher.view import View

SLEEPER = "print('on duty', flush=True); import time; time.sleep(600)"


@pytest.fixture
def managed(tmp_path: Path) -> Iterator[Callable[..., Manager]]:
    """Makes managers whose parts are ended whatever the test does. Signals are blocked as `up` does."""
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    made: list[Manager] = []

    def make(*parts: Part) -> Manager:
        spawner = Spawner(
            Project(tmp_path), Account(os.getuid(), os.getgid(), ()), View((), ()), {"PATH": os.environ["PATH"]}, {}
        )
        made.append(
            Manager(parts, spawner=spawner, log_path=tmp_path, lock_fd=os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT))
        )
        return made[-1]

    yield make
    for manager in made:
        manager.stop()
        os.close(manager.lock_fd)
    signal.sigtimedwait(SIGNALS, 0)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


def part(
    name: str, code: str = SLEEPER, *, needs: tuple[str, ...] = (), stop_stage: int = 0, is_container_parent: bool = False
) -> Part:
    return Part(
        name,
        (sys.executable, "-I", "-S", "-c", code),
        lambda log, offset: log_says(log, offset, b"on duty"),
        needs=needs,
        stop_stage=stop_stage,
        is_root=True,
        is_container_parent=is_container_parent,
    )


def start(manager: Manager, done: list[str] | None = None) -> bool:
    record = done if done is not None else []
    return manager.start(step="database", step_needs="queue", do_step=lambda: record.append("database"))


def stop_soon(manager: Manager, when: Callable[[], bool]) -> None:
    """End ``manager.watch`` with a signal, as a person would, once ``when`` holds; after 20 s in any case."""

    def wait() -> None:
        deadline = time.monotonic() + 20
        while not when() and time.monotonic() < deadline:
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait).start()
    manager.watch()


def test_parts_start_after_what_they_need(managed: Callable[..., Manager], capsys: pytest.CaptureFixture[str]) -> None:
    done: list[str] = []
    manager = managed(part("web", needs=("queue", "database")), part("queue"))
    assert start(manager, done)
    assert done == ["database"]
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["queue", "web"]


def test_a_killed_part_comes_back_with_a_message(managed: Callable[..., Manager], capsys: pytest.CaptureFixture[str]) -> None:
    manager = managed(part("queue"))
    assert start(manager)
    first = manager.pids()["queue"]
    os.kill(first, signal.SIGKILL)
    stop_soon(manager, lambda: manager.pids()["queue"] not in (0, first))
    assert "was killed by SIGKILL, starting it again" in capsys.readouterr().out


def test_what_a_dead_part_left_in_its_group_ends_with_it(managed: Callable[..., Manager], tmp_path: Path) -> None:
    child = forking_into(tmp_path / "child")
    manager = managed(part("queue", child))
    assert start(manager)
    left = int((tmp_path / "child").read_text())
    first = manager.pids()["queue"]
    os.kill(first, signal.SIGKILL)
    stop_soon(manager, lambda: manager.pids()["queue"] not in (0, first))
    assert is_gone(left)


def test_children_of_the_parent_of_containers_are_spared_and_reaped(managed: Callable[..., Manager], tmp_path: Path) -> None:
    become_reaper()
    child = forking_into(tmp_path / "child")
    manager = managed(part("queue", child, is_container_parent=True))
    assert start(manager)
    left = int((tmp_path / "child").read_text())
    first = manager.pids()["queue"]
    os.kill(first, signal.SIGKILL)
    stop_soon(manager, lambda: manager.pids()["queue"] not in (0, first))
    assert Path(f"/proc/{left}").exists()
    os.kill(left, signal.SIGKILL)
    signal.sigtimedwait({signal.SIGCHLD}, 5)
    manager.stop()
    assert is_gone(left)


def forking_into(pid_file: Path) -> str:
    """Code of a part with a child of its own, whose pid it writes down before it is ready."""
    return f"import os; pid = os.fork(); open('{pid_file}', 'w').write(str(pid)) if pid else None; {SLEEPER}"


def is_gone(pid: int) -> bool:
    """Dead, reaped or not: some machines' first process takes its time."""
    try:
        return ") Z " in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return True


def test_a_part_that_never_gets_ready_is_given_up_with_its_last_words(
    managed: Callable[..., Manager], capsys: pytest.CaptureFixture[str]
) -> None:
    manager = managed(part("queue", "import sys; print('no disk left'); sys.exit(3)"))
    with pytest.raises(LauncherError, match="queue ended with 3 3 times before it was ready"):
        start(manager)
    assert "| no disk left" in capsys.readouterr().out


def test_parts_stop_in_order_and_a_deaf_one_is_killed(
    managed: Callable[..., Manager], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("launcher.manager.STOP_SECONDS", 0.3)
    deaf = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEPER}"
    manager = managed(part("queue", stop_stage=1), part("web", deaf))
    assert start(manager)
    manager.stop()
    assert manager.pids() == {"queue": 0, "web": 0}
    assert "web      does not stop, killing it" in capsys.readouterr().out


def test_a_signal_during_the_start_ends_it(managed: Callable[..., Manager]) -> None:
    manager = managed(part("queue", "import time; time.sleep(600)"))
    os.kill(os.getpid(), signal.SIGTERM)
    assert not start(manager)
