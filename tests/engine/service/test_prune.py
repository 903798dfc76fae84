"""Prune: what does not run goes, the tenant's own only."""

import json
import time
from typing import Any
from urllib.parse import quote

import pytest

from tests.engine.daemon import EngineDaemon
from tests.engine.service.observing import post

pytestmark = pytest.mark.requires_root


def _prune(engine: EngineDaemon, filters: object = None, *, tenant: str = "") -> Any:
    path = f"/containers/prune?filters={quote(json.dumps(filters or {}))}"
    answer = engine.request("POST", path, tenant=tenant)
    assert answer.status == 200, answer.body
    return answer.document


def test_what_does_not_run_goes_and_the_rest_stays(engine: EngineDaemon) -> None:
    created = engine.create("true", name="created")
    ended = engine.run("sh", "-c", "head -c 100000 /dev/zero > /file", name="ended")
    assert engine.wait(ended) == 0
    engine.run("sleep", "600", name="running")
    engine.run("sleep", "600", name="paused")
    post(engine, "/containers/paused/pause")
    engine.run("false", name="waiting", HostConfig={"RestartPolicy": {"Name": "always"}})
    pruned = _prune(engine)
    assert set(pruned["ContainersDeleted"]) == {created, ended}
    assert 100_000 <= pruned["SpaceReclaimed"] < 200_000
    left = {one["Names"][0] for one in engine.request("GET", "/containers/json?all=1").document}
    assert left == {"/running", "/paused", "/waiting"}
    assert _prune(engine) == {"ContainersDeleted": None, "SpaceReclaimed": 0}


@pytest.mark.parametrize(
    ("filters", "gone"),
    [
        ({"label": ["kind"]}, {"red", "blue"}),
        ({"label": ["kind=red"]}, {"red"}),
        ({"label": {"kind=red": True}}, {"red"}),
        ({"label!": ["kind=red"]}, {"blue", "plain"}),
        ({"label!": ["kind"]}, {"plain"}),
        ({"until": ["10m"]}, set()),
        ({"until": ["0s"]}, {"red", "blue", "plain"}),
        ({"until": [str(int(time.time()) + 3600)]}, {"red", "blue", "plain"}),
        ({"until": ["2020-01-01T00:00:00Z"]}, set()),
    ],
)
def test_filters_choose(engine: EngineDaemon, filters: dict[str, object], gone: set[str]) -> None:
    ids = {name: engine.create("true", name=name, Labels={"kind": name}) for name in ("red", "blue")}
    ids["plain"] = engine.create("true", name="plain")
    assert set(_prune(engine, filters)["ContainersDeleted"] or ()) == {ids[name] for name in gone}


@pytest.mark.parametrize("filters", ["x", "[]", '{"name":["x"]}', '{"until":["x"]}', '{"until":["1h","2h"]}', '{"label":"x"}'])
def test_unclear_filters_remove_nothing(engine: EngineDaemon, filters: str) -> None:
    engine.create("true", name="lab")
    assert post(engine, f"/containers/prune?filters={quote(filters)}") == 400
    assert engine.request("GET", "/containers/lab/json").status == 200


def test_only_the_tenants_own_go(engine: EngineDaemon) -> None:
    """A team sees its members' containers, and an administrator all: whoever tidies up tidies up what is theirs."""
    owners = ("", "red", "red/ann", "blue")
    for owner in owners:
        if owner in ("red", "blue"):
            engine.import_busybox(tenant=owner)
    engine.import_busybox(tenant="red/ann")
    ids = {owner: engine.create("true", tenant=owner) for owner in owners}
    assert _prune(engine, tenant="red")["ContainersDeleted"] == [ids["red"]]
    assert _prune(engine)["ContainersDeleted"] == [ids[""]]
    assert engine.request("GET", f"/containers/{ids['red/ann']}/json", tenant="red").status == 200
    assert engine.request("GET", f"/containers/{ids['blue']}/json", tenant="blue").status == 200


def test_the_command_shows_it(engine: EngineDaemon) -> None:
    engine.create("true", name="lab")
    assert b"Total reclaimed space" in engine.cli("container", "prune", "--force").stdout
