"""Figures beside a hostile container: how long the engine's _ping and an exec in a neighbour take, quiet and beside each."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

from bench.contenders import IMAGE, Engine
from bench.figures import Figure
from bench.measures import exec_over_the_socket
from bench.timing import Action, call, connect, fetch, take_turns

ROUNDS = 10
MIB = 2**20


class Hostile(NamedTuple):
    """What a container does, and the limits that it has for it."""

    name: str
    script: str
    limits: dict[str, object]


HOSTILE = (
    Hostile("a fork bomb (200 processes)", "bomb() { while :; do bomb & done; }; bomb; wait", {"PidsLimit": 200}),
    Hostile("a memory hog (64 MB)", "while :; do tail /dev/zero; done", {"Memory": 64 * MIB, "NanoCpus": 1_000_000_000}),
    Hostile("a processor hog (8 loops)", "for i in 1 2 3 4 5 6 7 8; do while :; do :; done & done; wait", {}),
    Hostile("a flood of output (1 GB)", "head -c 1000000000 /dev/zero; sleep 600", {}),
    Hostile("100,000 new files", "mkdir /f; cd /f; seq 100000 | xargs touch; sleep 600", {}),
)


class NeighbourBench:
    """One engine at a time has a hostile container: else each would suffer from the other's."""

    def __init__(self, engines: Sequence[Engine]) -> None:
        self._engines = engines

    def figures(self) -> dict[str, Callable[[], list[Figure]]]:
        return {"hostile": self.hostile}

    def hostile(self) -> list[Figure]:
        """Medians quiet, then beside each."""
        found = self._beside("no hostile neighbour", None)
        for hostile in HOSTILE:
            found += self._beside(hostile.name, hostile)
        return found

    def _beside(self, name: str, hostile: Hostile | None) -> list[Figure]:
        pings: dict[str, list[float]] = {}
        execs: dict[str, list[float]] = {}
        for engine in self._engines:
            with _running(engine, "sleep 3600", {}) as neighbour, _hostile(engine, hostile):
                pings |= _times(engine, partial(_ping, engine))
                execs |= _times(engine, partial(exec_over_the_socket, engine, neighbour))
        return [Figure(f"`_ping` beside {name}", "ms", pings), Figure(f"API: exec beside {name}", "ms", execs)]


def _times(engine: Engine, action: Action) -> dict[str, list[float]]:
    return take_turns({engine.name: action}, rounds=ROUNDS, warm_up=1)


def _ping(engine: Engine) -> None:
    connection = connect(engine)
    fetch(connection, "GET", "/_ping")
    connection.close()


@contextmanager
def _hostile(engine: Engine, hostile: Hostile | None) -> Iterator[None]:
    if hostile is None:
        yield
        return
    with _running(engine, hostile.script, hostile.limits):
        yield


@contextmanager
def _running(engine: Engine, script: str, limits: dict[str, object]) -> Iterator[str]:
    """A container that runs a line of shell, removed at the end."""
    connection = connect(engine)
    body = {"Image": IMAGE, "Cmd": ["sh", "-c", script], "HostConfig": limits}
    container = call(connection, "POST", "/containers/create", body)["Id"]
    try:
        call(connection, "POST", f"/containers/{container}/start")
        yield container
    finally:
        call(connection, "DELETE", f"/containers/{container}?force=1")
        connection.close()
