"""Pushes into a real registry: what is sent, what is not sent again, and what is told to whom."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest

from engine.core.digests import sha256_of
from engine.core.manifests import DOCKER_MANIFEST
from tests.engine.busybox_image import busybox_tar
from tests.engine.daemon import EngineDaemon
from tests.engine.registry import Registry, running_registry
from tests.engine.service.pulling import auth_header, lines_of, pulled

pytestmark = pytest.mark.requires_root
ADA, BOB, EVE = "demo/ada", "demo/bob", "other/eve"
LAYER = sha256_of(busybox_tar())


@pytest.fixture(scope="module")
def registry() -> Iterator[Registry]:
    with running_registry() as running:
        yield running


def tagged(engine: EngineDaemon, name: str, *, tenant: str = ADA) -> str:
    repository, _, tag = name.rpartition(":")
    answer = engine.request("POST", f"/images/busybox/tag?{urlencode({'repo': repository, 'tag': tag})}", tenant=tenant)
    assert answer.status == 201, answer.body
    return name


def push(engine: EngineDaemon, name: str, *, tag: str = "", tenant: str = ADA, **headers: str) -> list[dict[str, Any]]:
    answer = engine.request("POST", f"/images/{name}/push?tag={tag}", tenant=tenant, headers=headers or auth_header())
    assert answer.status == 200, answer.body
    return lines_of(answer)


def said_of_layers(lines: list[dict[str, Any]]) -> list[str]:
    said = [line["status"] for line in lines if line.get("id") == LAYER[7:19]]
    return [word for word in said if word not in ("Pushing", "Waiting")]


def test_what_was_pushed_is_what_another_tenant_pulls(engine: EngineDaemon, registry: Registry) -> None:
    name = tagged(engine, f"{registry.address}/ada/shell:1")
    lines = push(engine, f"{registry.address}/ada/shell", tag="1")
    assert lines[0] == {"status": f"The push refers to repository [{registry.address}/ada/shell]"}
    assert said_of_layers(lines) == ["Preparing", "Pushed"]
    aux = lines[-1]["aux"]
    assert lines[-2] == {"status": f"1: digest: {aux['Digest']} size: {aux['Size']}"}
    stored = registry.request("GET", "/v2/ada/shell/manifests/1", headers={"Accept": DOCKER_MANIFEST})
    assert (sha256_of(stored.body), len(stored.body)) == (aux["Digest"], aux["Size"])
    mine = engine.request("GET", f"/images/{name}/json", tenant=ADA).document
    assert f"{registry.address}/ada/shell@{aux['Digest']}" in mine["RepoDigests"]
    pulled(engine, f"{registry.address}/ada/shell", tenant=EVE)
    assert engine.request("GET", f"/images/{name}/json", tenant=EVE).document["Id"] == mine["Id"]


def test_a_second_push_sends_no_layer_and_gives_the_same_digest(engine: EngineDaemon, registry: Registry) -> None:
    tagged(engine, f"{registry.address}/ada/twice:1")
    first = push(engine, f"{registry.address}/ada/twice", tag="1")
    uploads = len(registry.accesses("PATCH")) + len(registry.accesses("PUT", "/blobs/"))
    second = push(engine, f"{registry.address}/ada/twice", tag="1")
    assert said_of_layers(second) == ["Preparing", "Layer already exists"]
    assert len(registry.accesses("PATCH")) + len(registry.accesses("PUT", "/blobs/")) == uploads
    assert first[-1]["aux"] == second[-1]["aux"]


def test_a_layer_is_mounted_from_a_repository_that_the_tenant_knows(engine: EngineDaemon, registry: Registry) -> None:
    tagged(engine, f"{registry.address}/bob/first:1", tenant=BOB)
    tagged(engine, f"{registry.address}/bob/second:1", tenant=BOB)
    push(engine, f"{registry.address}/bob/first", tag="1", tenant=BOB)
    words = said_of_layers(push(engine, f"{registry.address}/bob/second", tag="1", tenant=BOB))
    assert words == ["Preparing", "Mounted from bob/first"]


def test_no_other_tenants_repository_is_named_to_the_registry(engine: EngineDaemon, registry: Registry) -> None:
    tagged(engine, f"{registry.address}/bob/hidden:1", tenant=BOB)
    push(engine, f"{registry.address}/bob/hidden", tag="1", tenant=BOB)
    tagged(engine, f"{registry.address}/third/own:1", tenant="third/one")
    words = said_of_layers(push(engine, f"{registry.address}/third/own", tag="1", tenant="third/one"))
    assert words == ["Preparing", "Pushed"]
    assert not [access for access in registry.accesses("POST", "third/own") if "from=" in access.path]


def test_without_a_tag_all_tags_go(engine: EngineDaemon, registry: Registry) -> None:
    for tag in ("1", "2"):
        tagged(engine, f"{registry.address}/ada/every:{tag}")
    lines = push(engine, f"{registry.address}/ada/every")
    assert [line["aux"]["Tag"] for line in lines if "aux" in line] == ["1", "2"]
    listed = json.loads(registry.request("GET", "/v2/ada/every/tags/list").body)
    assert sorted(listed["tags"]) == ["1", "2"]


def test_what_is_not_there_cannot_be_pushed(engine: EngineDaemon, registry: Registry) -> None:
    lines = push(engine, f"{registry.address}/ada/nothing", tag="1")
    assert lines[-1]["error"] == f"An image does not exist locally with the tag: {registry.address}/ada/nothing"


def test_another_tenants_image_cannot_be_pushed(engine: EngineDaemon, registry: Registry) -> None:
    tagged(engine, f"{registry.address}/ada/mine:1")
    assert "does not exist" in push(engine, f"{registry.address}/ada/mine", tag="1", tenant=EVE)[-1]["error"]


def test_pushes_and_pulls_are_told_of_as_dockerd_does(engine: EngineDaemon, registry: Registry) -> None:
    name = tagged(engine, f"{registry.address}/ada/told:1")
    since = engine.request("GET", "/info").document["SystemTime"]
    push(engine, f"{registry.address}/ada/told", tag="1")
    pulled(engine, f"{registry.address}/ada/told", tenant=ADA)
    filters = json.dumps({"event": ["pull", "push"]})
    query = urlencode({"since": since, "until": "0s", "filters": filters})
    events = [json.loads(line) for line in engine.request("GET", f"/events?{query}", tenant=ADA).body.splitlines()]
    told = [(one["Action"], one["Actor"]) for one in events if one["Actor"]["ID"] == name]
    actor = {"ID": name, "Attributes": {"name": f"{registry.address}/ada/told"}}
    assert told == [("push", actor), ("pull", actor)]
