"""Clients who want the opposite at once: each gets an answer, and the end is one that some order of the wishes allows."""

import random
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

from tests.engine.daemon import EngineDaemon
from tests.engine.service.faults import assert_truthful

pytestmark = pytest.mark.requires_root

SEQUENCES = 200
BATCHES = 8
CONTAINERS = 2
WISHES = 5
# Ends at once when it is asked to, as only a program with a handler does that is the first process.
PROGRAM = ("sh", "-c", "trap 'exit 0' TERM; sleep 600 & wait")
ANSWERS = {200, 201, 204, 304, 404, 409}


@dataclass
class Target:
    """A container and what became of the wishes for it."""

    container_id: str
    done: list[str] = field(default_factory=list)  # wishes that were answered with success

    def has_done(self, *wishes: str) -> bool:
        return any(wish in self.done for wish in wishes)


def _post(verb: str) -> Callable[[EngineDaemon, str], int]:
    return lambda engine, name: engine.request("POST", f"/containers/{name}/{verb}").status


def _delete(query: str) -> Callable[[EngineDaemon, str], int]:
    return lambda engine, name: engine.request("DELETE", f"/containers/{name}{query}").status


def _exec(engine: EngineDaemon, name: str) -> int:
    created = engine.request("POST", f"/containers/{name}/exec", {"Cmd": ["true"], "AttachStdout": True})
    if created.status != 201:
        return created.status
    return engine.request("POST", f"/exec/{created.document['Id']}/start", {"Detach": True}).status


def _rename(engine: EngineDaemon, name: str) -> int:
    return engine.request("POST", f"/containers/{name}/rename?name=other-{time.monotonic_ns()}").status


WISH: dict[str, Callable[[EngineDaemon, str], int]] = {
    "start": _post("start"),
    "stop": _post("stop?t=0"),
    "kill": _post("kill"),
    "terminate": _post("kill?signal=TERM"),
    "restart": _post("restart?t=0"),
    "pause": _post("pause"),
    "unpause": _post("unpause"),
    "remove": _delete(""),
    "remove by force": _delete("?force=1"),
    "rename": _rename,
    "exec": _exec,
}
WEIGHTS = [4, 3, 2, 1, 2, 2, 3, 1, 1, 1, 2]


def _wish(engine: EngineDaemon, target: Target, wish: str) -> None:
    status = WISH[wish](engine, target.container_id)
    assert status in ANSWERS, (wish, status, engine.log_path.read_text()[-3000:])
    if status < 300:
        target.done.append(wish)


def _live(engine: EngineDaemon, wishes: list[tuple[Target, str]]) -> None:
    for target, wish in wishes:
        _wish(engine, target, wish)


@pytest.mark.parametrize("batch", range(BATCHES))
def test_opposite_wishes_at_once_leave_what_some_order_allows(engine: EngineDaemon, batch: int) -> None:
    chance = random.Random(batch)
    with ThreadPoolExecutor(4) as clients, ThreadPoolExecutor(CONTAINERS) as waiters:
        for _ in range(SEQUENCES // BATCHES):
            targets = [Target(engine.create(*PROGRAM)) for _ in range(CONTAINERS)]
            waits = [waiters.submit(_wait, engine, target) for target in targets]
            several = [_wishes(chance, targets) for _ in range(chance.randint(2, 4))]
            for client in [clients.submit(_live, engine, wishes) for wishes in several]:
                client.result()
            for target in targets:
                _check(engine, target)
            assert_truthful(engine)
            _end(engine, targets, waits)


def _wishes(chance: random.Random, targets: list[Target]) -> list[tuple[Target, str]]:
    return [(chance.choice(targets), wish) for wish in chance.choices(list(WISH), WEIGHTS, k=WISHES)]


def _wait(engine: EngineDaemon, target: Target) -> int:
    return engine.request("POST", f"/containers/{target.container_id}/wait?condition=removed").status


def _check(engine: EngineDaemon, target: Target) -> None:
    found = engine.request("GET", f"/containers/{target.container_id}/json")
    assert (found.status == 404) == target.has_done("remove", "remove by force"), target
    if found.status == 404:
        return
    status, name = found.document["State"]["Status"], found.document["Name"]
    assert name.startswith("/other-") == target.has_done("rename"), target
    assert (status == "created") == (not target.has_done("start", "restart")), (status, target)
    if status == "paused":
        assert target.has_done("pause"), target
    if not target.has_done("stop", "kill", "terminate", "restart") and target.has_done("start"):
        assert status in ("running", "paused"), (status, target)


def _end(engine: EngineDaemon, targets: list[Target], waits: list[Future[int]]) -> None:
    for target in targets:
        assert engine.request("DELETE", f"/containers/{target.container_id}?force=1").status in (204, 404)
    assert {wait.result() for wait in waits} <= {200, 404}
