"""Quotas as the agent brings them to a real engine: the newest wins, and what cannot be held is named."""

from collections.abc import Iterator
from typing import Any

import pytest
from docker import APIClient
from docker.errors import APIError

from engine.agent.client import open_client
from engine.agent.tenants import Revisions, delete_limits, fall_back, list_tenants, set_limits, unheld_limits
from engine.agent.usage import take_usage
from tests.engine.daemon import EngineDaemon, PlainEngine

MIB = 2**20


@pytest.fixture(scope="module")
def engine() -> Iterator[EngineDaemon]:
    """One that cannot count disk space, so that a limit of it cannot be held."""
    daemon = PlainEngine()
    try:
        yield daemon.start()
        daemon.stop()
    finally:
        daemon.destroy()


@pytest.fixture
def client(engine: EngineDaemon) -> Iterator[APIClient]:
    with open_client(f"unix://{engine.socket_path}") as client:
        yield client


def wanted(tenant: str, revision: int, limits: dict[str, Any], **rules: Any) -> dict[str, Any]:
    return {"tenant": tenant, "revision": revision, "limits": limits, "rules": rules}


def held(client: APIClient, tenant: str) -> dict[str, Any]:
    """Return the limits that the engine holds, without what is not set."""
    (view,) = [view for view in list_tenants(client) if view["name"] == tenant] or [{"limits": {}}]
    return {name: value for name, value in view["limits"].items() if value is not None}


@pytest.mark.parametrize(
    ("message", "names"),
    [
        ("limit disk cannot hold here: disk driver none", ["disk"]),
        ("invalid limit pids -1: use 0 to 5", ["pids"]),
        ("io limits cannot hold here: this host has no blkio cgroup controller", ["io_read_bps", "io_write_iops"]),
        ("limit memory is held by nobody", []),
        ("no supervisor", []),
        ("the limit disk", []),
    ],
)
def test_what_a_refusal_is_about(message: str, names: list[str]) -> None:
    assert unheld_limits(message, {"disk": 1, "pids": 2, "io_read_bps": 3, "io_write_iops": 4}) == names


@pytest.mark.parametrize(
    ("unheld", "tried", "expected"),
    [
        (["pids"], {}, {"memory": 10, "pids": 5}),
        (["pids"], {"pids": "too many"}, {"memory": 10}),
        (["memory"], {}, {"pids": 90}),
        (["memory", "pids"], {"disk": "none here"}, {"pids": 5}),
    ],
)
def test_what_is_refused_gives_way_to_what_held_before_and_that_to_nothing(
    unheld: list[str], tried: dict[str, str], expected: dict[str, int]
) -> None:
    before = {"pids": 5, "memory": None, "disk": 3}
    assert fall_back({"memory": 10, "pids": 90}, unheld, before=before, tried=tried) == expected


def test_one_turn_a_tenant_and_the_newest_revision_wins() -> None:
    revisions = Revisions()
    with revisions.turn("demo", 2) as is_news:
        assert is_news
    for revision, expected in ((1, False), (2, True), (3, True)):
        with revisions.turn("demo", revision) as is_news:
            assert is_news == expected
    with revisions.turn("demo/ada", 1) as is_news:
        assert is_news


def test_a_revision_that_could_not_be_brought_is_not_taken_for_held() -> None:
    revisions = Revisions()
    with pytest.raises(OSError, match="away"), revisions.turn("demo", 5):
        raise OSError("away")
    with revisions.turn("demo", 4) as is_news:
        assert is_news


@pytest.mark.requires_root
def test_limits_and_rules_are_set_in_place_of_those_before_and_may_be_set_twice(client: APIClient) -> None:
    revisions = Revisions()
    set_limits(client, wanted("agent-a/ada", 1, {"pids": 50, "containers": 3}), revisions)
    for _ in range(2):
        result = set_limits(client, wanted("agent-a/ada", 2, {"memory": 64 * MIB}, pull=False), revisions)
    assert (result["revision"], result["refused"], result["rules"]["pull"]) == (2, {}, False)
    assert held(client, "agent-a/ada") == {"memory": 64 * MIB}


@pytest.mark.requires_root
def test_an_older_revision_that_comes_late_changes_nothing(client: APIClient) -> None:
    revisions = Revisions()
    set_limits(client, wanted("agent-b", 7, {"pids": 70}), revisions)
    for late in (set_limits, delete_limits):
        assert late(client, wanted("agent-b", 6, {"pids": 60}), revisions) == {"revision": 6, "newest": 7}
    assert held(client, "agent-b") == {"pids": 70}


@pytest.mark.requires_root
def test_what_this_host_cannot_hold_is_named_and_the_rest_is_held(client: APIClient) -> None:
    result = set_limits(client, wanted("agent-c", 1, {"disk": 64 * MIB, "pids": 9}), Revisions())
    assert set(result["refused"]) == {"disk"}
    assert result["refused"]["disk"].startswith("limit disk cannot hold here")
    assert held(client, "agent-c") == {"pids": 9}


@pytest.mark.requires_root
@pytest.mark.parametrize("bad", [9.5, -1, 2**60])
def test_a_limit_that_is_refused_leaves_the_one_that_held_before_and_is_named(client: APIClient, bad: float) -> None:
    revisions, tenant = Revisions(), f"agent-g/eve-{str(bad).strip('-').replace('.', '-')}"
    set_limits(client, wanted(tenant, 1, {"pids": 50, "memory": 64 * MIB}), revisions)
    for revision in (2, 3):
        result = set_limits(client, wanted(tenant, revision, {"pids": bad, "containers": 4, "disk": 64 * MIB}), revisions)
        assert set(result["refused"]) == {"pids", "disk"}
        assert result["refused"]["pids"].startswith("invalid limit pids")
        assert held(client, tenant) == {"pids": 50, "containers": 4}
        assert result["limits"]["pids"] == 50
    assert set_limits(client, wanted(tenant, 4, {"pids": 60}), revisions)["refused"] == {}
    assert held(client, tenant) == {"pids": 60}


@pytest.mark.requires_root
def test_what_no_engine_takes_fails_with_its_words(client: APIClient) -> None:
    with pytest.raises(APIError, match="images") as refusal:
        set_limits(client, wanted("agent-d", 1, {"pids": 9}, images=["a b c"]), Revisions())
    assert refusal.value.status_code == 400
    assert held(client, "agent-d") == {}


@pytest.mark.requires_root
def test_a_tenant_that_is_forgotten_has_no_limits_and_may_be_forgotten_twice(client: APIClient) -> None:
    revisions = Revisions()
    set_limits(client, wanted("agent-e/eve", 1, {"pids": 9}), revisions)
    for revision in (2, 2, 3):
        assert delete_limits(client, wanted("agent-e/eve", revision, {}), revisions)["limits"] == {}
    assert held(client, "agent-e/eve") == {}


@pytest.mark.requires_root
def test_a_report_has_the_size_of_the_host_and_what_each_tenant_holds(engine: EngineDaemon, client: APIClient) -> None:
    set_limits(client, wanted("agent-f", 1, {"pids": 9}), Revisions())
    report = take_usage(f"unix://{engine.socket_path}")
    assert all(report["capacity"][name] > 0 for name in ("cpus", "memory", "disk", "pids"))
    (view,) = [view for view in report["tenants"] if view["name"] == "agent-f"]
    assert view["limits"]["pids"] == 9
    assert view["usage"]["containers"] == 0
