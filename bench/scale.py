"""Figures of many containers: started at once, running, on record."""

import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.contenders import Engine, atelier, dockerd, has_program
from bench.figures import Figure
from bench.processes import engine_pids, proportional_bytes
from bench.timing import Action, call, check, connect, create, fetch, milliseconds, take_turns

AT_ONCE = 100
CLIENTS = 16
RUNNING = 200
ON_RECORD = 1000
SETTLE_SECONDS = 2.0
MILLION = 1e6
Contender = Callable[[Path, Path | None], AbstractContextManager[Engine]]


@dataclass(frozen=True, slots=True)
class ScaleBench:
    """``engines`` run already; what needs an engine of its own is made in ``folder`` from the image in ``archive``."""

    engines: Sequence[Engine]
    folder: Path
    archive: Path

    def figures(self) -> dict[str, Callable[[], list[Figure]]]:
        return {"parallel": self.parallel, "running": self.running, "records": self.records}

    def parallel(self) -> list[Figure]:
        """Create and start of many by several clients at once, until the last answer."""
        taken = {}
        for engine in self.engines:
            taken[engine.name] = [milliseconds(partial(start_many, engine, AT_ONCE))]
            remove_all(engine)
        return [Figure(f"API: {AT_ONCE} containers started by {CLIENTS} clients at once", "ms", taken)]

    def running(self) -> list[Figure]:
        """All processes of an engine while many containers run; dockerd's are left out, as 3 MB each are known from the crowd."""
        ours = [engine for engine in self.engines if engine.name == "Atelier"]
        weights = {}
        for engine in ours:
            start_many(engine, RUNNING)
            time.sleep(SETTLE_SECONDS)
            weights[engine.name] = [proportional_bytes(engine_pids(str(engine.folder))) / MILLION]
            remove_all(engine)
        return [Figure(f"engine with {RUNNING} running containers, PSS", "MB", weights)]

    def records(self) -> list[Figure]:
        """A list of many containers that do not run, and the start of a daemon that finds them."""
        contenders: dict[str, Contender] = {"Atelier": atelier}
        if has_program("dockerd"):
            contenders["dockerd"] = dockerd
        starts: dict[str, list[float]] = {}
        lists: dict[str, list[float]] = {}
        answers: dict[str, list[float]] = {}
        for name, contender in contenders.items():
            folder = self.folder / f"records-{name.lower()}"
            with contender(folder, self.archive) as engine:
                create_many(engine, ON_RECORD)
            begin = time.perf_counter()
            with contender(folder, None) as engine:
                starts[name] = [(time.perf_counter() - begin) * 1000]
                commands: dict[str, Action] = {name: partial(check, engine.docker("ps", "-a"))}
                requests: dict[str, Action] = {name: partial(list_all, engine)}
                lists |= take_turns(commands)
                answers |= take_turns(requests)
        return [
            Figure(f"start of the daemon with {ON_RECORD:,} containers on record", "ms", starts),
            Figure(f"`docker ps -a` of {ON_RECORD:,}", "ms", lists),
            Figure(f"API: list of {ON_RECORD:,}", "ms", answers),
        ]


def start_many(engine: Engine, number: int) -> None:
    """Sleeping containers, by several clients at once."""
    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(lambda _: start_sleeper(engine), range(number)))


def start_sleeper(engine: Engine) -> None:
    connection = connect(engine)
    call(connection, "POST", f"/containers/{create(connection, 'sleep', '3600')}/start")
    connection.close()


def create_many(engine: Engine, number: int) -> None:
    connection = connect(engine)
    for _ in range(number):
        create(connection, "true")
    connection.close()


def list_all(engine: Engine) -> None:
    connection = connect(engine)
    fetch(connection, "GET", "/containers/json?all=1")
    connection.close()


def remove_all(engine: Engine) -> None:
    connection = connect(engine)
    for container in json.loads(fetch(connection, "GET", "/containers/json?all=1")):
        call(connection, "DELETE", f"/containers/{container['Id']}?force=1")
    connection.close()
