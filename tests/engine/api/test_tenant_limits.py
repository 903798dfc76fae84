"""The routes of tenants: what administrators set and tenants see, and that nobody sees or sets more."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPResponse

import pytest

from engine.service.usage_watches import MOST_OF_TENANT
from tests.engine.daemon import Answer, EngineDaemon, UnixConnection, wait_until

pytestmark = pytest.mark.requires_root

TEAM, ADA = "blue", "blue/ada"


@pytest.fixture
def clean(engine: EngineDaemon) -> Iterator[EngineDaemon]:
    """Without limits at the end."""
    yield engine
    for tenant in engine.request("GET", "/tenants").document:
        engine.request("DELETE", f"/tenants/{tenant['name']}")


def put(engine: EngineDaemon, name: str, **limits: object) -> Answer:
    return engine.request("PUT", f"/tenants/{name}", limits)


@pytest.mark.parametrize("prefix", ["", "/v1.47"])
def test_limits_are_set_shown_and_taken_away(clean: EngineDaemon, prefix: str) -> None:
    answer = clean.request("PUT", f"{prefix}/tenants/{ADA}", {"network_in_bps": 10**6, "disk": None})
    assert answer.status == 200
    assert answer.document["name"] == ADA
    assert {name: value for name, value in answer.document["limits"].items() if value} == {"network_in_bps": 10**6}
    shown = clean.request("GET", f"{prefix}/tenants/{ADA}").document
    assert shown["limits"] == answer.document["limits"]
    assert clean.request("GET", f"{prefix}/tenants/{TEAM}").document["members"] == [ADA]
    assert [one["name"] for one in clean.request("GET", f"{prefix}/tenants").document] == [TEAM, ADA]
    assert clean.request("DELETE", f"{prefix}/tenants/{ADA}").status == 204
    assert clean.request("GET", f"{prefix}/tenants/{ADA}").status == 404


def test_new_limits_stand_in_place_of_all_before(clean: EngineDaemon) -> None:
    put(clean, TEAM, network_in_bps=10**6)
    limits = put(clean, TEAM, network_out_bps=10**7).document["limits"]
    assert (limits["network_in_bps"], limits["network_out_bps"]) == (None, 10**7)


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        (TEAM, {"cpus": 0}, 400, "invalid limit cpus 0: use 0.01 to"),
        (TEAM, {"network_in_bps": "fast"}, 400, "invalid limit network_in_bps 'fast'"),
        (TEAM, {"speed": 1}, 400, "unknown limit 'speed': use cpus"),
        (TEAM, [1], 400, "an object is expected"),
        ("Blue", {}, 400, "invalid tenant 'Blue'"),
        ("blue/a%2Fb", {}, 400, "invalid tenant 'blue/a/b'"),
        ("blue/ada/eve", {}, 404, "page not found"),
    ],
)
def test_what_is_wrong_is_named(clean: EngineDaemon, path: str, body: object, status: int, words: str) -> None:
    answer = clean.request("PUT", f"/tenants/{path}", body)
    assert answer.status == status
    assert words in answer.message
    assert clean.request("GET", "/tenants").document == []


@pytest.mark.parametrize("header", [TEAM, ADA, "red", "", "No Name"])
@pytest.mark.parametrize(
    ("method", "path"), [("PUT", "/blue"), ("PUT", "/blue/ada"), ("DELETE", "/blue"), ("DELETE", "/blue/ada")]
)
def test_tenants_change_nothing_not_even_their_own(clean: EngineDaemon, header: str, method: str, path: str) -> None:
    put(clean, TEAM, network_in_bps=10**6)
    body = {"network_in_bps": 10**9} if method == "PUT" else None
    answer = clean.request(method, f"/tenants{path}", body, headers={"Atelier-Tenant": header})
    assert (answer.status, answer.message) == (403, "limits of tenants are the administrators' affair: ask one of them")
    assert clean.request("GET", f"/tenants/{TEAM}").document["limits"]["network_in_bps"] == 10**6


@pytest.fixture
def crowd(clean: EngineDaemon) -> EngineDaemon:
    """Two teams, one of them with two members."""
    for name in (TEAM, ADA, "blue/bob", "red", "red/eve"):
        put(clean, name, pids=1000)
    return clean


@pytest.mark.parametrize(
    ("acting", "seen"),
    [
        (TEAM, {TEAM: [ADA, "blue/bob"], ADA: [], "blue/bob": []}),
        (ADA, {TEAM: [], ADA: []}),
        ("blue/new", {TEAM: []}),
        ("red/eve", {"red": [], "red/eve": []}),
        ("green", {}),
    ],
)
def test_a_tenant_sees_itself_and_its_team_and_not_who_else_is_in_that(
    crowd: EngineDaemon, acting: str, seen: dict[str, list[str]]
) -> None:
    shown = crowd.request("GET", "/tenants", tenant=acting).document
    assert {one["name"]: one["members"] for one in shown} == seen
    for name in (TEAM, ADA, "blue/bob", "red", "red/eve", "blue/none"):
        answer = crowd.request("GET", f"/tenants/{name}", tenant=acting)
        if name in seen:
            assert answer.document["members"] == seen[name]
        else:
            words = f"no such tenant: {name} has no limits, and never had a container"
            assert (answer.status, answer.message) == (404, words)
        assert (b"bob" in answer.body) == (name == "blue/bob" or (acting, name) == (TEAM, TEAM))


def test_everything_is_shown_beside_its_limit(crowd: EngineDaemon) -> None:
    crowd.run("sleep", "600", tenant=ADA)
    shown = crowd.request("GET", f"/tenants/{ADA}").document
    assert set(shown["limits"]) < set(shown["usage"])
    counted = {name: shown["usage"][name] for name in ("pids", "containers", "running", "images", "ports")}
    assert counted == {"pids": 1, "containers": 1, "running": 1, "images": 0, "ports": 0}
    assert shown["usage"]["memory"] > 0
    assert shown["usage"]["cpu_seconds"] > 0
    assert shown["peak"]["memory"] >= shown["usage"]["memory"]
    assert (shown["over"], shown["refusals"], shown["last_refusal"]) == ([], {}, None)


def test_the_last_refusal_is_shown_to_who_met_it_and_not_to_others_of_the_team(crowd: EngineDaemon) -> None:
    put(crowd, TEAM, containers=0)
    body = {"Image": "busybox", "Cmd": ["true"]}
    refused = crowd.request("POST", "/containers/create", body, tenant=ADA)
    assert refused.status == 403
    expected = {"resource": "containers", "limit": 0, "used": 0, "requested": 1, "tenant": TEAM}
    assert refused.document["quota"] == expected
    for acting, seen in ((ADA, {TEAM: None, ADA: expected}), ("blue/bob", {TEAM: None, "blue/bob": None})):
        shown = crowd.request("GET", "/tenants", tenant=acting).document
        assert {one["name"]: one["last_refusal"] for one in shown} == seen


@contextmanager
def stream(engine: EngineDaemon, path: str, *, tenant: str = "") -> Iterator[HTTPResponse]:
    connection = UnixConnection(engine.socket_path)
    try:
        connection.request("GET", path, headers={"Atelier-Tenant": tenant} if tenant else {})
        yield connection.getresponse()
    finally:
        connection.close()


@pytest.mark.parametrize(("path", "acting"), [("/tenants", ""), (f"/tenants/{ADA}", ""), (f"/tenants/{ADA}", ADA)])
def test_who_looks_for_long_gets_a_line_at_once_and_then_each_second(crowd: EngineDaemon, path: str, acting: str) -> None:
    with stream(crowd, f"{path}?stream=1", tenant=acting) as answer:
        first, second = json.loads(answer.readline()), json.loads(answer.readline())
    assert isinstance(first, list) == (path == "/tenants")
    before, after = (one[0] if isinstance(one, list) else one for one in (first, second))
    assert before["name"] == after["name"]
    assert after["usage"]["cpus"] is not None


def test_a_tenant_watches_so_often_and_no_more_until_one_of_them_goes(crowd: EngineDaemon) -> None:
    with ExitStack() as streams:
        for number in range(MOST_OF_TENANT):
            path = "/tenants" if number % 2 else f"/tenants/{ADA}"
            assert json.loads(streams.enter_context(stream(crowd, f"{path}?stream=1", tenant=ADA)).readline())
        refused = crowd.request("GET", f"/tenants/{ADA}?stream=1", tenant=ADA)
        assert (refused.status, "already: close some of them" in refused.message) == (409, True)
        assert crowd.request("GET", f"/tenants/{ADA}", tenant=ADA).status == 200
        with stream(crowd, f"/tenants/{ADA}?stream=1") as answer:
            assert json.loads(answer.readline())["name"] == ADA

    def is_free_again() -> bool:
        with stream(crowd, f"/tenants/{ADA}?stream=1", tenant=ADA) as answer:
            return answer.status == 200

    wait_until(is_free_again, "the places of those that have gone")


def test_a_stream_ends_with_its_tenant_and_with_the_daemon(start_engine: Callable[..., EngineDaemon]) -> None:
    engine = start_engine()
    put(engine, ADA, pids=1000)
    with stream(engine, f"/tenants/{ADA}?stream=1") as answer:
        assert json.loads(answer.readline())["name"] == ADA
        assert engine.request("DELETE", f"/tenants/{ADA}").status == 204
        answer.read()
    put(engine, ADA, pids=1000)
    with stream(engine, "/tenants?stream=1") as answer:
        assert json.loads(answer.readline())
        engine.stop()
    engine.start()


@pytest.mark.parametrize(
    ("team", "member", "cpus", "memory"),
    [({}, {}, None, None), ({"cpus": 0.5}, {}, 1, None), ({"cpus": 1.5, "memory": 2**28}, {"memory": 2**27}, 2, 2**27)],
)
def test_info_tells_a_tenant_the_least_of_its_own_its_teams_and_the_host(
    clean: EngineDaemon, team: dict[str, object], member: dict[str, object], cpus: int | None, memory: int | None
) -> None:
    host = clean.request("GET", "/info").document
    put(clean, TEAM, **team)
    put(clean, ADA, **member)
    shown = clean.request("GET", "/info", tenant=ADA).document
    assert (shown["NCPU"], shown["MemTotal"]) == (min(host["NCPU"], cpus or host["NCPU"]), memory or host["MemTotal"])
    after = clean.request("GET", "/info").document
    assert (after["NCPU"], after["MemTotal"]) == (host["NCPU"], host["MemTotal"])


def test_who_is_unknown_is_not_found(clean: EngineDaemon) -> None:
    for method in ("GET", "DELETE"):
        answer = clean.request(method, "/tenants/nobody")
        assert answer.status == 404
        assert answer.message.startswith("no such tenant: nobody has no limits")


def test_deleting_limits_leaves_the_tenants_objects_alone(clean: EngineDaemon) -> None:
    container_id = clean.run("sleep", "600", tenant="green/eve")
    put(clean, "green/eve", network_in_bps=10**6)
    assert clean.request("DELETE", "/tenants/green/eve").status == 204
    assert clean.inspect(container_id)["State"]["Running"]
    assert "green/eve" in [one["name"] for one in clean.request("GET", "/tenants").document]
