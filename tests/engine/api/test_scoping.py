"""Another tenant's object is not there: each route answers for it as for what never was, no list, event or conflict tells of it.

The table of routes is the application's own, so that a new one is either looked at here or fails.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

import pytest

from engine.api.app import ROUTES
from tests.engine.daemon import Answer, EngineDaemon, running_engine
from tests.engine.service.building import build

pytestmark = pytest.mark.requires_root

ADA, BOB = "ofadas/ofada", "red/bob"
MARK = "ofada"  # in each name that ada has or gives
_ID = re.compile("[0-9a-f]{64}")
NONSENSE = {"full": "5e" * 32, "short": "5e" * 6, "name": "nobodys"}

# What a route needs beside the name, to come as far as looking it up.
_QUERIES = {
    ("POST", "/containers/{name}/rename"): "?name=stolen",
    ("POST", "/containers/{name}/attach"): "?stream=1&stdout=1",
    ("GET", "/containers/{name}/attach/ws"): "?stream=1&stdout=1",
    ("POST", "/containers/{name}/resize"): "?h=1&w=1",
    ("POST", "/exec/{name}/resize"): "?h=1&w=1",
    ("POST", "/containers/{name}/dial"): "?port=1",
    ("GET", "/containers/{name}/logs"): "?stdout=1",
    ("GET", "/containers/{name}/stats"): "?stream=0",
    ("HEAD", "/containers/{name}/archive"): "?path=/",
    ("GET", "/containers/{name}/archive"): "?path=/",
    ("PUT", "/containers/{name}/archive"): "?path=/",
    ("DELETE", "/containers/{name}"): "?force=1",
    ("DELETE", "/containers/{name}/{alias}"): "?link=1",
    ("POST", "/images/{name}/tag"): "?repo=stolen&tag=1",
}
_BODIES: dict[tuple[str, str], object] = {
    ("POST", "/containers/{name}/exec"): {"Cmd": ["true"]},
    ("POST", "/containers/{name}/update"): {"Memory": 2**28},
    ("POST", "/exec/{name}/start"): {"Detach": True},
    ("POST", "/networks/{name}/connect"): {"Container": "own"},
    ("POST", "/networks/{name}/disconnect"): {"Container": "own"},
    ("PUT", "/containers/{name}/archive"): bytes(1024),
    ("PUT", "/volumes/{name}/archive"): bytes(1024),
}
_WEBSOCKET = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "YWRhIGFuZCBib2IgYW5kIA==",
}
_PUSH = "/images/{name}/push"  # says it in the stream, as dockerd; 64 digits are no name of a repository
# Names that are no object of the engine's.
_OTHERS = {"/distribution/{name}/json", "/plugins/{name}/json"}
_NAMED = sorted(
    {
        (method, plain)
        for method, path, _ in ROUTES
        if "{name" in path and (plain := path.replace("{name:.+}", "{name}")) not in _OTHERS
    }
)


@dataclass(frozen=True)
class Scene:
    """What ada has; ``names`` maps a kind of object to the ways of naming hers."""

    engine: EngineDaemon
    names: dict[str, dict[str, str]]

    def as_bob(self, method: str, path: str, body: object = None) -> Answer:
        headers = {"X-Registry-Auth": "e30="} if path.endswith("/push") else _WEBSOCKET if "/ws" in path else {}
        return self.engine.request(method, path, body, headers=headers, through=self.engine.socket_of(BOB))

    def told(self, method: str, path: str, body: object, name: str) -> tuple[int, str, str]:
        """Status, body without the name, kind of content."""
        answer = self.as_bob(method, path.replace("NAME", quote(name)), _filled(body, name))
        started = self._started(answer) if path.startswith("/containers/create") and answer.status == 201 else ""
        text = _ID.sub("ID", (started or answer.body.decode(errors="replace")).replace(name, "NAME").replace(quote(name), "NAME"))
        text = text.replace(name.partition(":")[0], "NAME")  # where the tag is not told
        return answer.status, text, answer.headers.get("Content-Type", "")

    def _started(self, created: Answer) -> str:
        """What the start says of a container whose create looked nothing up; it is gone afterwards."""
        path = f"/containers/{created.document['Id']}"
        started = self.as_bob("POST", f"{path}/start")
        assert self.as_bob("DELETE", f"{path}?force=1").status == 204
        return f"{started.status} {started.body.decode()}"


def _filled(body: object, name: str) -> object:
    return json.loads(json.dumps(body).replace("NAME", name)) if body and not isinstance(body, bytes) else body


def _short(full: str) -> str:
    """The first digits of an id, with a letter among them: without one they would be the number of a build's stage."""
    return next(full[:length] for length in range(12, len(full)) if not full[:length].isdecimal())


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with running_engine() as daemon:
        daemon.import_busybox()
        network = daemon.request("POST", "/networks/create", {"Name": f"{MARK}-net"}, tenant=ADA).document["Id"]
        fields = {
            "Labels": {MARK: "1"},
            "HostConfig": {
                "Binds": [f"{MARK}-data:/data"],
                "NetworkMode": f"{MARK}-net",
                "PortBindings": {"80/tcp": [{"HostPort": "28080"}]},
                "IpcMode": "shareable",
            },
        }
        lab = daemon.run("sleep", "6000", tenant=ADA, name=f"{MARK}-lab", **fields)
        execution = daemon.request("POST", f"/containers/{lab}/exec", {"Cmd": ["true"]}, tenant=ADA).document["Id"]
        committed = daemon.request("POST", f"/commit?container={lab}&repo={MARK}-image&tag=1", {}, tenant=ADA).document["Id"]
        own = daemon.create("true", tenant=BOB, name="own")
        assert own
        digits = committed.removeprefix("sha256:")
        yield Scene(
            daemon,
            {
                "containers": {"full": lab, "short": _short(lab), "name": f"{MARK}-lab"},
                "exec": {"full": execution, "short": _short(execution)},
                "images": {"full": digits, "short": _short(digits), "name": f"{MARK}-image:1"},
                "networks": {"full": network, "short": _short(network), "name": f"{MARK}-net"},
                "volumes": {"name": f"{MARK}-data"},
            },
        )
        daemon.remove_containers()
        daemon.request("DELETE", f"/networks/{network}")


@pytest.mark.parametrize(("method", "path"), _NAMED, ids=[f"{method} {path}" for method, path in _NAMED])
def test_each_route_answers_for_anothers_object_as_for_none(scene: Scene, method: str, path: str) -> None:
    kind = path.split("/")[1]
    filled = path.replace("{name}", "NAME").replace("{alias}", "alias") + _QUERIES.get((method, path), "")
    body = _BODIES.get((method, path))
    for way, name in scene.names[kind].items():
        nonsense = f"{NONSENSE['name']}:1" if ":" in name else NONSENSE[way]
        told = scene.told(method, filled, body, name)
        assert told == scene.told(method, filled, body, nonsense), way
        assert told[0] == 404 or (path == _PUSH and (way == "full" or "does not exist locally" in told[1])), (way, told)


_OWN = {"Image": "busybox", "Cmd": ["true"]}
_MENTIONS: dict[str, tuple[str, str, str, object]] = {
    "volumes-from": ("containers", "POST", "/containers/create", {**_OWN, "HostConfig": {"VolumesFrom": ["NAME"]}}),
    "network mode": ("networks", "POST", "/containers/create", {**_OWN, "HostConfig": {"NetworkMode": "NAME"}}),
    "network of a container": (
        "containers",
        "POST",
        "/containers/create",
        {**_OWN, "HostConfig": {"NetworkMode": "container:NAME"}},
    ),
    "processes of a container": (
        "containers",
        "POST",
        "/containers/create",
        {**_OWN, "HostConfig": {"PidMode": "container:NAME"}},
    ),
    "memory of a container": ("containers", "POST", "/containers/create", {**_OWN, "HostConfig": {"IpcMode": "container:NAME"}}),
    "link": ("containers", "POST", "/containers/create", {**_OWN, "HostConfig": {"Links": ["NAME:x"]}}),
    "further network": (
        "networks",
        "POST",
        "/containers/create",
        {**_OWN, "HostConfig": {"NetworkMode": "bridge"}, "NetworkingConfig": {"EndpointsConfig": {"NAME": {}}}},
    ),
    "image": ("images", "POST", "/containers/create", {"Image": "NAME"}),
    "commit": ("containers", "POST", "/commit?container=NAME", {}),
    "connect": ("containers", "POST", "/networks/bridge/connect", {"Container": "NAME"}),
    "disconnect": ("containers", "POST", "/networks/bridge/disconnect", {"Container": "NAME"}),
    "save": ("images", "GET", "/images/get?names=NAME", None),
    "filter before": ("containers", "GET", '/containers/json?filters={"before":["NAME"]}', None),
    "filter since": ("containers", "GET", '/containers/json?all=1&filters={"since":["NAME"]}', None),
    "filter ancestor": ("images", "GET", '/containers/json?all=1&filters={"ancestor":["NAME"]}', None),
    "filter network": ("networks", "GET", '/containers/json?all=1&filters={"network":["NAME"]}', None),
    "filter id": ("containers", "GET", '/containers/json?all=1&filters={"id":["NAME"]}', None),
    "filter volume": ("volumes", "GET", '/containers/json?all=1&filters={"volume":["NAME"]}', None),
    "images before": ("images", "GET", '/images/json?filters={"before":["NAME"]}', None),
    "images since": ("images", "GET", '/images/json?filters={"since":["NAME"]}', None),
    "images by reference": ("images", "GET", '/images/json?filters={"reference":["NAME"]}', None),
    "networks by id": ("networks", "GET", '/networks?filters={"id":["NAME"]}', None),
    "networks by name": ("networks", "GET", '/networks?filters={"name":["NAME"]}', None),
    "volumes by name": ("volumes", "GET", '/volumes?filters={"name":["NAME"]}', None),
}


@pytest.mark.parametrize("mention", _MENTIONS)
def test_each_mention_of_anothers_object_is_one_of_none(scene: Scene, mention: str) -> None:
    kind, method, path, body = _MENTIONS[mention]
    path = path.replace('"', "%22").replace("{", "%7B").replace("}", "%7D")
    for way, name in scene.names[kind].items():
        nonsense = f"{NONSENSE['name']}:1" if ":" in name else NONSENSE[way]
        assert scene.told(method, path, body, name) == scene.told(method, path, body, nonsense), way


_LISTS = [
    "/containers/json?all=1&size=1",
    "/images/json?all=1&digests=1&shared-size=1&manifests=1",
    "/networks",
    "/volumes",
    "/system/df",
    "/system/df?verbose=1",
    "/events?since=0&until=4000000000.0",
    "/info",
    "/images/busybox/json",
    "/images/busybox/history",
]


@pytest.mark.parametrize("path", _LISTS)
def test_no_list_tells_of_another_tenant(scene: Scene, path: str) -> None:
    if path.startswith("/events"):
        path = f"/events?since=0&until={scene.engine.request('GET', '/info').document['SystemTime'][:19]}Z"
    answer = scene.as_bob("GET", path)
    assert answer.status == 200
    told = answer.body.decode()
    ids = {name for ways in scene.names.values() for way, name in ways.items() if way == "short"}
    assert [word for word in (MARK, *ids) if word in told] == []


def test_administrators_are_told_where_files_lie_and_their_owners_are_not(scene: Scene) -> None:
    engine, lab, volume = scene.engine, scene.names["containers"]["full"], scene.names["volumes"]["name"]
    for path in (f"/containers/{lab}/json", "/containers/json", "/system/df", f"/volumes/{volume}", "/volumes"):
        for answer in (engine.request("GET", path, through=engine.socket_of(ADA)), engine.request("GET", path, tenant=ADA)):
            assert (answer.status, str(engine.root).encode() in answer.body) == (200, False), path
        assert str(engine.root).encode() in engine.request("GET", path).body, path


def test_counts_of_info_and_df_are_each_tenants_own(scene: Scene) -> None:
    info = scene.as_bob("GET", "/info").document
    assert (info["Containers"], info["ContainersRunning"], info["Images"]) == (1, 0, 1)
    usage = scene.as_bob("GET", "/system/df").document
    assert [one["Names"] for one in usage["Containers"]] == [["/own"]]
    assert usage["Volumes"] in ([], None)


@pytest.mark.parametrize("what", ["containers", "images", "networks", "volumes", "build"])
def test_pruning_touches_nothing_of_another_tenant(scene: Scene, what: str) -> None:
    query = {"images": "?filters=%7B%22dangling%22:%5B%22false%22%5D%7D", "volumes": "?filters=%7B%22all%22:%5B%221%22%5D%7D"}
    answer = scene.as_bob("POST", f"/{what}/prune{query.get(what, '')}")
    assert answer.status == 200
    assert MARK.encode() not in answer.body
    if what == "containers":
        scene.engine.create("true", tenant=BOB, name="own")
    for kind, ways in scene.names.items():
        path = f"/{kind}/{quote(ways.get('full', ways.get('name', '')))}" + ("" if kind in ("networks", "volumes") else "/json")
        assert scene.engine.request("GET", path, tenant=ADA).status == 200, kind


def test_two_tenants_use_one_name_for_anything(scene: Scene) -> None:
    container = scene.as_bob(
        "POST", f"/containers/create?name={MARK}-lab", {**_OWN, "HostConfig": {"Binds": [f"{MARK}-data:/data"]}}
    )
    network = scene.as_bob("POST", "/networks/create", {"Name": f"{MARK}-net"})
    image = scene.as_bob("POST", f"/images/busybox/tag?repo={MARK}-image&tag=1")
    assert (container.status, network.status, image.status) == (201, 201, 201), (container.body, network.body, image.body)
    seen = scene.as_bob("GET", f"/volumes/{MARK}-data").document["Atelier"]
    assert seen["Tenant"] == BOB
    assert seen["Id"] != scene.engine.request("GET", f"/volumes/{MARK}-data", tenant=ADA).document["Atelier"]["Id"]
    for path in (
        f"/containers/{MARK}-lab?v=1",
        f"/networks/{MARK}-net",
        f"/images/{MARK}-image:1?force=1",
        f"/volumes/{MARK}-data",
    ):
        assert scene.as_bob("DELETE", path).status in (200, 204), path
        assert scene.as_bob("GET", path if path[1] in "nv" else path.split("?")[0] + "/json").status == 404


def test_a_port_that_another_has_is_taken_by_nobody_in_particular(scene: Scene) -> None:
    def refused(port: str) -> str:
        host = {"PortBindings": {"80/tcp": [{"HostPort": port}]}}
        container_id = scene.as_bob("POST", "/containers/create", {**_OWN, "HostConfig": host}).document["Id"]
        answer = scene.as_bob("POST", f"/containers/{container_id}/start")
        scene.as_bob("DELETE", f"/containers/{container_id}")
        assert answer.status >= 400
        return answer.message

    told = refused("28080")
    assert not re.search(rf"{MARK}|{scene.names['containers']['short']}", told), told


_BUILDS = {
    "base": "FROM NAME\n",
    "copy from": "FROM busybox\nCOPY --from=NAME /etc /x\n",
}


@pytest.mark.parametrize("what", _BUILDS)
def test_a_build_knows_nothing_of_anothers_image(scene: Scene, what: str) -> None:
    """What is not here is looked for at registries: what is told of that tells nothing of here."""

    def told(name: str) -> str:
        built = build(scene.engine, _BUILDS[what].replace("NAME", name), tenant=BOB)
        assert built.error
        return json.dumps(built.lines).replace(name, "NAME")

    full = scene.names["images"]["full"]
    assert told(f"sha256:{full}") == told(f"sha256:{NONSENSE['full']}")
    assert told(scene.names["images"]["short"]) == told(NONSENSE["short"])
