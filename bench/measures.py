"""Figures of single containers: run, exec, a whole life, and a small crowd that stays."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from bench.contenders import IMAGE, Engine, Runc
from bench.figures import Figure
from bench.processes import engine_pids, proportional_bytes
from bench.timing import Action, call, check, command, connect, create, fetch, fresh_name, milliseconds, take_turns

CROWD = 30
SETTLE_SECONDS = 2.0
MILLION = 1e6


@dataclass(frozen=True, slots=True)
class Bench:
    engines: Sequence[Engine]
    runc: Runc | None

    def figures(self) -> dict[str, Callable[[], list[Figure]]]:
        """The measurements by the names that the command line takes."""
        return {"run": self.run, "exec": self.execute, "api": self.api, "crowd": self.crowd}

    def run(self) -> list[Figure]:
        """`docker run --rm IMAGE true`, the whole command; the same of runc."""
        actions: dict[str, Action] = {
            engine.name: command(engine.docker("run", "--rm", IMAGE, "true")) for engine in self.engines
        }
        if self.runc:
            actions["runc"] = self._runc_run
        return [Figure("`docker run --rm IMAGE true`", "ms", take_turns(actions))]

    def _runc_run(self) -> None:
        runc = self._sure_runc()
        check(runc.command("run", "--bundle", str(runc.bundle("true")), fresh_name()))

    def execute(self) -> list[Figure]:
        """`docker exec CONTAINER true` in a container that sleeps."""
        with self._sleepers(1) as names:
            actions: dict[str, Action] = {
                engine.name: command(engine.docker("exec", names[engine.name][0], "true")) for engine in self.engines
            }
            if self.runc:
                actions["runc"] = command(self.runc.command("exec", names["runc"][0], "true"))
            requests: dict[str, Action] = {
                engine.name: partial(exec_over_the_socket, engine, names[engine.name][0]) for engine in self.engines
            }
            return [
                Figure("`docker exec CONTAINER true`", "ms", take_turns(actions)),
                Figure("API: exec, to the end of its output", "ms", take_turns(requests)),
            ]

    def api(self) -> list[Figure]:
        """create + start + wait + remove over the socket, without the command line client."""
        actions: dict[str, Action] = {engine.name: partial(life_of_a_container, engine) for engine in self.engines}
        return [Figure("API: create, start, wait, remove", "ms", take_turns(actions))]

    def crowd(self) -> list[Figure]:
        """Time for each of many `docker run -d`, and the memory that they cost the engine's own processes."""
        idle = {engine.name: weigh(engine) for engine in self.engines}
        seconds: dict[str, list[float]] = {}
        removals: dict[str, list[float]] = {}
        with self._sleepers(CROWD, seconds=seconds) as names:
            time.sleep(SETTLE_SECONDS)
            loaded = {engine.name: weigh(engine) for engine in self.engines}
            removals = {engine.name: [milliseconds(partial(remove_all, engine, names))] for engine in self.engines}
        each = {name: [(loaded[name] - idle[name]) / CROWD / MILLION] for name in idle}
        return [
            Figure(f"`docker run -d` x {CROWD}, all of them", "ms", {name: [sum(taken)] for name, taken in seconds.items()}),
            Figure(f"`docker rm -f` of {CROWD} that run", "ms", removals),
            Figure("engine without containers, PSS", "MB", {name: [value / MILLION] for name, value in idle.items()}),
            Figure(f"engine per idle container ({CROWD} running), PSS", "MB", each),
        ]

    @contextmanager
    def _sleepers(self, number: int, *, seconds: dict[str, list[float]] | None = None) -> Iterator[Mapping[str, list[str]]]:
        """Sleeping containers of each contender, removed at the end; the time of each start goes to ``seconds``."""
        names: dict[str, list[str]] = {}
        try:
            for contender, start in self._detached_starts().items():
                names[contender] = []
                for _ in range(number):
                    name = fresh_name()
                    names[contender].append(name)
                    taken = milliseconds(partial(start, name))
                    if seconds is not None:
                        seconds.setdefault(contender, []).append(taken)
            yield names
        finally:
            self._remove(names)

    def _detached_starts(self) -> dict[str, Callable[[str], None]]:
        starts: dict[str, Callable[[str], None]] = {engine.name: partial(start_sleeper, engine) for engine in self.engines}
        if self.runc:
            starts["runc"] = self._runc_start
        return starts

    def _runc_start(self, name: str) -> None:
        runc = self._sure_runc()
        check(runc.command("run", "--detach", "--bundle", str(runc.bundle("sleep", "3600")), name))

    def _remove(self, names: Mapping[str, list[str]]) -> None:
        for engine in self.engines:
            if names.get(engine.name):
                remove_all(engine, names)
        for name in names.get("runc", []):
            check(self._sure_runc().command("delete", "--force", name))

    def _sure_runc(self) -> Runc:
        assert self.runc is not None
        return self.runc


def start_sleeper(engine: Engine, name: str) -> None:
    check(engine.docker("run", "-d", "--name", name, IMAGE, "sleep", "3600"))


def remove_all(engine: Engine, names: Mapping[str, list[str]]) -> None:
    """Remove an engine's containers at one go; those that are gone already are no error with ``-f``."""
    check(engine.docker("rm", "-f", *names[engine.name]))


def weigh(engine: Engine) -> int:
    return proportional_bytes(engine_pids(str(engine.folder)))


def life_of_a_container(engine: Engine) -> None:
    connection = connect(engine)
    container = f"/containers/{create(connection, 'true')}"
    call(connection, "POST", f"{container}/start")
    call(connection, "POST", f"{container}/wait")
    call(connection, "DELETE", container)
    connection.close()


def exec_over_the_socket(engine: Engine, name: str) -> None:
    """Create an exec, start it and read its output to the end, as a client library does."""
    connection = connect(engine)
    wish = {"Cmd": ["true"], "AttachStdout": True, "AttachStderr": True}
    exec_id = call(connection, "POST", f"/containers/{name}/exec", wish)["Id"]
    fetch(connection, "POST", f"/exec/{exec_id}/start", {"Detach": False, "Tty": False})
    connection.close()
