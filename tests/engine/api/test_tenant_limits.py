"""The routes of tenants: what administrators set and see, and that nobody else gets there."""

from collections.abc import Iterator

import pytest

from tests.engine.daemon import Answer, EngineDaemon

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
        (TEAM, {"cpus": 2}, 400, "limit cpus is not enforced yet: leave it out"),
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
    ("method", "path"), [("GET", ""), ("GET", "/blue"), ("PUT", "/blue"), ("PUT", "/blue/ada"), ("DELETE", "/blue")]
)
def test_tenants_reach_none_of_it_not_even_their_own(clean: EngineDaemon, header: str, method: str, path: str) -> None:
    put(clean, TEAM, network_in_bps=10**6)
    body = {"network_in_bps": 10**9} if method == "PUT" else None
    answer = clean.request(method, f"/tenants{path}", body, headers={"Atelier-Tenant": header})
    assert (answer.status, answer.message) == (403, "limits of tenants are the administrators' affair: ask one of them")
    assert clean.request("GET", f"/tenants/{TEAM}").document["limits"]["network_in_bps"] == 10**6


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
