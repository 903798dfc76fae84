"""Of many who ask at once, through whatever doors, exactly as many are let in as fit."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import pytest

from tests.engine.daemon import Answer, EngineDaemon, wait_until
from tests.engine.service.building import build
from tests.engine.service.quotas import (
    as_tenant,
    compose_up,
    create,
    is_refused,
    plain_engine,
    refusals,
    set_free,
    set_quota,
    tenant_of,
    used,
    verb,
)

pytestmark = pytest.mark.requires_root
ADA, BOB = "demo/ada", "demo/bob"
AT_ONCE = 12
T = TypeVar("T")
U = TypeVar("U")


@pytest.fixture(scope="module")
def shared() -> Iterator[EngineDaemon]:
    with plain_engine() as engine:
        yield engine


@pytest.fixture
def engine(shared: EngineDaemon) -> Iterator[EngineDaemon]:
    yield shared
    set_free(shared)


def at_once(ask: Callable[[T], U], about: Iterable[T]) -> list[U]:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(ask, about))


def start(engine: EngineDaemon, container_id: str) -> Answer:
    return verb(engine, "", container_id, "start")


def statuses(answers: list[Answer]) -> list[int]:
    return [answer.status for answer in answers]


def build_step(engine: EngineDaemon, tenant: str, number: int) -> None:
    build(engine, f"FROM busybox\nRUN echo {number}", tenant=tenant, rm=False, nocache=True)


def test_fifty_creates_against_a_quota_of_ten_give_ten_through_any_mix_of_doors(engine: EngineDaemon) -> None:
    set_quota(engine, "demo", containers=10)
    set_quota(engine, ADA, containers=7)
    doors: list[Callable[[], object]] = []
    for number in range(10):
        tenant = (ADA, BOB)[number % 2]
        last = (
            partial(as_tenant, engine, tenant, compose_up("{image: busybox}", project=f"p{number}"))
            if number < 4
            else partial(build_step, engine, tenant, number)
        )
        doors += [
            partial(create, engine, tenant),
            partial(create, engine, tenant, HostConfig={}),
            partial(as_tenant, engine, tenant, "docker run -d busybox sleep 600"),
            partial(as_tenant, engine, tenant, "docker create busybox"),
            last,
        ]
    assert len(doors) == 50
    at_once(lambda door: door(), doors)
    found = [one for tenant in (ADA, BOB) for one in engine.request("GET", "/containers/json?all=1", tenant=tenant).document]
    assert used(engine, "demo", "containers") == 10
    assert len({one["Id"] for one in found}) == 10
    assert used(engine, ADA, "containers") <= 7
    assert refusals(engine, "demo")["containers"] >= 40


def test_two_members_race_for_the_places_of_their_team(engine: EngineDaemon) -> None:
    ids = [create(engine, (ADA, BOB)[number % 2]).document["Id"] for number in range(24)]
    set_quota(engine, "demo", running=5)
    set_quota(engine, BOB, running=2)
    answers = at_once(partial(start, engine), ids)
    assert statuses(answers).count(204) == 5
    assert statuses(answers).count(403) == 19
    assert used(engine, "demo", "running") == 5
    assert used(engine, BOB, "running") <= 2


def test_memory_that_starts_under_way_have_asked_for_is_not_given_twice(engine: EngineDaemon) -> None:
    mib = 1 << 20
    set_quota(engine, "demo", memory=200 * mib)
    sized = {"Memory": 90 * mib, "NetworkMode": "none"}
    ids = [create(engine, (ADA, BOB)[number % 2], HostConfig=sized).document["Id"] for number in range(8)]

    answers = at_once(partial(start, engine), ids)
    refused = [answer for answer in answers if answer.status != 204]
    assert all(is_refused(answer, "memory", "demo") for answer in refused)
    assert all(answer.document["quota"]["requested"] == 90 * mib for answer in refused)
    assert len(refused) < len(ids)
    assert [start(engine, one).status for one in ids] == [304 if answer.status == 204 else 204 for answer in answers], (
        "those that run use little, and one after the other all fit"
    )


@pytest.mark.parametrize(
    ("resource", "path", "body"),
    [("volumes", "/volumes/create", {}), ("networks", "/networks/create", {"Name": ""})],
)
def test_volumes_and_networks_are_counted_one_by_one(
    engine: EngineDaemon, resource: str, path: str, body: dict[str, str]
) -> None:
    set_quota(engine, "demo", **{resource: 6})
    set_quota(engine, BOB, **{resource: 4})

    def ask(number: int) -> Answer:
        return engine.request("POST", path, dict.fromkeys(body, f"n{number}"), tenant=(ADA, BOB)[number % 2])

    answers = at_once(ask, range(30))
    assert statuses(answers).count(201) == 6
    assert used(engine, "demo", resource) == 6
    for tenant in (ADA, BOB):
        engine.request("POST", "/networks/prune", tenant=tenant)
        for volume in engine.request("GET", "/volumes", tenant=tenant).document["Volumes"]:
            assert engine.request("DELETE", f"/volumes/{volume['Name']}", tenant=tenant).status == 204
    assert used(engine, "demo", resource) == 0


def test_images_are_counted_one_by_one(engine: EngineDaemon) -> None:
    set_quota(engine, "demo", images=3)
    made = at_once(lambda number: build(engine, f"FROM busybox\nLABEL n={number}", tenant=ADA), range(12))
    assert sum("quota" not in one.lines[-1] for one in made) == 3
    assert used(engine, "demo", "images") == 3
    engine.request("POST", '/images/prune?filters={"dangling":["false"]}', tenant=ADA)


def test_a_killed_daemon_neither_forgets_nor_keeps_places(engine: EngineDaemon) -> None:
    set_quota(engine, "demo", containers=10, running=6)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        asked = [pool.submit(as_tenant, engine, (ADA, BOB)[n % 2], "docker run -d busybox sleep 600") for n in range(20)]
        wait_until(lambda: engine.request("GET", "/containers/json").document, "the first container to run")
        engine.kill()
        for one in asked:
            one.result()
    engine.start()
    counted, listed = tenant_of(engine, "demo")["usage"], engine.request("GET", "/containers/json?all=1").document
    assert counted["containers"] == len(listed) <= 10
    assert counted["running"] == sum(one["State"] == "running" for one in listed) <= 6
    rest = at_once(lambda _: create(engine, ADA), range(12))
    assert statuses(rest).count(201) == 10 - len(listed)
    created = [one["Id"] for one in engine.request("GET", "/containers/json?all=1").document if one["State"] != "running"]
    at_once(partial(start, engine), created)
    assert used(engine, "demo", "running") == 6
    assert used(engine, "demo", "containers") == 10
