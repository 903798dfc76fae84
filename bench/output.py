"""Figures of output: how fast lines reach a follower, and how long the end of a long log takes."""

from collections.abc import Callable, Sequence
from functools import partial

from bench.contenders import Engine
from bench.figures import Figure
from bench.timing import Action, call, check, connect, create, fetch, take_turns

LINES = 1_000_000
FOLLOW_ROUNDS = 3
LOG_BYTES = 1_000_000_000
LINE = "x" * 99
TAIL = 100


class OutputBench:
    """Containers that write a lot."""

    def __init__(self, engines: Sequence[Engine]) -> None:
        self._engines = engines

    def figures(self) -> dict[str, Callable[[], list[Figure]]]:
        return {"follow": self.follow, "tail": self.tail}

    def follow(self) -> list[Figure]:
        """From the start of a container to the last of its lines at a client that follows."""
        actions: dict[str, Action] = {engine.name: partial(follow_lines, engine) for engine in self._engines}
        return [Figure(f"{LINES:,} lines written and followed", "ms", take_turns(actions, rounds=FOLLOW_ROUNDS, warm_up=0))]

    def tail(self) -> list[Figure]:
        """The last lines of a log of 1 GB, by the whole command and over the socket."""
        logs = {engine.name: write_log(engine) for engine in self._engines}
        commands: dict[str, Action] = {}
        requests: dict[str, Action] = {}
        for engine in self._engines:
            name = logs[engine.name]
            commands[engine.name] = partial(check, engine.docker("logs", "--tail", str(TAIL), name))
            requests[engine.name] = partial(fetch_tail, engine, name)
        figures = [
            Figure(f"`docker logs --tail {TAIL}` of 1 GB", "ms", take_turns(commands)),
            Figure(f"API: the last {TAIL} lines of 1 GB", "ms", take_turns(requests)),
        ]
        for engine in self._engines:
            check(engine.docker("rm", "-f", logs[engine.name]))
        return figures


def follow_lines(engine: Engine) -> None:
    connection = connect(engine)
    container = create(connection, "seq", str(LINES))
    call(connection, "POST", f"/containers/{container}/start")
    data = fetch(connection, "GET", f"/containers/{container}/logs?follow=1&stdout=1")
    if (found := data.count(b"\n")) < LINES:
        raise SystemExit(f"bench: {engine.name} lost lines: {found} of {LINES}")
    call(connection, "DELETE", f"/containers/{container}")
    connection.close()


def write_log(engine: Engine) -> str:
    connection = connect(engine)
    container = create(connection, "sh", "-c", f"yes {LINE} | head -c {LOG_BYTES}")
    call(connection, "POST", f"/containers/{container}/start")
    call(connection, "POST", f"/containers/{container}/wait")
    connection.close()
    return container


def fetch_tail(engine: Engine, container: str) -> None:
    connection = connect(engine)
    data = fetch(connection, "GET", f"/containers/{container}/logs?stdout=1&tail={TAIL}")
    if (found := data.count(b"\n")) != TAIL:
        raise SystemExit(f"bench: {engine.name} answers {found} lines instead of {TAIL}")
    connection.close()
