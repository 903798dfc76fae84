"""Keeps the parts running: starts them in order, tells when each is ready, starts again what dies, stops all at the end.

It is the reaper of everything below it, containers of a dead engine included, whose exit status must not wait. Those it never
kills. One thread, one loop, signals taken synchronously.
"""

import os
import signal
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from launcher.console import LauncherError, say
from launcher.parts import Part
from launcher.programs import last_lines
from launcher.spawning import Spawner

SIGNALS = {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 30.0
STEADY_SECONDS = 60.0
CHECK_SECONDS = 0.05
IDLE_SECONDS = 30.0
STOP_SECONDS = 12.0
READY_SECONDS = 90.0
GIVE_UP_AFTER = 3
LOG_BYTES = 16 * 1024 * 1024


@dataclass(slots=True)
class Running:
    """What is known of one part; ``pid`` 0 while it is down."""

    part: Part
    log: Path
    pid: int = 0
    log_offset: int = 0
    started_at: float = 0.0
    start_at: float = 0.0
    is_ready: bool = False
    was_ready: bool = False
    failures: int = 0
    pause_seconds: float = FIRST_PAUSE_SECONDS


class Manager:
    """The caller blocks SIGNALS before the first start, makes itself the reaper of orphans, and calls start, watch, stop."""

    def __init__(self, parts: Iterable[Part], *, spawner: Spawner, log_path: Path, lock_fd: int) -> None:
        self._states = [Running(part, log_path / f"{part.name}.log") for part in parts]
        self._spawner = spawner
        self.lock_fd = lock_fd
        self._met: set[str] = set()
        self._is_stopping = False

    def start(self, *, step: str, step_needs: str, do_step: Callable[[], None]) -> bool:
        """Start everything and return once all is ready; False when asked to stop before that.

        ``do_step`` is what the launcher itself does in between: it runs when ``step_needs`` is ready, and counts as ``step``.
        Raises LauncherError for a part that fails again and again, or whatever the step raises.
        """
        while not self._is_stopping:
            self._tend_all()
            if step_needs in self._met and step not in self._met:
                do_step()
                self._met.add(step)
            elif all(state.is_ready for state in self._states):
                return True
            else:
                self._wait()
        return False

    def watch(self) -> None:
        """Run until a signal asks for the end."""
        while not self._is_stopping:
            self._tend_all()
            self._wait()

    def stop(self) -> None:
        """Stop all parts, those that use others first. Containers and their supervisor stay."""
        self._is_stopping = True
        for stage in sorted({state.part.stop_stage for state in self._states}):
            self._stop_stage([state for state in self._states if state.part.stop_stage == stage and state.pid])

    def pids(self) -> dict[str, int]:
        """The process of each part, 0 while it is down."""
        return {state.part.name: state.pid for state in self._states}

    def _tend_all(self) -> None:
        for state in self._states:
            self._tend(state)

    def _wait(self) -> None:
        received = signal.sigtimedwait(SIGNALS, self._pause())
        if received is not None and received.si_signo != signal.SIGCHLD:
            self._is_stopping = True
        self._reap()

    def _pause(self) -> float:
        """How long nothing can happen unless a signal comes."""
        waits_for_something = any(not state.is_ready for state in self._states)
        return CHECK_SECONDS if waits_for_something else IDLE_SECONDS

    def _tend(self, state: Running) -> None:
        now = time.monotonic()
        if not state.pid:
            if now >= state.start_at and self._met.issuperset(state.part.needs):
                self._spawn(state, now)
        elif not state.is_ready:
            self._check(state, now - state.started_at)
        shorten_log(state.log)

    def _check(self, state: Running, seconds: float) -> None:
        if state.part.is_ready(state.log, state.log_offset):
            state.is_ready = state.was_ready = True
            self._met.add(state.part.name)
            say(f"  {state.part.name:<8} ready ({seconds:.1f} s)")
        elif seconds > READY_SECONDS:
            os.kill(state.pid, signal.SIGKILL)

    def _spawn(self, state: Running, now: float) -> None:
        state.log_offset = state.log.stat().st_size if state.log.exists() else 0
        lock_fd = None if state.part.is_container_parent else self.lock_fd
        state.pid = self._spawner.spawn(state.part, log=state.log, lock_fd=lock_fd)
        state.started_at = now
        state.is_ready = False

    def _reap(self) -> list[Running]:
        """Collect every dead child, ours or adopted, and return the parts among them."""
        dead = []
        with suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if not pid:
                    break
                dead += [self._note_death(state, status) for state in self._states if state.pid == pid]
        return dead

    def _note_death(self, state: Running, status: int) -> Running:
        end_children(state)
        alive_seconds = time.monotonic() - state.started_at
        state.pid, was_ready, state.is_ready = 0, state.is_ready, False
        if not self._is_stopping:
            self._plan_restart(state, how_it_ended(status), alive_seconds, was_ready=was_ready)
        return state

    def _plan_restart(self, state: Running, ending: str, alive_seconds: float, *, was_ready: bool) -> None:
        state.failures = 0 if was_ready else state.failures + 1
        if alive_seconds > STEADY_SECONDS:
            state.pause_seconds = FIRST_PAUSE_SECONDS
        if state.failures:
            say(f"  {state.part.name:<8} last lines of {state.log}:\n{tail_of(state)}")
        if not state.was_ready and state.failures >= GIVE_UP_AFTER:
            raise LauncherError(f"{state.part.name} {ending} {state.failures} times before it was ready")
        say(f"  {state.part.name:<8} {ending}, starting it again in {state.pause_seconds:.1f} s")
        state.start_at = time.monotonic() + state.pause_seconds
        state.pause_seconds = min(state.pause_seconds * 2, LONGEST_PAUSE_SECONDS)

    def _stop_stage(self, states: list[Running]) -> None:
        for state in states:
            with suppress(ProcessLookupError):
                os.kill(state.pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while any(state.pid for state in states) and (left := deadline - time.monotonic()) > 0:
            signal.sigtimedwait({signal.SIGCHLD}, left)
            self._reap()
        for state in states:
            if state.pid:
                self._kill(state)

    def _kill(self, state: Running) -> None:
        say(f"  {state.part.name:<8} does not stop, killing it")
        with suppress(ProcessLookupError):
            os.kill(state.pid, signal.SIGKILL)
        while state.pid:
            signal.sigtimedwait({signal.SIGCHLD}, 1.0)
            self._reap()


def end_children(state: Running) -> None:
    """Kill what a dead part left in its process group, such as the children of a killed Celery worker."""
    if not state.part.is_container_parent:
        with suppress(ProcessLookupError):
            os.killpg(state.pid, signal.SIGKILL)


def how_it_ended(status: int) -> str:
    if os.WIFSIGNALED(status):
        return f"was killed by {signal.Signals(os.WTERMSIG(status)).name}"
    return f"ended with {os.waitstatus_to_exitcode(status)}"


def tail_of(state: Running) -> str:
    with state.log.open("rb") as file:
        file.seek(state.log_offset)
        return last_lines(file.read().decode(errors="replace"))


def shorten_log(log: Path) -> None:
    """Set a long log aside as `.1`. The part appends, so that cutting the file to nothing is safe."""
    if log.exists() and log.stat().st_size > LOG_BYTES:
        log.with_suffix(".log.1").write_bytes(log.read_bytes())
        os.truncate(log, 0)
