"""Volumes through the API and the docker command: the same requests against the engine and, where it is installed, a dockerd."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.engine.daemon import EngineDaemon
from tests.engine.dockerd import BOTH, Dockerd, serving

pytestmark = pytest.mark.requires_root
V = "/v1.41"  # what both speak


@pytest.fixture(scope="module", params=[*BOTH, "plain folders"])
def server(request: pytest.FixtureRequest) -> Iterator[EngineDaemon]:
    """Each of them, with the image busybox."""
    with serving(request.param) as daemon:
        yield daemon


@pytest.fixture
def clean(server: EngineDaemon) -> Iterator[EngineDaemon]:
    """The server without containers and volumes."""
    yield server
    server.remove_containers()
    for volume in server.request("GET", "/volumes").document["Volumes"] or []:
        server.request("DELETE", f"/volumes/{volume['Name']}")


@pytest.fixture
def engine_only(clean: EngineDaemon) -> EngineDaemon:
    """For what older versions of dockerd do otherwise."""
    if isinstance(clean, Dockerd):
        pytest.skip("newer than this dockerd, or the engine's own")
    return clean


def names(server: EngineDaemon, **filters: list[str]) -> list[str]:
    answer = server.request("GET", f"{V}/volumes?filters={quote(json.dumps(filters))}")
    assert answer.status == 200, answer.body
    return sorted(volume["Name"] for volume in answer.document["Volumes"] or [])


def make(server: EngineDaemon, name: str, **fields: object) -> Any:
    answer = server.request("POST", f"{V}/volumes/create", {"Name": name, **fields})
    assert answer.status == 201, answer.body
    return answer.document


def test_a_volume_is_made_once_and_shown(clean: EngineDaemon) -> None:
    made = make(clean, "data", Labels={"a": "b"})
    again = make(clean, "data", Labels={"c": "d"})
    shown = clean.request("GET", f"{V}/volumes/data").document
    assert made == again == shown
    assert (made["Name"], made["Driver"], made["Scope"], made["Labels"], made["Options"]) == (
        "data",
        "local",
        "local",
        {"a": "b"},
        None,
    )
    assert Path(made["Mountpoint"]).is_dir()
    assert names(clean) == ["data"]


def test_a_volume_without_a_name_gets_an_id_for_one(clean: EngineDaemon) -> None:
    name = make(clean, "")["Name"]
    assert len(name) == 64
    assert int(name, 16) >= 0


@pytest.mark.parametrize(
    ("body", "refused"),
    [
        ({"Name": "x"}, True),
        ({"Name": "a/b"}, True),
        ({"Name": "-ab"}, True),
        ({"Name": "ok", "DriverOpts": {"foo": "bar"}}, True),
        ({"Name": "ok", "DriverOpts": {"o": "size=1m"}}, True),
        ({"Name": "ok", "Driver": "local", "DriverOpts": {}}, False),
        ({"Name": "ok", "Driver": "", "Labels": None, "DriverOpts": None}, False),
        ({"Name": 3}, True),
        ({"Name": "ok", "Labels": ["a"]}, True),
    ],
)
def test_a_request_for_a_volume(clean: EngineDaemon, body: dict[str, object], refused: bool) -> None:
    status = clean.request("POST", f"{V}/volumes/create", body).status
    assert (status in (400, 500)) if refused else status == 201
    assert names(clean) == ([] if refused else ["ok"])


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/volumes/nosuch", 404),
        ("DELETE", "/volumes/nosuch", 404),
        ("DELETE", "/volumes/nosuch?force=1", 204),
        ("GET", f"/volumes?filters={quote(json.dumps({'foo': ['x']}))}", 400),
        ("GET", f"/volumes?filters={quote(json.dumps({'dangling': ['maybe']}))}", 400),
        ("POST", f"/volumes/prune?filters={quote(json.dumps({'until': ['1h']}))}", 400),
        ("GET", "/volumes?filters=%7B", 400),
    ],
)
def test_a_request_without_body(clean: EngineDaemon, method: str, path: str, status: int) -> None:
    answer = clean.request(method, f"{V}{path}", headers={"Content-Type": ""})
    assert answer.status == status or (status, answer.status) == (400, 500), answer.body


def test_lists_are_filtered(clean: EngineDaemon) -> None:
    make(clean, "alpha", Labels={"k": "v"})
    make(clean, "beta", Labels={"k": "w", "l": ""})
    clean.create("true", HostConfig={"Binds": ["beta:/x"]})
    assert names(clean, dangling=["true"]) == ["alpha"]
    assert names(clean, dangling=["0"]) == ["beta"]
    assert names(clean, driver=["local"]) == ["alpha", "beta"]
    assert names(clean, driver=["other"]) == []
    assert names(clean, label=["k"]) == ["alpha", "beta"]
    assert names(clean, label=["k=w"]) == ["beta"]
    assert names(clean, label=["k=w", "l"]) == ["beta"]
    assert names(clean, name=["lph", "nothing"]) == ["alpha"]


def test_a_volume_in_use_is_not_removed_and_its_users_are_named(clean: EngineDaemon) -> None:
    first = clean.create("true", HostConfig={"Binds": ["data:/x"]})
    second = clean.create("true", HostConfig={"VolumesFrom": [first]})
    for force in ("", "?force=1"):
        answer = clean.request("DELETE", f"{V}/volumes/data{force}")
        assert (answer.status, answer.message.startswith("remove data: volume is in use - [")) == (409, True)
        assert first in answer.message
        assert second in answer.message or isinstance(clean, Dockerd)  # which counts some holders at their start only
    clean.remove_containers()
    assert clean.request("DELETE", f"{V}/volumes/data").status == 204
    assert names(clean) == []


def test_older_clients_prune_all_unused_volumes(clean: EngineDaemon) -> None:
    container = clean.create("true", Volumes={"/anonymous": {}}, HostConfig={"Binds": ["used:/x"]})
    make(clean, "unused", Labels={"keep": "no"})
    make(clean, "kept", Labels={"keep": "yes"})
    query = quote(json.dumps({"label!": ["keep=yes"]}))
    assert clean.request("POST", f"{V}/volumes/prune?filters={query}").document["VolumesDeleted"] == ["unused"]
    query = quote(json.dumps({"label": ["keep=yes"]}))
    assert clean.request("POST", f"{V}/volumes/prune?filters={query}").document["VolumesDeleted"] == ["kept"]
    assert clean.request("POST", f"{V}/volumes/prune").document == {"VolumesDeleted": [], "SpaceReclaimed": 0}
    clean.request("DELETE", f"/containers/{container}")
    assert len(clean.request("POST", f"{V}/volumes/prune").document["VolumesDeleted"]) == 2


def test_newer_clients_prune_anonymous_volumes_unless_they_say_all(engine_only: EngineDaemon) -> None:
    container = engine_only.run("sh", "-c", "head -c 5000 /dev/urandom >/anonymous/f", Volumes={"/anonymous": {}})
    engine_only.wait(container)
    anonymous = engine_only.inspect(container)["Mounts"][0]["Name"]
    engine_only.request("DELETE", f"/containers/{container}")
    make(engine_only, "named")
    pruned = engine_only.request("POST", "/v1.42/volumes/prune").document
    assert pruned == {"VolumesDeleted": [anonymous], "SpaceReclaimed": 24576 if engine_only.counts_disk_space else 5000}
    assert engine_only.request("POST", "/v1.42/volumes/prune").document["VolumesDeleted"] == []
    query = quote(json.dumps({"all": ["true"]}))
    assert engine_only.request("POST", f"/volumes/prune?filters={query}").document["VolumesDeleted"] == ["named"]


def test_anonymous_volumes_say_so_in_a_label(engine_only: EngineDaemon) -> None:
    make(engine_only, "")
    assert len(names(engine_only, label=["com.docker.volume.anonymous"])) == 1


MOUNTS = [
    {"Type": "tmpfs", "Target": "/t", "TmpfsOptions": {"SizeBytes": 1048576, "Mode": 448}},
    {"Type": "volume", "Target": "/m"},
    {
        "Type": "volume",
        "Source": "mm",
        "Target": "/mm",
        "ReadOnly": True,
        "VolumeOptions": {"NoCopy": True, "Labels": {"q": "w"}},
    },
    {"Type": "bind", "Source": "/usr", "Target": "/hostusr", "ReadOnly": True, "BindOptions": {"Propagation": "rprivate"}},
]
BINDS = ["v3:/ro:ro", "v1:/x", "v2:/nocopy:nocopy", "/etc:/hostetc:ro", "/etc:/hostetc2"]
POINTS = [
    ("bind", None, "/etc", "/hostetc", None, "ro", False, "rprivate"),
    ("bind", None, "/etc", "/hostetc2", None, "", True, "rprivate"),
    ("bind", None, "/usr", "/hostusr", None, "", False, "rprivate"),
    ("tmpfs", None, "", "/t", None, "", True, ""),
    ("volume", "*", "", "/anon", "local", "", True, ""),
    ("volume", "*", "", "/m", "local", "z", True, ""),
    ("volume", "mm", "", "/mm", "local", "z", False, ""),
    ("volume", "v1", "", "/x", "local", "z", True, ""),
    ("volume", "v2", "", "/nocopy", "local", "nocopy", True, ""),
    ("volume", "v3", "", "/ro", "local", "ro", False, ""),
]


def point(mount: dict[str, Any]) -> tuple[Any, ...]:
    """A mount as inspect shows it, without what differs from run to run."""
    name = mount.get("Name")
    source = "" if mount["Type"] == "volume" else mount["Source"]
    shown = "*" if name and len(name) == 64 else name
    return (
        mount["Type"],
        shown,
        source,
        mount["Destination"],
        mount.get("Driver"),
        mount["Mode"],
        mount["RW"],
        mount["Propagation"],
    )


def test_inspect_shows_mounts_as_asked_for_and_as_they_are(clean: EngineDaemon) -> None:
    container = clean.create(
        "true", Volumes={"/anon": {}}, HostConfig={"Binds": BINDS, "Mounts": MOUNTS, "Tmpfs": {"/tt": "size=1m"}}
    )
    shown = clean.inspect(container)
    assert sorted(map(point, shown["Mounts"]), key=str) == sorted(POINTS, key=str)
    assert (shown["HostConfig"]["Binds"], shown["HostConfig"]["Mounts"]) == (BINDS, MOUNTS)
    assert (shown["HostConfig"]["VolumesFrom"], shown["HostConfig"]["VolumeDriver"]) == (None, "")
    assert shown["Config"]["Volumes"] == {"/anon": {}}
    listed = clean.request("GET", f"{V}/containers/json?all=1").document[0]
    assert sorted(map(point, listed["Mounts"]), key=str) == sorted(POINTS, key=str)


def test_inspect_shows_mounts_of_another_container(clean: EngineDaemon) -> None:
    first = clean.create("true", Volumes={"/anon": {}}, HostConfig={"Binds": ["v1:/x", "/etc:/hostetc"]})
    second = clean.inspect(clean.create("true", HostConfig={"VolumesFrom": [f"{first}:ro"]}))
    assert sorted(map(point, second["Mounts"]), key=str) == [
        ("bind", None, "/etc", "/hostetc", None, "", False, "rprivate"),
        ("volume", "*", "", "/anon", "local", "", False, ""),
        ("volume", "v1", "", "/x", "local", "", False, ""),
    ]
    assert (second["HostConfig"]["VolumesFrom"], second["Config"]["Volumes"]) == ([f"{first}:ro"], None)


def test_a_volume_tells_its_life(clean: EngineDaemon) -> None:
    began = time.time()
    container = clean.run("true", HostConfig={"Binds": ["data:/x:ro"]}, Volumes={"/y": {}})
    clean.wait(container)
    anonymous = next(one["Name"] for one in clean.inspect(container)["Mounts"] if one["Destination"] == "/y")
    clean.request("DELETE", f"/containers/{container}?v=1")
    clean.request("DELETE", f"{V}/volumes/data")
    query = f"since={began:.9f}&until={time.time() + 0.1:.9f}&filters={quote(json.dumps({'type': ['volume']}))}"
    events = [json.loads(line) for line in clean.request("GET", f"{V}/events?{query}").body.splitlines()]
    told = {
        name: [(one["Action"], one["Actor"]["Attributes"]) for one in events if one["Actor"]["ID"] == name]
        for name in ("data", anonymous)
    }
    where = {"container": container, "destination": "/x", "driver": "local", "propagation": "", "read/write": "false"}
    assert told["data"] == [
        ("create", {"driver": "local"}),
        ("mount", where),
        ("unmount", {"container": container, "driver": "local"}),
        ("destroy", {"driver": "local"}),
    ]
    assert [action for action, _ in told[anonymous]] == ["create", "mount", "unmount", "destroy"]
    by_name = quote(json.dumps({"volume": ["data"]}))
    lines = clean.request("GET", f"{V}/events?since={began:.9f}&until={time.time():.9f}&filters={by_name}").body.splitlines()
    assert {json.loads(line)["Actor"]["ID"] for line in lines} == {"data"}


REFUSED = [
    "-v v1:/x -v v3:/x",
    "-v v1:/x/ -v v3:/x",
    "-v v1:/x --tmpfs /x",
    "-v v1:/x --mount type=volume,src=v3,dst=/x",
    "-v v1:x",
    "-v v1:/",
    "-v v1:/x:foo",
    "-v v1:/x:ro,rw",
    "-v v1:/x:z,Z",
    "-v v1:/x:shared",
    "-v a/b:/x",
    "-v /etc:/x:nocopy",
    "-v v1:/bin/busybox",
    "-v /bin/busybox",
    "--mount type=bind,src=/nosuch,dst=/x",
    "--mount type=bind,src=rel,dst=/x",
    "--mount type=volume,src=/abs,dst=/x",
    "--mount type=tmpfs,src=a,dst=/x",
    "--mount type=npipe,dst=/x",
    "--volumes-from nosuch",
    "--volumes-from lab:zz",
]


@pytest.mark.parametrize("options", REFUSED)
def test_a_command_that_is_refused_at_create(clean: EngineDaemon, options: str) -> None:
    clean.create("true", name="lab")
    done = clean.shell(f"$D create {options} busybox true")
    assert done.returncode in (1, 125), done
    assert done.stderr
    assert b"Unable to find image" not in done.stderr
    assert len(clean.request("GET", "/containers/json?all=1").document) == 1


RO = "touch: /x/f: Read-only file system"
CREATE = "$D create --name one -v data:/x -v /etc:/e busybox true >/dev/null"
COMMANDS = [
    ("$D volume create data; $D volume create data; $D volume ls -q; $D volume rm data", "data data data data"),
    (
        "$D volume create --label a=b data; $D volume ls -q -f label=a=b; $D volume inspect -f '{{.Driver}}' data",
        "data data local",
    ),
    ("$D run --rm -v data:/x busybox sh -c 'echo hi >/x/f'; $D run --rm -v data:/y:ro busybox cat /y/f", "hi"),
    ("$D run --rm -v data:/home busybox ls /home", "ada"),
    ("$D run --rm -v data:/home:nocopy busybox ls /home", ""),
    ("$D run --rm -v data:/tmp busybox stat -c %a /tmp; $D volume ls -q", "1777 data"),
    ("$D run --rm -v /x busybox touch /x/f; $D volume ls -q", ""),
    ("$D run --name one -v /x busybox touch /x/f; $D rm one >/dev/null; $D volume ls -q | wc -l", "1"),
    ("$D run --name one -v /x busybox touch /x/f; $D rm -v one >/dev/null; $D volume ls -q | wc -l", "0"),
    ("$D run --name one -v data:/x busybox touch /x/f; $D rm -v one >/dev/null; $D volume ls -q", "data"),
    ("$D run --name one -v /x busybox sh -c 'echo a >/x/f'; $D run --rm --volumes-from one busybox cat /x/f", "a"),
    ("$D run --name one -v /x busybox true; $D run --rm --volumes-from one:ro busybox touch /x/f 2>&1", RO),
    ("$D run --rm --mount type=volume,src=data,dst=/x,readonly busybox touch /x/f 2>&1", RO),
    (
        (
            "$D run --rm --mount type=volume,src=data,dst=/x,volume-label=a=b busybox true;"
            " $D volume inspect -f '{{.Labels.a}}' data"
        ),
        "b",
    ),
    (
        (
            "$D run --rm --mount type=tmpfs,dst=/x,tmpfs-size=64k,tmpfs-mode=0750 busybox"
            " sh -c 'stat -c %a /x; df /x | tail -1 | cut -c-5'"
        ),
        "750 tmpfs",
    ),
    ("$D run --rm --mount type=bind,src=/etc/hostname,dst=/x,readonly busybox cat /x >/dev/null && echo ok", "ok"),
    (f"{CREATE}; $D ps -a --format '{{{{.LocalVolumes}}}}'", "1"),
    ("$D create --name one -v data:/x busybox true >/dev/null; $D ps -a --format '{{.Mounts}}'", "data"),
    *(
        (f"{CREATE}; $D ps -a -f volume={value} --format '{{{{.Names}}}}'", found)
        for value, found in (("data", "one"), ("/x", "one"), ("/e", "one"), ("/etc", "one"), ("dat", ""), ("/nosuch", ""))
    ),
    (
        "$D volume create data >/dev/null; $D system df -v --format '{{range .Volumes}}{{.Name}} {{.Links}} {{.Size}}{{end}}'",
        ("data 0 0B", "data 0 16.38kB"),
    ),
    ("$D volume create data >/dev/null; $D volume rm -f data nosuch", "data nosuch"),
]


@pytest.mark.parametrize(("script", "said"), COMMANDS, ids=[script for script, _ in COMMANDS])
def test_a_command(clean: EngineDaemon, script: str, said: str | tuple[str, str]) -> None:
    """Where two answers are given the second is that of a disk that counts."""
    wanted = said if isinstance(said, str) else said[clean.counts_disk_space]
    done = clean.shell(script)
    assert " ".join(done.stdout.decode().split()) == wanted, done
