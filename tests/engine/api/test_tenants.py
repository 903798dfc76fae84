"""Who sees what: each look-up and list is scoped by the acting tenant."""

import pytest

from engine.tenants.store import FIRST_ID, SLICE_IDS
from tests.engine.daemon import EngineDaemon

pytestmark = pytest.mark.requires_root

ADA, BOB, TEAM = "blue/ada", "red/bob", "blue"


def test_a_container_exists_for_its_owner_the_team_and_administrators_only(engine: EngineDaemon) -> None:
    container_id = engine.create("true", tenant=ADA, name="lab")
    expected = {ADA: 200, TEAM: 200, "": 200, BOB: 404, "blue/eve": 404, "red": 404}
    for name in (container_id, container_id[:12], "lab"):
        for tenant, status in expected.items():
            assert engine.request("GET", f"/containers/{name}/json", tenant=tenant).status == status, (name, tenant)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/containers/{}/json"),
        ("GET", "/containers/{}/logs?stdout=1"),
        ("POST", "/containers/{}/start"),
        ("POST", "/containers/{}/stop"),
        ("POST", "/containers/{}/restart"),
        ("POST", "/containers/{}/kill"),
        ("POST", "/containers/{}/wait"),
        ("POST", "/containers/{}/rename?name=stolen"),
        ("POST", "/containers/{}/resize?h=1&w=1"),
        ("POST", "/containers/{}/attach?stream=1&stdout=1"),
        ("POST", "/containers/{}/exec"),
        ("DELETE", "/containers/{}?force=1"),
    ],
)
def test_no_verb_reaches_another_tenants_container(engine: EngineDaemon, method: str, path: str) -> None:
    container_id = engine.run("sleep", "600", tenant=ADA)
    body = {"Cmd": ["true"]} if path.endswith("exec") else None
    answer = engine.request(method, path.format(container_id), body, tenant=BOB)
    assert (answer.status, answer.message) == (404, f"no such container: {container_id}")
    assert engine.inspect(container_id)["State"]["Running"] is True


def test_another_tenants_exec_does_not_exist(engine: EngineDaemon) -> None:
    container_id = engine.run("sleep", "600", tenant=ADA)
    exec_id = engine.request("POST", f"/containers/{container_id}/exec", {"Cmd": ["true"]}, tenant=ADA).document["Id"]
    for method, path in (("GET", "json"), ("POST", "start"), ("POST", "attach"), ("POST", "resize?h=1&w=1")):
        assert engine.request(method, f"/exec/{exec_id}/{path}", tenant=BOB).status == 404


def test_lists_and_names_are_each_tenants_own(engine: EngineDaemon) -> None:
    of_ada = engine.create("true", tenant=ADA, name="lab")
    of_bob = engine.create("true", tenant=BOB, name="lab")

    def listed(tenant: str) -> set[str]:
        return {one["Id"] for one in engine.request("GET", "/containers/json?all=1", tenant=tenant).document}

    assert (listed(ADA), listed(BOB), listed(TEAM), listed("")) == ({of_ada}, {of_bob}, {of_ada}, {of_ada, of_bob})
    assert engine.request("GET", "/containers/lab/json", tenant=BOB).document["Id"] == of_bob
    answer = engine.request("GET", "/containers/lab/json")
    assert (answer.status, "several tenants" in answer.message) == (409, True)


def test_root_inside_is_another_nobody_for_each_tenant(engine: EngineDaemon) -> None:
    uids = set()
    for tenant in ("", ADA, BOB):
        container_id = engine.run("sleep", "600", tenant=tenant)
        pid = engine.inspect(container_id)["State"]["Pid"]
        with open(f"/proc/{pid}/status") as status:
            line = next(line for line in status if line.startswith("Uid:"))
        uids.add(int(line.split()[1]))
    assert len(uids) == 3
    assert all(uid >= FIRST_ID and (uid - FIRST_ID) % SLICE_IDS == 0 for uid in uids)


def test_published_images_are_readable_by_all_and_others_are_not(engine: EngineDaemon) -> None:
    engine.import_busybox("private:1", tenant=ADA)
    assert engine.request("GET", "/images/busybox/json", tenant=BOB).status == 200
    assert engine.request("GET", "/images/private:1/json", tenant=ADA).status == 200
    assert engine.request("GET", "/images/private:1/json", tenant=BOB).status == 404
    answer = engine.request("POST", "/containers/create", {"Image": "private:1"}, tenant=BOB)
    assert (answer.status, answer.message) == (404, "No such image: private:1")
    assert engine.request("DELETE", "/images/busybox", tenant=BOB).status == 403
    assert engine.request("DELETE", "/images/private:1", tenant=ADA).status == 200


def test_paths_of_the_host_are_for_administrators(engine: EngineDaemon) -> None:
    body = {"Image": "busybox", "Cmd": ["true"], "HostConfig": {"Binds": ["/etc:/host"]}}
    assert engine.request("POST", "/containers/create", body, tenant=ADA).status == 403
    assert engine.request("POST", "/containers/create", body).status == 201


@pytest.mark.parametrize("name", ["UPPER", "a/b/c", "../x", "a/", "/a", "-a"])
def test_a_malformed_tenant_is_refused(engine: EngineDaemon, name: str) -> None:
    assert engine.request("GET", "/containers/json", tenant=name).status == 400


def test_cgroups_of_containers_lie_in_their_tenants(engine: EngineDaemon) -> None:
    container_id = engine.run("sleep", "600", tenant=ADA)
    with open(f"/proc/{engine.inspect(container_id)['State']['Pid']}/cgroup") as file:
        paths = [line.rstrip("\n").split(":", 2)[2] for line in file]
    assert any(path.endswith(f"/atelier-{engine.instance}/t-blue/m-ada/c-{container_id}") for path in paths), paths
