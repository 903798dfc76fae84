"""Whatever a quota counts is counted through every door: a table of ways for each."""

import io
import json
import os
import signal
import tarfile
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest

from tests.engine.busybox_image import busybox_tar
from tests.engine.daemon import Answer, EngineDaemon, wait_until
from tests.engine.service.building import build
from tests.engine.service.quotas import (
    as_tenant,
    compose_up,
    create,
    is_refused,
    plain_engine,
    refusals,
    set_free,
    set_quota,
    used,
    verb,
)

pytestmark = pytest.mark.requires_root
ADA = "demo/ada"


@pytest.fixture(scope="module")
def shared() -> Iterator[EngineDaemon]:
    with plain_engine() as engine:
        yield engine


@pytest.fixture
def engine(shared: EngineDaemon) -> Iterator[EngineDaemon]:
    """Nothing of a test before, and nobody is limited."""
    yield shared
    set_free(shared)
    shared.request("POST", "/volumes/prune?" + urlencode({"filters": '{"all":["1"]}'}))
    for tenant in (ADA, "demo/bob", "demo"):
        shared.request("POST", "/networks/prune", tenant=tenant)
        for volume in shared.request("GET", "/volumes", tenant=tenant).document["Volumes"]:
            shared.request("DELETE", f"/volumes/{volume['Name']}", tenant=tenant)
        for image in shared.request("GET", "/images/json?all=1", tenant=tenant).document:
            if "busybox:latest" not in image["RepoTags"]:
                shared.request("DELETE", f"/images/{image['Id']}?force=1", tenant=tenant)


def one_file(name: str, size: int = 10) -> bytes:
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w") as archive:
        member = tarfile.TarInfo(name)
        member.size = size
        archive.addfile(member, io.BytesIO(name.encode()[:1] * size))
    return output.getvalue()


def layers_of(engine: EngineDaemon) -> set[str]:
    """The layers on disk."""
    return {path.name for path in (engine.data_path / "engine" / "layers").iterdir() if path.name not in ("empty", "staging")}


def import_tar(engine: EngineDaemon, tar: bytes, name: str, tenant: str = ADA) -> Answer:
    return engine.request("POST", f"/images/create?fromSrc=-&repo={name}", tar, tenant=tenant)


CREATING = {
    "docker create": "docker create busybox true",
    "docker run": "docker run --rm busybox true",
    "docker run detached": "docker run -d busybox sleep 600",
    "docker build": "printf 'FROM busybox\\nRUN echo %s' $$ | docker build --no-cache -",
    "docker-compose": compose_up("{image: busybox, command: sleep 600}"),
}


@pytest.mark.parametrize("script", CREATING.values(), ids=CREATING.keys())
@pytest.mark.parametrize(("resource", "words"), [("containers", "container quota of"), ("running", "running container quota of")])
@pytest.mark.parametrize("limited", [ADA, "demo"])
def test_no_client_gets_more_containers_or_more_of_them_running(
    engine: EngineDaemon, script: str, resource: str, words: str, limited: str
) -> None:
    if resource == "running" and script == CREATING["docker create"]:
        script = "docker start $(docker create busybox true)"
    assert verb(engine, ADA, create(engine, ADA, name="web").document["Id"], "start").status == 204
    set_quota(engine, limited, **{resource: 1})
    done = as_tenant(engine, ADA, script)
    assert done.returncode != 0
    assert f"{words} {'team demo' if limited == 'demo' else ADA}: 1 needed, 0 left of 1; " in done.stdout + done.stderr
    assert "web" in done.stdout + done.stderr
    assert used(engine, "demo", "running") == 1
    if resource == "containers":
        assert used(engine, "demo", "containers") == 1
    assert refusals(engine, ADA)[resource] >= 1


def test_a_refused_start_stays_with_its_reason(engine: EngineDaemon) -> None:
    set_quota(engine, "demo", running=1)
    assert verb(engine, ADA, create(engine, ADA, name="one").document["Id"], "start").status == 204
    two = create(engine, ADA, name="two").document["Id"]
    assert is_refused(verb(engine, ADA, two, "start"), "running", "demo")
    state = engine.inspect(two)["State"]
    assert not state["Running"]
    assert state["Error"].startswith("running container quota of team demo: 1 needed, 0 left of 1; stop one")
    assert verb(engine, ADA, "one", "stop").status == 204
    assert verb(engine, ADA, two, "start").status == 204
    assert engine.inspect(two)["State"]["Error"] == ""


def test_what_is_paused_or_waits_for_a_restart_runs(engine: EngineDaemon) -> None:
    set_quota(engine, "demo", running=2)
    verb(engine, ADA, create(engine, ADA, name="still").document["Id"], "start")
    assert verb(engine, ADA, "still", "pause").status == 204
    looping = {"RestartPolicy": {"Name": "always"}, "NetworkMode": "none"}
    crashing = create(engine, ADA, name="crashing", Cmd=["false"], HostConfig=looping).document["Id"]
    verb(engine, ADA, crashing, "start")
    wait_until(lambda: engine.inspect(crashing)["RestartCount"] >= 5, "the container to be restarted")
    third = create(engine, ADA).document["Id"]
    assert is_refused(verb(engine, ADA, third, "start"), "running", "demo")
    assert verb(engine, ADA, "still", "unpause").status == 204, "what is paused already has its place"


def test_a_restart_takes_no_further_place_and_lets_nobody_have_its_own(engine: EngineDaemon) -> None:
    set_quota(engine, "demo", running=1)
    one = create(engine, ADA, name="one").document["Id"]
    verb(engine, ADA, one, "start")
    assert verb(engine, ADA, one, "restart").status == 204
    set_quota(engine, "demo", running=0)
    assert is_refused(verb(engine, ADA, one, "restart"), "running", "demo")
    assert engine.inspect(one)["State"]["Running"], "what may not start again was stopped"


def test_a_restart_that_could_not_publish_its_ports_again_stops_nothing(engine: EngineDaemon) -> None:
    assert as_tenant(engine, ADA, "docker run -d --name site -p 80 -p 81 busybox sleep 600").returncode == 0
    set_quota(engine, "demo", ports=1)
    assert is_refused(verb(engine, ADA, "site", "restart"), "ports", "demo")
    assert engine.inspect("site")["State"]["Running"]
    set_quota(engine, "demo", ports=2)
    assert verb(engine, ADA, "site", "restart").status == 204
    assert used(engine, "demo", "ports") == 2


def test_a_policy_starts_nothing_past_the_quota(engine: EngineDaemon) -> None:
    always = {"RestartPolicy": {"Name": "always"}, "NetworkMode": "none"}
    one = create(engine, ADA, name="one", HostConfig=always).document["Id"]
    verb(engine, ADA, one, "start")
    set_quota(engine, "demo", running=0)
    assert engine.inspect(one)["State"]["Running"], "a quota below what runs has ended it"
    os.kill(engine.inspect(one)["State"]["Pid"], signal.SIGKILL)  # not by the engine, which would stop its policy
    wait_until(lambda: engine.inspect(one)["State"]["Status"] == "exited", "the policy to be refused")
    assert "running container quota of team demo" in engine.inspect(one)["State"]["Error"]


VOLUMES = {
    "docker volume create": "docker volume create more",
    "nameless": "docker volume create",
    "docker run -v name": "docker run --rm -v more:/data busybox true",
    "docker run -v path": "docker run --rm -v /data busybox true",
    "docker create --mount": "docker create --mount type=volume,source=more,target=/data busybox true",
    "docker-compose": compose_up("{image: busybox, volumes: ['data:/d']}", "volumes: {data: }"),
}


@pytest.mark.parametrize("script", VOLUMES.values(), ids=VOLUMES.keys())
def test_no_client_gets_more_volumes(engine: EngineDaemon, script: str) -> None:
    assert engine.request("POST", "/volumes/create", {"Name": "first"}, tenant="demo/bob").status == 201
    set_quota(engine, "demo", volumes=1)
    done = as_tenant(engine, ADA, script)
    assert done.returncode != 0
    assert "volume quota of team demo: 1 needed, 0 left of 1; ask for more" in done.stdout + done.stderr
    assert (used(engine, "demo", "volumes"), used(engine, "demo", "containers")) == (1, 0)
    assert engine.request("POST", "/volumes/create", {"Name": "first"}, tenant="demo/bob").status == 201, "it is there already"


def test_a_volume_of_an_image_counts_too(engine: EngineDaemon) -> None:
    assert "error" not in build(engine, "FROM busybox\nVOLUME /data", t="keeper").lines[-1]
    set_quota(engine, ADA, volumes=0)
    assert is_refused(create(engine, ADA, Image="keeper"), "volumes", ADA)
    assert used(engine, ADA, "containers") == 0
    engine.request("DELETE", "/images/keeper")


NETWORKS = {
    "docker network create": "docker network create more",
    "docker-compose": compose_up("{image: busybox}"),
}


@pytest.mark.parametrize("script", NETWORKS.values(), ids=NETWORKS.keys())
def test_no_client_gets_more_networks(engine: EngineDaemon, script: str) -> None:
    set_quota(engine, "demo", networks=1)
    assert engine.request("POST", "/networks/create", {"Name": "first"}, tenant=ADA).status == 201
    done = as_tenant(engine, ADA, script)
    assert done.returncode != 0
    assert "network quota of team demo: 1 needed, 0 left of 1; remove first, or ask for more" in done.stdout + done.stderr
    assert used(engine, "demo", "networks") == 1
    assert as_tenant(engine, ADA, "docker run --rm busybox true").returncode == 0, "the default network counts for nobody"


PORTS = {
    "chosen": "docker run -d -p 45871:80 busybox sleep 600",
    "any": "docker run -d -p 80 busybox sleep 600",
    "all": "docker run -d --expose 80 -P busybox sleep 600",
    "one too many": "docker run -d -p 80 -p 81 busybox sleep 600",
    "docker-compose": compose_up("{image: busybox, command: sleep 600, ports: ['80']}"),
}


@pytest.mark.parametrize("script", PORTS.values(), ids=PORTS.keys())
def test_no_client_publishes_more_ports(engine: EngineDaemon, script: str) -> None:
    assert as_tenant(engine, "demo/bob", "docker run -d --name site -p 80 busybox sleep 600").returncode == 0
    set_quota(engine, "demo", ports=1)
    done = as_tenant(engine, ADA, script)
    assert done.returncode != 0
    assert "published port quota of team demo: " in done.stdout + done.stderr
    assert (used(engine, "demo", "ports"), used(engine, ADA, "running")) == (1, 0)
    assert as_tenant(engine, "demo/bob", "docker restart -t 0 site").returncode == 0
    assert as_tenant(engine, "demo/bob", "docker stop -t 0 site").returncode == 0
    assert used(engine, "demo", "ports") == 0


IMAGES = {
    "docker import": "printf x >file && tar c file | docker import - more",
    "docker load": "docker load <other.tar",
    "docker commit": "docker commit kept more",
    "docker build": "printf 'FROM busybox\\nLABEL more=1' | docker build -t more -",
    "docker build with a step": "printf 'FROM busybox\\nRUN echo more >/more' | docker build -t more -",
}
NO_BYTES = ("docker build", "image_bytes")  # a label alone
IMAGE_WORDS = {"images": "image", "image_bytes": "image size"}


@pytest.mark.parametrize(
    ("script", "resource"),
    [
        (script, resource)
        for name, script in IMAGES.items()
        for resource in ("images", "image_bytes")
        if (name, resource) != NO_BYTES
    ],
)
def test_no_client_gets_more_images_or_bytes_of_them(engine: EngineDaemon, script: str, resource: str) -> None:
    (engine.root / "homes" / ADA).mkdir(parents=True, exist_ok=True)
    import_tar(engine, one_file("other", 5000), "other", tenant="")
    saved = engine.request("GET", "/images/other/get").body
    engine.request("DELETE", "/images/other")
    (engine.root / "homes" / ADA / "other.tar").write_bytes(saved)
    create(engine, ADA, name="kept", Cmd=["sh", "-c", "head -c 9000 /dev/urandom >/noise"])
    verb(engine, ADA, "kept", "start")
    engine.wait(engine.inspect("kept")["Id"])
    layers = layers_of(engine)
    set_quota(engine, ADA, **{resource: 0})
    done = as_tenant(engine, ADA, script)
    assert done.returncode != 0, done.stdout
    assert f"{IMAGE_WORDS[resource]} quota of demo/ada: " in done.stdout + done.stderr
    assert (used(engine, ADA, "images"), used(engine, ADA, "image_bytes")) == (0, 0)
    wait_until(lambda: layers_of(engine) == layers, "no layer to be left")
    assert used(engine, ADA, "containers") == 1, "a build left its container"


def test_a_further_name_is_no_further_image(engine: EngineDaemon) -> None:
    assert import_tar(engine, one_file("own", 5000), "own").status == 200
    set_quota(engine, ADA, images=1, image_bytes=5000)
    for name in ("own", "busybox"):
        assert engine.request("POST", f"/images/{name}/tag?repo=again&tag={name}", tenant=ADA).status == 201
    assert used(engine, ADA, "images") == 1
    assert is_refused(import_tar(engine, one_file("new", 10), "new"), "images", ADA)


def test_layers_that_members_share_count_once_for_the_team(engine: EngineDaemon) -> None:
    set_quota(engine, "demo", image_bytes=6000)
    tar = one_file("common", 5000)
    assert import_tar(engine, tar, "common").status == 200
    assert import_tar(engine, tar, "common", "demo/bob").status == 200
    assert used(engine, "demo", "image_bytes") == used(engine, ADA, "image_bytes") == 5000
    assert is_refused(import_tar(engine, one_file("more", 5001), "more", "demo/bob"), "image_bytes", "demo")


def test_streams_tell_the_figures_of_a_refused_quota_too(engine: EngineDaemon) -> None:
    set_quota(engine, ADA, images=0)
    done = build(engine, "FROM busybox\nLABEL a=b", tenant=ADA)
    last = done.lines[-1]
    assert last["error"] == last["errorDetail"]["message"]
    assert last["quota"] == {"resource": "images", "limit": 0, "used": 0, "requested": 1, "tenant": ADA}
    import_tar(engine, one_file("other", 100), "other", tenant="")
    saved = engine.request("GET", "/images/other/get").body
    engine.request("DELETE", "/images/other")
    answer = engine.request("POST", "/images/load", saved, tenant=ADA)
    assert json.loads(answer.body.splitlines()[-1])["quota"]["resource"] == "images"


def test_administrators_have_no_quota(engine: EngineDaemon) -> None:
    set_quota(
        engine, "demo", containers=0, running=0, images=0, image_bytes=0, volumes=0, networks=0, ports=0, memory=6 << 20, pids=1
    )
    assert import_tar(engine, busybox_tar(), "mine", tenant="").status == 200
    done = engine.cli("run", "--rm", "-v", "/data", "-p", "80", "mine", "busybox", "true")
    assert done.returncode == 0, done.stderr
    engine.request("DELETE", "/images/mine")
