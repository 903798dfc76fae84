"""Figures of many tenants: a list of one's own among them, a quota until the kernel has it, and what acting as a tenant costs.

Only this engine has tenants. Where the kernel keeps a tenant's memory is read from the cgroup of one of its processes.
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import cycle
from pathlib import Path

from bench.contenders import IMAGE, Engine
from bench.figures import Figure
from bench.measures import life_of_a_container
from bench.scale import remove_all, start_sleeper
from bench.timing import Action, call, command, connect, fetch, take_turns

TENANTS = 200
EACH = 2
CLIENTS = 8
ROUNDS = 40
GIB = 2**30
_V1, _V2 = "memory.limit_in_bytes", "memory.max"


@dataclass(frozen=True, slots=True)
class TenantBench:
    engines: Sequence[Engine]

    def figures(self) -> dict[str, Callable[[], list[Figure]]]:
        return {"tenants": self.tenants}

    def tenants(self) -> list[Figure]:
        """Containers of 200 tenants run all the while."""
        return [figure for engine in self.engines if engine.name == "Atelier" for figure in _figures(engine)]


def _figures(engine: Engine) -> list[Figure]:
    with _crowd(engine) as tenants:
        one = _acting(engine, tenants[0])
        crowd = f"{TENANTS} tenants with {EACH} running containers each"
        lists: dict[str, Action] = {"list": partial(_list_own, one), "change": _quota_change(engine, tenants[0])}
        runs: dict[str, Action] = {
            name: command(who.docker("run", "--rm", IMAGE, "true")) for name, who in (("all", engine), ("one", one))
        }
        lives: dict[str, Action] = {name: partial(life_of_a_container, who) for name, who in (("all", engine), ("one", one))}
        answers, commands, requests = (take_turns(actions, rounds=ROUNDS) for actions in (lists, runs, lives))
    return [
        Figure(f"API: list of one of {crowd}", "ms", {engine.name: answers["list"]}),
        Figure("a tenant's quota of memory changed, until the kernel has it", "ms", {engine.name: answers["change"]}),
        Figure(f"`docker run --rm IMAGE true` beside {crowd}, administrators", "ms", {engine.name: commands["all"]}),
        Figure("the same as one of the tenants, through its own socket", "ms", {engine.name: commands["one"]}),
        Figure(f"API: create, start, wait, remove beside {crowd}, administrators", "ms", {engine.name: requests["all"]}),
        Figure("the same as one of the tenants, through its own socket, API", "ms", {engine.name: requests["one"]}),
    ]


@contextmanager
def _crowd(engine: Engine) -> Iterator[list[str]]:
    tenants = [f"bench{number % 10}/member{number}" for number in range(TENANTS)]
    try:
        with ThreadPoolExecutor(CLIENTS) as pool:
            list(pool.map(partial(_make_tenant, engine), tenants))
        yield tenants
    finally:
        remove_all(engine)


def _make_tenant(engine: Engine, tenant: str) -> None:
    _set_memory(engine, tenant, GIB)
    for _ in range(EACH):
        start_sleeper(_acting(engine, tenant))


def _acting(engine: Engine, tenant: str) -> Engine:
    return replace(engine, socket=engine.folder / "run" / "tenants" / f"{tenant}.sock")


def _list_own(engine: Engine) -> None:
    connection = connect(engine)
    found = json.loads(fetch(connection, "GET", "/containers/json?all=1"))
    connection.close()
    assert len(found) == EACH


def _set_memory(engine: Engine, tenant: str, limit: int) -> None:
    connection = connect(engine)
    call(connection, "PUT", f"/tenants/{tenant}", {"memory": limit})
    connection.close()


def _quota_change(engine: Engine, tenant: str) -> Action:
    """An action that sets another quota and looks until the tenant's cgroup has it."""
    path, limits = _limit_file(engine, tenant), cycle((2 * GIB, GIB))

    def change() -> None:
        limit = next(limits)
        _set_memory(engine, tenant, limit)
        while path.read_text().strip() != str(limit):
            time.sleep(0.0005)

    return change


def _limit_file(engine: Engine, tenant: str) -> Path:
    """The tenant's own cgroup is the one around that of its container."""
    connection = connect(_acting(engine, tenant))
    container = json.loads(fetch(connection, "GET", "/containers/json"))[0]["Id"]
    connection.close()
    connection = connect(engine)
    pid = json.loads(fetch(connection, "GET", f"/containers/{container}/json"))["State"]["Pid"]
    connection.close()
    paths = dict(line.split(":", 2)[1:] for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines())
    if "memory" in paths:
        return Path("/sys/fs/cgroup/memory" + paths["memory"]).parent / _V1
    return Path("/sys/fs/cgroup" + paths[""]).parent / _V2
