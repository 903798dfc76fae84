"""A trial of a prune tells what the prune then does, and changes and tells nothing itself."""

import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from tests.engine.daemon import EngineDaemon
from tests.engine.service.test_volumes import ADA, binds, ensure_image, said

pytestmark = pytest.mark.requires_root

ROUTES = ["containers", "images", "networks", "volumes", "build"]
DELETED = {
    "containers": "ContainersDeleted",
    "images": "ImagesDeleted",
    "networks": "NetworksDeleted",
    "volumes": "VolumesDeleted",
    "build": "CachesDeleted",
}
DOCKERFILE = b"FROM busybox\nRUN echo one >/one\nRUN echo two >/two\n"


@pytest.fixture
def furnished(engine: EngineDaemon) -> Iterator[EngineDaemon]:
    """One or more of everything that a prune could take, and of what it must leave."""
    container = engine.create("true", name="old", Labels={"kind": "old"})
    engine.run("sleep", "600", name="runs", **binds("used:/v"))
    said(engine, "sh", "-c", "head -c 100000 /dev/urandom >/v/f", **binds("unused:/v"))
    engine.request("POST", "/volumes/create", {"Name": "labelled", "Labels": {"keep": "1"}})
    engine.request("POST", "/volumes/create", {"Name": "memory", "DriverOpts": {"type": "tmpfs", "device": "tmpfs"}})
    said(engine, "true", tenant=ADA, **binds("unused:/v"))
    for name in ("net1", "net2"):
        engine.request("POST", "/networks/create", {"Name": name, "Labels": {"name": name}})
    engine.request("POST", f"/commit?container={container}")
    engine.request("POST", f"/commit?container={container}&repo=named")
    build(engine)
    yield engine
    engine.remove_containers()
    for volume in engine.request("GET", "/volumes").document["Volumes"]:
        engine.request("DELETE", f"/volumes/{volume['Atelier']['Id']}")
    for name in ("net1", "net2"):
        engine.request("DELETE", f"/networks/{name}")
    engine.request("DELETE", "/images/named")
    engine.request("POST", "/images/prune")
    engine.request("POST", "/build/prune")


def build(engine: EngineDaemon) -> None:
    done = engine.cli("build", "-q", "-", stdin=DOCKERFILE)
    assert done.returncode == 0, done.stderr


def prune(engine: EngineDaemon, what: str, filters: object = None, *, dry: bool = False, tenant: str = "") -> Any:
    path = f"/{what}/prune?filters={quote(json.dumps(filters or {}))}{'&dryrun=1' if dry else ''}"
    answer = engine.request("POST", path, tenant=tenant)
    assert answer.status == 200, answer.body
    return comparable(answer.document)


def comparable(document: Any) -> Any:
    """Lists in one order: which of several goes first is nobody's promise."""
    return {name: sorted(map(str, value)) if isinstance(value, list) else value for name, value in document.items()}


def everything(engine: EngineDaemon) -> list[object]:
    paths = ["/containers/json?all=1", "/images/json?all=1", "/networks", "/volumes"]
    found = [engine.request("GET", path).document for path in paths]
    for container in found[0]:
        container.pop("Status")  # it tells how long ago
    return found


@pytest.mark.parametrize(
    ("what", "filters"),
    [
        ("containers", {}),
        ("containers", {"label": ["kind=old"]}),
        ("containers", {"until": ["1h"]}),
        ("images", {}),
        ("images", {"dangling": ["false"]}),
        ("networks", {}),
        ("networks", {"label!": ["name=net1"]}),
        ("volumes", {}),
        ("volumes", {"all": ["1"]}),
        ("volumes", {"all": ["1"], "label!": ["keep"]}),
        ("build", {}),
        ("build", {"until": ["1h"]}),
    ],
)
def test_it_tells_what_then_goes(furnished: EngineDaemon, what: str, filters: dict[str, object]) -> None:
    before, began = everything(furnished), time.time()
    told = prune(furnished, what, filters, dry=True)
    assert prune(furnished, what, filters, dry=True) == told
    assert everything(furnished) == before
    events = furnished.request("GET", f"/events?since={began:.9f}&until={time.time():.9f}").body
    assert not [line for line in events.splitlines() if json.loads(line)["Action"] in ("prune", "destroy", "delete", "untag")]
    assert prune(furnished, what, filters) == told
    assert (everything(furnished) == before) == (not told[DELETED[what]])
    assert not prune(furnished, what, filters)[DELETED[what]]


def test_what_goes_is_what_is_told(furnished: EngineDaemon) -> None:
    told = {what: prune(furnished, what, {"all": ["1"]} if what == "volumes" else {}, dry=True) for what in ROUTES}
    assert len(told["containers"]["ContainersDeleted"]) == 1
    assert told["networks"]["NetworksDeleted"] == ["net1", "net2"]
    assert told["volumes"]["VolumesDeleted"] == ["labelled", "unused"]
    assert 100_000 <= told["volumes"]["SpaceReclaimed"] < 300_000
    assert len(told["build"]["CachesDeleted"]) == 2
    assert told["images"]["ImagesDeleted"]


@pytest.mark.parametrize("what", ROUTES)
def test_a_wrong_filter_is_refused_all_the_same(furnished: EngineDaemon, what: str) -> None:
    for filters in ('{"bogus":["1"]}', "{"):
        assert furnished.request("POST", f"/{what}/prune?dryrun=1&filters={quote(filters)}").status == 400


@pytest.mark.parametrize("flag", ["0", "false", ""])
def test_only_who_asks_for_it_gets_it(furnished: EngineDaemon, flag: str) -> None:
    furnished.request("POST", f"/networks/prune?dryrun={flag}")
    assert furnished.request("GET", "/networks/net1").status == 404


def test_only_the_tenants_own_is_told(furnished: EngineDaemon) -> None:
    ensure_image(furnished, ADA)
    assert prune(furnished, "volumes", {"all": ["1"]}, dry=True, tenant=ADA)["VolumesDeleted"] == ["unused"]
    assert prune(furnished, "volumes", {"all": ["1"]}, dry=True, tenant="demo/bob")["VolumesDeleted"] == []
    assert prune(furnished, "networks", dry=True, tenant=ADA)["NetworksDeleted"] is None
    assert prune(furnished, "containers", dry=True, tenant=ADA)["ContainersDeleted"] is None
