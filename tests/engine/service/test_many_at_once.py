"""Many clients at once: names, starts and removals do not get in each other's way."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.engine.api.raw_client import RawClient
from tests.engine.daemon import EngineDaemon, wait_until

pytestmark = pytest.mark.requires_root


def test_many_containers_are_run_and_removed_side_by_side(engine: EngineDaemon) -> None:
    def live(number: int) -> tuple[int, bytes]:
        tenant = f"team{number % 3}/m{number % 5}"
        container_id = engine.run("sh", "-c", f"echo {number}; exit {number}", tenant=tenant)
        code, output = engine.wait(container_id), engine.output(container_id)
        assert engine.request("DELETE", f"/containers/{container_id}", tenant=tenant).status == 204
        return code, output

    with ThreadPoolExecutor(12) as pool:
        assert list(pool.map(live, range(40))) == [(number, b"%d\n" % number) for number in range(40)]


def test_of_many_who_want_one_name_one_gets_it(engine: EngineDaemon) -> None:
    def create(_: int) -> int:
        return engine.request("POST", "/containers/create?name=wanted", {"Image": "busybox"}).status

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(create, range(8)))
    assert sorted(statuses) == [201] + [409] * 7


def test_of_many_starts_one_starts_and_the_others_change_nothing(engine: EngineDaemon) -> None:
    container_id = engine.create("sleep", "600")

    def start(_: int) -> int:
        return engine.request("POST", f"/containers/{container_id}/start").status

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(start, range(8))) == [204] + [304] * 7


def test_force_removals_at_once_all_succeed_or_find_nothing(engine: EngineDaemon) -> None:
    container_id = engine.run("sleep", "600")

    def remove(_: int) -> int:
        return engine.request("DELETE", f"/containers/{container_id}?force=1").status

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(remove, range(8))) <= {204, 404}
    assert engine.request("GET", f"/containers/{container_id}/json").status == 404


def test_a_client_that_leaves_in_the_middle_of_a_start_does_not_stop_it(engine: EngineDaemon) -> None:
    container_id = engine.create("sleep", "600")
    with RawClient(engine) as client:
        client.post(f"/containers/{container_id}/start")
    wait_until(lambda: engine.inspect(container_id)["State"]["Running"], "the start")
