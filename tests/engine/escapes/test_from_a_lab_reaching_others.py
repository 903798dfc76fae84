"""From a lab's own shell: another tenant's things by id, name and trick, and who one is taken for."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.engine.daemon import EngineDaemon
from tests.engine.escapes.cells import BOB
from tests.engine.escapes.labs import Lab, labs_engine

pytestmark = pytest.mark.requires_root


@dataclass(frozen=True)
class Prey:
    """What Bob has, by ids."""

    container: str
    exec: str
    network: str
    image: str


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with labs_engine() as engine:
        yield Lab(engine)


@pytest.fixture(scope="module")
def prey(lab: Lab) -> Prey:
    return hunted(lab.engine)


def hunted(engine: EngineDaemon) -> Prey:
    container = engine.run("sleep", "6000", tenant=BOB, name="secret")
    exec_id = engine.request("POST", f"/containers/{container}/exec", {"Cmd": ["sleep", "600"]}, tenant=BOB).document["Id"]
    assert engine.request("POST", f"/exec/{exec_id}/start", {"Detach": True}, tenant=BOB).status == 200
    assert engine.request("POST", "/volumes/create", {"Name": "treasure"}, tenant=BOB).status == 201
    network = engine.request("POST", "/networks/create", {"Name": "hideout"}, tenant=BOB).document["Id"]
    image = engine.request("POST", f"/commit?container={container}&repo=recipe", {}, tenant=BOB).document["Id"]
    return Prey(container, exec_id, network, image)


_ABSENT = [
    ("GET", "/containers/{container}/json"),
    ("GET", "/containers/{short}/logs?stdout=1"),
    ("GET", "/containers/secret/top"),
    ("GET", "/containers/{container}/archive?path=/etc/passwd"),
    ("GET", "/containers/{container}/stats?stream=0"),
    ("POST", "/containers/{container}/exec"),
    ("POST", "/containers/{container}/attach?stream=1&stdin=1"),
    ("POST", "/containers/{container}/dial?port=80"),
    ("POST", "/containers/{container}/rename?name=mine"),
    ("POST", "/containers/{container}/update"),
    ("DELETE", "/containers/{container}?force=1"),
    ("POST", "/commit?container={container}&repo=stolen"),
    ("GET", "/exec/{exec}/json"),
    ("POST", "/exec/{exec}/start"),
    ("POST", "/exec/{exec}/attach?stdin=1&replay=1"),
    ("POST", "/exec/{exec}/resize?h=1&w=1"),
    ("GET", "/volumes/treasure"),
    ("GET", "/volumes/treasure/archive"),
    ("PUT", "/volumes/treasure/archive"),
    ("DELETE", "/volumes/treasure?force=0"),
    ("GET", "/networks/{network}"),
    ("POST", "/networks/{network}/connect"),
    ("DELETE", "/networks/hideout"),
    ("GET", "/images/{image}/json"),
    ("GET", "/images/{image}/get"),
    ("GET", "/images/get?names={image}"),
    ("POST", "/images/recipe/tag?repo=mine"),
    ("DELETE", "/images/recipe"),
    ("GET", "/tenants/red/bob"),
    ("GET", "/tenants/red"),
]


@pytest.mark.parametrize(("method", "path"), _ABSENT)
def test_what_another_tenant_has_is_not_there(lab: Lab, prey: Prey, method: str, path: str) -> None:
    place = path.format(**vars(prey), short=prey.container[:12])
    body: object = b"" if method == "PUT" else {"Cmd": ["id"], "Container": "lab", "Memory": 2**30}
    answer = lab.ask(method, place, None if method == "GET" else body, {"Atelier-Tenant": BOB})
    assert answer.status == 404, answer.body
    unknown = lab.ask("GET", path.format(container="f" * 64, short="f" * 12, exec="f" * 64, network="f" * 64, image="f" * 64))
    assert (unknown.status in (404, 405)) or method != "GET" or not path.count("{")


def test_nothing_of_another_tenant_is_listed_told_or_tidied_up(lab: Lab, prey: Prey) -> None:
    texts = [
        lab.ask("GET", path).body
        for path in (
            "/containers/json?all=1",
            "/images/json?all=1",
            "/volumes",
            "/networks",
            "/system/df",
            "/tenants",
            "/info",
            f"/events?since=1&until={int(time.time())}",
            "/containers/json?all=1&filters=%7B%22name%22%3A%5B%22s%22%5D%7D",
        )
    ]
    for path in (
        "/containers/prune",
        "/volumes/prune?filters=%7B%22all%22%3A%5B%221%22%5D%7D",
        "/networks/prune",
        "/build/prune?all=1",
    ):
        texts.append(lab.ask("POST", path).body)
    told = b"".join(texts)
    assert not [
        word for word in ("secret", "treasure", "hideout", "recipe", "bob", prey.container, prey.image) if word.encode() in told
    ]
    for path in ("/containers/secret/json", "/volumes/treasure", "/networks/hideout", "/images/recipe/json"):
        assert lab.engine.request("GET", path, tenant=BOB).status == 200


_JOINS = [
    {"Image": "{image}"},
    {"Image": "recipe"},
    {"HostConfig": {"NetworkMode": "container:{container}"}},
    {"HostConfig": {"PidMode": "container:{container}"}},
    {"HostConfig": {"IpcMode": "container:secret"}},
    {"HostConfig": {"VolumesFrom": ["{container}"]}},
    {"HostConfig": {"Links": ["{container}:x"]}},
    {"HostConfig": {"NetworkMode": "{network}"}},
    {"HostConfig": {"NetworkMode": "hideout"}},
]


@pytest.mark.parametrize("wish", _JOINS, ids=str)
def test_no_container_comes_to_share_what_another_tenant_has(lab: Lab, prey: Prey, wish: dict[str, object]) -> None:
    text = {"Image": "busybox", "Cmd": ["true"], **wish}
    body = filled(text, prey)
    answer = lab.ask("POST", "/containers/create", body)
    if answer.status == 201:  # networks are looked for at the start, as in dockerd
        started = lab.ask("POST", f"/containers/{answer.document['Id']}/start")
        lab.ask("DELETE", f"/containers/{answer.document['Id']}?force=1")
        answer = started
    assert answer.status in (400, 404), answer.body


def filled(value: object, prey: Prey) -> object:
    if isinstance(value, dict):
        return {name: filled(one, prey) for name, one in value.items()}
    if isinstance(value, list):
        return [filled(one, prey) for one in value]
    return value.format(**vars(prey)) if isinstance(value, str) else value


_LIST = b"GET /containers/json?all=1 HTTP/1.1\r\nHost: x\r\n"
_PUT = b"PUT /tenants/blue/ada HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
_SPELLINGS = [
    b"Atelier-Tenant: red/bob\r\n",
    b"ATELIER-TENANT: red/bob\r\n",
    b"atelier-tenant:red/bob\r\n",
    b"Atelier-Tenant: red/bob\r\nAtelier-Tenant: red/bob\r\n",
    b"Atelier-Tenant:\r\n",
    b"Atelier-Upgrade: tcp\r\nAtelier-Connection: Upgrade\r\nAtelier-Tenant: red/bob\r\n",
    b"Connection: Upgrade\r\nUpgrade: tcp\r\nAtelier-Tenant: red/bob\r\n",
]


@pytest.mark.parametrize("header", _SPELLINGS, ids=str)
def test_no_header_makes_a_lab_somebody_else(lab: Lab, prey: Prey, header: bytes) -> None:
    told = lab.raw(_LIST + header + b"Connection: close\r\n\r\n")
    assert b'"/lab"' in told or b" 400 " in told
    assert b"secret" not in told
    refused = lab.raw(_PUT + header + b"Connection: close\r\nContent-Length: 2\r\n\r\n{}")
    assert refused.split(b"\r\n")[0].split()[1] in (b"403", b"400")


def test_requests_that_hide_behind_others_are_the_same_tenants(lab: Lab, prey: Prey) -> None:
    """Pipelined, behind a chunked body, behind a body that another length was said of, and behind a hijack."""
    hidden = (
        _LIST
        + b"Atelier-Tenant: red/bob\r\n\r\n"
        + _PUT
        + b"Atelier-Tenant: \r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}"
    )
    exec_id = lab.ask("POST", "/containers/lab/exec", {"Cmd": ["true"], "AttachStdout": True}).document["Id"]
    start = f"POST /exec/{exec_id}/start HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"
    doors = {
        "pipelined": b"GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n",
        "chunked": b"POST /auth HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        "two lengths": b"POST /auth HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "hijack": start.encode() + b"Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n{}",
    }
    for what, door in doors.items():
        told = lab.raw(door + hidden)
        assert b"secret" not in told, what
        assert prey.container.encode() not in told, what
    assert lab.engine.request("GET", "/tenants/blue/ada").document["limits"]["memory"] is None


def test_a_lab_reads_itself_and_its_team_without_the_others_of_it(lab: Lab) -> None:
    lab.engine.request("PUT", "/tenants/blue/eve", {"pids": 77})
    told = {one["name"]: one["members"] for one in lab.ask("GET", "/tenants").document}
    assert set(told) == {"blue", "blue/ada"}
    assert "blue/eve" not in told["blue"]
    assert lab.ask("GET", "/tenants/blue/eve").status == 404
    for method in ("PUT", "DELETE"):
        assert lab.ask(method, "/tenants/blue/ada", {"memory": 2**50}).status == 403


@pytest.mark.parametrize("label", ["atelier.lab", "atelier.job", "atelier.anything"])
def test_labels_of_managed_containers_are_not_a_labs_to_give(lab: Lab, label: str) -> None:
    """Neither by asking, nor by an image, nor by an image of the lab itself."""
    refused = lab.ask("POST", "/containers/create", {"Image": "busybox", "Labels": {label: "forged"}})
    assert (refused.status, label in refused.message) == (403, True)
    managed = lab.engine.create(
        "true", tenant=lab.engine.inspect("lab")["Atelier"]["Tenant"], Labels={label: "real", "own": "kept"}
    )
    body = {"Labels": {"atelier.lab": "forged"}}
    image = lab.ask("POST", f"/commit?container={managed}&repo=copy", body).document["Id"]
    container = lab.ask("POST", "/containers/create", {"Image": image, "Cmd": ["true"]}).document["Id"]
    assert lab.ask("GET", f"/containers/{container}/json").document["Config"]["Labels"] == {"own": "kept"}
