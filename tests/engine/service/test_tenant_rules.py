"""Rules of tenants over a whole engine: which images, what may be done with them, which ports; each with the ways around it."""

import io
import json
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.engine.busybox_image import busybox_tar
from tests.engine.daemon import Answer, EngineDaemon
from tests.engine.scripted_registry import ScriptedRegistry, scripted_registry, small_layer
from tests.engine.service.building import build
from tests.engine.service.pulling import failure, pull, pulled

pytestmark = pytest.mark.requires_root

TEAM, ADA, BOB = "demo", "demo/ada", "demo/bob"


@pytest.fixture(scope="module")
def upstream() -> Iterator[ScriptedRegistry]:
    with scripted_registry() as registry:
        for number, repository in enumerate(("class/base", "class/tool", "stranger/base")):
            registry.put_image(repository, "1", [busybox_tar(), small_layer(f"{repository}-{number}")])
        yield registry


@pytest.fixture
def ruled(engine: EngineDaemon) -> Iterator[EngineDaemon]:
    """Without rules, and without images of tenants, at the end."""
    engine.request("POST", "/images/busybox/tag?repo=secret&tag=latest")
    yield engine
    for tenant in engine.request("GET", "/tenants").document:
        engine.request("DELETE", f"/tenants/{tenant['name']}")
    engine.remove_containers()
    for name in (ADA, BOB, TEAM):
        for image in engine.request("GET", "/images/json?all=1", tenant=name).document:
            if image["Atelier"]["Tenant"] == name:
                engine.request("DELETE", f"/images/{image['Id']}?force=1", tenant=name)


def rule(engine: EngineDaemon, name: str, **rules: object) -> dict[str, Any]:
    answer = engine.request("PUT", f"/tenants/{name}", {"rules": rules})
    assert answer.status == 200, answer.body
    return dict(answer.document["rules"])


def create(engine: EngineDaemon, image: str, *, tenant: str = ADA, **fields: object) -> Answer:
    return engine.request("POST", "/containers/create", {"Image": image, "Cmd": ["true"], **fields}, tenant=tenant)


def is_refused(answer: Answer, *words: str) -> bool:
    return answer.status == 403 and all(word in answer.message for word in words)


def docker(engine: EngineDaemon, *arguments: str, tenant: str = ADA, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """The docker command on a tenant's own socket."""
    return subprocess.run(
        ["docker", "-H", f"unix://{engine.socket_of(tenant)}", *arguments],
        input=stdin,
        capture_output=True,
        timeout=60,
        check=False,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(engine.root)},
    )


def tag(engine: EngineDaemon, name: str, repository: str, *, tenant: str = ADA) -> None:
    query = urlencode({"repo": repository, "tag": "latest"})
    assert engine.request("POST", f"/images/{name}/tag?{query}", tenant=tenant).status == 201


def test_rules_are_shown_as_they_were_set_and_go_with_the_next_put(ruled: EngineDaemon) -> None:
    held = rule(ruled, ADA, images=["busybox"], pull=False, port_range="20000-20009", outside_to=["10.0.0.0/8:443"])
    nothing = dict.fromkeys(("build", "push", "publish", "outside"))
    assert held == {
        **nothing,
        "images": ["busybox"],
        "pull": False,
        "port_range": "20000-20009",
        "outside_to": ["10.0.0.0/8:443"],
    }
    assert ruled.request("GET", f"/tenants/{ADA}").document["rules"] == held
    assert set(rule(ruled, ADA).values()) == {None}


WRONG = {
    "an unknown rule": ({"colour": 1}, "unknown rule 'colour': use images, pull"),
    "no list": ({"images": "busybox"}, "invalid rule images 'busybox': use a list of texts"),
    "no pattern": ({"images": ["a b"]}, "invalid image pattern 'a b': use a name such as busybox"),
    "no truth": ({"pull": "yes"}, "invalid rule pull 'yes': use true or false, or null"),
    "no ports": ({"port_range": "90-80"}, "invalid rule port_range '90-80': use 20000-29999"),
    "no place": ({"outside_to": ["example.org"]}, "invalid destination 'example.org': use 10.0.0.0/8"),
    "bits beyond": ({"outside_to": ["10.0.0.1/8"]}, "10.0.0.1/8 has host bits set"),
}


@pytest.mark.parametrize(("rules", "words"), WRONG.values(), ids=WRONG)
def test_what_is_no_rule_changes_nothing_and_is_explained(ruled: EngineDaemon, rules: dict[str, object], words: str) -> None:
    before = rule(ruled, ADA, images=["busybox"])
    answer = ruled.request("PUT", f"/tenants/{ADA}", {"rules": rules})
    assert (answer.status, words in answer.message) == (400, True), answer.message
    assert ruled.request("GET", f"/tenants/{ADA}").document["rules"] == before


def test_an_image_that_no_pattern_fits_is_refused_by_every_name_it_has(ruled: EngineDaemon) -> None:
    image_id = ruled.import_busybox("tools/hammer:1")
    rule(ruled, ADA, images=["busybox", "atelier/*"])
    for name in ("tools/hammer:1", image_id, image_id[7:], image_id[7:19], "docker.io/tools/hammer:1"):
        answer = create(ruled, name)
        assert is_refused(answer, "may not be used: demo/ada may use busybox, atelier/*; choose one of those"), (
            name,
            answer.body,
        )
    assert create(ruled, "busybox").status == create(ruled, "docker.io/library/busybox:latest").status == 201
    assert create(ruled, "tools/hammer:1", tenant=BOB).status == create(ruled, "tools/hammer:1", tenant="").status == 201
    assert "tools/hammer:1" in docker(ruled, "images", "--format", "{{.Repository}}:{{.Tag}}").stdout.decode()
    assert b"may not be used" in docker(ruled, "run", "tools/hammer:1", "true").stderr


def test_both_the_team_and_the_member_have_to_allow_an_image(ruled: EngineDaemon) -> None:
    ruled.import_busybox("tools/hammer:1")
    ruled.import_busybox("tools/saw:1")
    rule(ruled, TEAM, images=["tools/*", "busybox"])
    rule(ruled, ADA, images=["tools/hammer", "secret"])
    allowed = [name for name in ("tools/hammer:1", "tools/saw:1", "secret") if create(ruled, name).status == 201]
    assert allowed == ["tools/hammer:1"]
    assert create(ruled, "tools/saw:1", tenant=BOB).status == 201


def test_a_tag_of_ones_own_makes_no_image_another(ruled: EngineDaemon) -> None:
    ruled.import_busybox("tools/hammer:1")
    rule(ruled, ADA, images=["atelier/*"])
    tag(ruled, "tools/hammer:1", "atelier/hammer")
    assert is_refused(create(ruled, "atelier/hammer"), "comes from tools/hammer:1")
    assert "may not be used" in build(ruled, "FROM atelier/hammer\nRUN true\n", tenant=ADA).error


def test_a_pull_is_for_allowed_names_and_so_is_what_it_brought(ruled: EngineDaemon, upstream: ScriptedRegistry) -> None:
    class_, stranger = f"{upstream.address}/class/base", f"{upstream.address}/stranger/base"
    rule(ruled, ADA, images=[f"{upstream.address}/class/*"])
    pulled(ruled, class_, tenant=ADA)
    assert "may not be used" in failure(ruled, stranger, tenant=ADA)
    digest = upstream.put_image("stranger/other", "1", [busybox_tar(), small_layer("other")])
    assert "may not be used" in failure(ruled, f"{upstream.address}/stranger/other", digest, tenant=ADA)
    assert create(ruled, f"{class_}:1").status == 201
    rule(ruled, ADA)
    pulled(ruled, stranger, tenant=ADA)
    rule(ruled, ADA, images=[f"{upstream.address}/class/*"])
    tag(ruled, f"{stranger}:1", class_)
    assert is_refused(create(ruled, class_), "comes from", "stranger/base")


def test_what_is_built_or_committed_from_an_allowed_image_may_be_used(ruled: EngineDaemon) -> None:
    ruled.import_busybox("tools/hammer:1")
    rule(ruled, ADA, images=["tools/*"])
    built = build(ruled, "FROM tools/hammer:1\nRUN echo more > /more\n", tenant=ADA, t="mine:1")
    assert built.error == "", built.lines
    again = build(ruled, "FROM mine:1\nENV A=1\n", tenant=ADA, t="mine:2")
    assert again.error == "", again.lines
    answer = create(ruled, "mine:2")
    assert answer.status == 201
    committed = ruled.request(
        "POST", f"/commit?{urlencode({'container': answer.document['Id'], 'repo': 'mine'})}", {}, tenant=ADA
    )
    assert committed.status == 201, committed.body
    assert create(ruled, "mine:latest").status == 201
    rule(ruled, ADA, images=["busybox"])
    assert [create(ruled, name).status for name in ("mine:1", "mine:2", "mine")] == [403, 403, 403]


BUILDS = {
    "FROM": "FROM secret\nRUN true\n",
    "an id": "FROM {secret}\nRUN true\n",
    "a stage that is left out": "FROM secret AS one\nRUN true\nFROM busybox\nCOPY --from=one /bin/busybox /x\n",
    "COPY --from": "FROM busybox\nCOPY --from=secret /bin/busybox /x\n",
    "nothing": "FROM scratch\nCOPY Dockerfile /\n",
    "a variable": "ARG BASE=secret\nFROM $BASE\nRUN true\n",
}


@pytest.mark.parametrize("text", BUILDS.values(), ids=BUILDS)
def test_a_build_takes_nothing_of_images_that_are_not_allowed(ruled: EngineDaemon, text: str) -> None:
    secret = other_image(ruled)
    rule(ruled, ADA, images=["busybox"])
    error = build(ruled, text.replace("{secret}", secret).replace("secret", "hidden"), tenant=ADA).error
    assert "may not be used: demo/ada may use busybox" in error


def other_image(engine: EngineDaemon) -> str:
    """An image ``hidden`` that is not busybox; its id, which does not hold its name."""
    made = build(engine, "FROM busybox\nRUN echo hidden > /hidden\n", t="hidden")
    assert made.error == "", made.lines
    return made.image_id


def test_a_build_whose_cache_is_not_allowed_does_without(ruled: EngineDaemon) -> None:
    text = "FROM busybox\nRUN head -c 8 /dev/urandom > /mark\n"
    for tags in ("hidden", "open"):
        assert build(ruled, text, t=tags, nocache=1).error == ""
    rule(ruled, ADA, images=["busybox", "open"])
    first = build(ruled, text, tenant=ADA, cachefrom=json.dumps(["hidden"]))
    second = build(ruled, text, tenant=ADA, cachefrom=json.dumps(["hidden", "open"]))
    assert (first.cached, second.cached) == (0, 1)


def archive(name: str) -> bytes:
    """An image as ``docker save`` writes it, under a name of one's own."""
    layer = busybox_tar()
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{sha256(layer).hexdigest()}"]},
        }
    ).encode()
    index = json.dumps([{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]).encode()
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w") as tar:
        for path, data in (("layer.tar", layer), ("config.json", config), ("manifest.json", index)):
            member = tarfile.TarInfo(path)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return output.getvalue()


def test_an_archive_does_not_become_allowed_by_what_it_calls_its_images(ruled: EngineDaemon) -> None:
    assert ruled.request("POST", "/images/load", archive("atelier/early:1"), tenant=ADA).status == 200
    rule(ruled, ADA, images=["atelier/*"])
    assert is_refused(create(ruled, "atelier/early:1"), "nothing tells whence it comes")
    loaded = docker(ruled, "load", stdin=archive("atelier/late:1"))
    assert (loaded.returncode, b"of an archive" in loaded.stderr) == (1, True), loaded
    imported = docker(ruled, "import", "-", "atelier/late:2", stdin=busybox_tar())
    assert (imported.returncode, b"of an archive" in imported.stderr) == (1, True), imported
    assert b"atelier/late" not in docker(ruled, "images", "--format", "{{.Repository}}").stdout


FETCHES = {
    "pull": ("pull", "127.0.0.1:9/nothing:1"),
    "run of what is not here": ("run", "127.0.0.1:9/nothing:1"),
    "load": ("load",),
    "import": ("import", "-", "mine"),
}


@pytest.mark.parametrize("command", FETCHES.values(), ids=FETCHES)
def test_who_may_not_pull_brings_nothing_in(ruled: EngineDaemon, command: tuple[str, ...]) -> None:
    rule(ruled, ADA, pull=False)
    done = docker(ruled, *command, stdin=archive("mine:1"))
    assert done.returncode != 0
    assert b"cannot be fetched: demo/ada may not pull; use an image that is here" in done.stderr, done


@pytest.mark.parametrize(
    "text",
    [
        "FROM 127.0.0.1:9/nothing:1\n",
        "FROM busybox\nADD http://192.0.2.1/file /\n",
        "FROM busybox\nCOPY --from=127.0.0.1:9/no:1 / /x\n",
    ],
)
def test_a_build_of_who_may_not_pull_fetches_nothing(ruled: EngineDaemon, text: str) -> None:
    rule(ruled, ADA, pull=False)
    assert "cannot be fetched: demo/ada may not pull" in build(ruled, text, tenant=ADA).error
    assert build(ruled, "FROM busybox\nRUN true\n", tenant=ADA).error == ""
    assert "cannot be fetched" in build(ruled, "FROM busybox\nRUN true\n", tenant=ADA, pull=1).error


LOOKS: dict[str, Callable[[EngineDaemon, str], Answer]] = {
    "what a name leads to": lambda engine, domain: engine.request("GET", f"/distribution/{domain}/class/base:1/json", tenant=ADA),
    "search": lambda engine, domain: engine.request("GET", f"/images/search?term={domain}/class", tenant=ADA),
    "signing in": lambda engine, domain: engine.request(
        "POST", "/auth", {"username": "ada", "password": "x", "serveraddress": domain}, tenant=ADA
    ),
}


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_a_registry_from_which_nothing_may_come_is_asked_nothing(
    ruled: EngineDaemon, upstream: ScriptedRegistry, look: Callable[[EngineDaemon, str], Answer]
) -> None:
    """Names, terms and passwords tell a registry of one's own whatever one likes."""
    for rules in ({"pull": False}, {"images": ["class/*", "other.example/**"]}):
        rule(ruled, ADA, push=False, **rules)
        before = len(upstream.asked)
        assert look(ruled, upstream.address).status == 403
        assert len(upstream.asked) == before
    rule(ruled, ADA, push=False, images=[f"{upstream.address}/class/*"])
    assert look(ruled, upstream.address).status != 403


def test_who_may_push_may_sign_in(ruled: EngineDaemon, upstream: ScriptedRegistry) -> None:
    rule(ruled, ADA, pull=False)
    assert LOOKS["signing in"](ruled, upstream.address).status != 403


def test_a_build_fetches_nothing_from_outside_for_who_may_go_nowhere(ruled: EngineDaemon) -> None:
    """Not even its name is looked up: a name may tell its server whatever one likes."""
    rule(ruled, ADA, outside=False)
    error = build(ruled, "FROM busybox\nADD http://secret.example/file /\n", tenant=ADA).error
    assert "http://secret.example/file cannot be fetched: demo/ada may reach nothing outside" in error


def test_who_may_not_build_makes_no_image(ruled: EngineDaemon) -> None:
    container_id = create(ruled, "busybox").document["Id"]
    rule(ruled, TEAM, build=False)
    assert "no image can be made: demo/ada may not build or commit" in build(ruled, "FROM busybox\nRUN true\n", tenant=ADA).error
    answer = ruled.request("POST", f"/commit?container={container_id}&repo=mine", {}, tenant=ADA)
    assert is_refused(answer, "no image can be made")
    rule(ruled, TEAM)
    assert ruled.request("POST", f"/commit?container={container_id}&repo=mine", {}, tenant=ADA).status == 201


def test_who_may_not_push_sends_nothing(ruled: EngineDaemon, upstream: ScriptedRegistry) -> None:
    rule(ruled, ADA, push=False)
    tag(ruled, "busybox", f"{upstream.address}/mine")
    done = docker(ruled, "push", f"{upstream.address}/mine")
    assert (done.returncode, b"may not push" in done.stderr) == (1, True), done


def bound(*host_ports: str) -> dict[str, Any]:
    return {
        "ExposedPorts": {f"{80 + place}/tcp": {} for place in range(len(host_ports))},
        "HostConfig": {"PortBindings": {f"{80 + place}/tcp": [{"HostPort": port}] for place, port in enumerate(host_ports)}},
    }


def test_who_may_not_publish_opens_no_port_of_the_host(ruled: EngineDaemon) -> None:
    earlier = create(ruled, "busybox", **bound("")).document["Id"]
    rule(ruled, ADA, publish=False)
    for fields in (bound("8080"), bound(""), bound("8000-8010"), {"HostConfig": {"PublishAllPorts": True}}):
        assert is_refused(create(ruled, "busybox", **fields), "no port can be published: demo/ada may not publish")
    assert is_refused(ruled.request("POST", f"/containers/{earlier}/start", tenant=ADA), "may not publish")
    assert create(ruled, "busybox", ExposedPorts={"80/tcp": {}}).status == 201
    assert b"may not publish" in docker(ruled, "run", "-P", "--expose", "80", "busybox", "true").stderr


def test_a_restart_that_a_rule_about_ports_forbids_stops_nothing(ruled: EngineDaemon) -> None:
    rule(ruled, ADA)
    web, inward = (
        docker(ruled, "run", "-d", "-p", "8080:80", *options, "busybox", "sleep", "600").stdout.decode().strip()
        for options in ((), ("--network", "none"))
    )
    pid = ruled.inspect(web)["State"]["Pid"]
    for rules in ({"publish": False}, {"port_range": "20000-20001"}):
        rule(ruled, ADA, **rules)
        assert is_refused(ruled.request("POST", f"/containers/{web}/restart?t=0", tenant=ADA), "may")
        assert ruled.inspect(web)["State"]["Pid"] == pid
        assert ruled.request("POST", f"/containers/{inward}/restart?t=0", tenant=ADA).status == 204
    rule(ruled, ADA)
    assert ruled.request("POST", f"/containers/{web}/restart?t=0", tenant=ADA).status == 204


def test_ports_lie_in_the_range_named_or_drawn(ruled: EngineDaemon) -> None:
    rule(ruled, TEAM, port_range="20000-20019")
    rule(ruled, ADA, port_range="20010-20029")
    for port in ("20009", "20020", "8080", "20005-20012", "80"):
        assert is_refused(create(ruled, "busybox", **bound(port)), f"port {port} of the host", "may publish 20010 to 20019")
    started = docker(ruled, "run", "-d", "-p", "20011:80", "-p", "81", "-P", "--expose", "82", "busybox", "sleep", "600")
    assert started.returncode == 0, started
    ports = ruled.inspect(started.stdout.decode().strip())["NetworkSettings"]["Ports"]
    numbers = {name: int(binding[0]["HostPort"]) for name, binding in ports.items()}
    assert numbers["80/tcp"] == 20011
    assert set(numbers) == {"80/tcp", "81/tcp", "82/tcp"}
    assert all(20010 <= number <= 20019 for number in numbers.values())


def test_a_range_that_is_used_up_or_empty_says_so(ruled: EngineDaemon) -> None:
    rule(ruled, ADA, port_range="20031-20032")
    full = docker(ruled, "run", "-d", "-p", "80", "-p", "81", "-p", "82", "busybox", "sleep", "600")
    assert b"all ports are allocated" in full.stderr, full
    rule(ruled, TEAM, port_range="30000-30001")
    assert b"have none in common" in docker(ruled, "run", "-p", "80", "busybox", "true").stderr
    assert is_refused(create(ruled, "busybox", **bound("20031")), "may publish none")


def test_ports_of_the_hosts_own_services_are_for_administrators_unless_a_range_has_them(ruled: EngineDaemon) -> None:
    for port in ("22", "1023", "1000-2000"):
        assert is_refused(create(ruled, "busybox", **bound(port)), "may publish 1024 to 65535")
    assert create(ruled, "busybox", **bound("1024")).status == create(ruled, "busybox", tenant="", **bound("22")).status == 201
    rule(ruled, ADA, port_range="80-90")
    assert create(ruled, "busybox", **bound("80")).status == 201


def test_rules_hold_for_members_that_come_later_and_after_a_restart(ruled: EngineDaemon) -> None:
    rule(ruled, TEAM, images=["atelier/*"], pull=False)
    ruled.stop()
    ruled.start()
    assert is_refused(create(ruled, "busybox", tenant="demo/new"), "demo/new may use atelier/*")
    assert ruled.request("GET", "/tenants/demo").document["rules"]["images"] == ["atelier/*"]


def test_nobody_but_administrators_sets_rules(ruled: EngineDaemon) -> None:
    rule(ruled, ADA, pull=False)
    for tenant in (ADA, TEAM):
        assert ruled.request("PUT", f"/tenants/{ADA}", {"rules": {}}, tenant=tenant).status == 403
    assert pull(ruled, "127.0.0.1:9/nothing", tenant=ADA).status == 403


def test_a_rule_that_cannot_be_kept_in_the_record_is_kept_nowhere(ruled: EngineDaemon) -> None:
    before = rule(ruled, ADA, pull=False)
    folder = ruled.data_path / "engine/tenants"
    assert isinstance(folder, Path)
    folder.rename(folder.with_name("tenants-away"))
    try:
        assert ruled.request("PUT", f"/tenants/{ADA}", {"rules": {"pull": True}}).status == 500
    finally:
        folder.with_name("tenants-away").rename(folder)
    assert ruled.request("GET", f"/tenants/{ADA}").document["rules"] == before
    assert pull(ruled, "127.0.0.1:9/nothing", tenant=ADA).status == 403


def test_a_trigger_of_an_allowed_base_takes_nothing_of_other_images(ruled: EngineDaemon) -> None:
    other_image(ruled)
    assert build(ruled, "FROM busybox\nONBUILD COPY --from=hidden /hidden /x\n", t="open").error == ""
    rule(ruled, ADA, images=["open"])
    assert "image hidden" in build(ruled, "FROM open\nRUN true\n", tenant=ADA).error


def test_containers_from_before_a_rule_go_on_but_nothing_new_comes_of_them(ruled: EngineDaemon) -> None:
    ruled.import_busybox("tools/hammer:1")
    container_id = create(ruled, "tools/hammer:1", Cmd=["sleep", "600"]).document["Id"]
    rule(ruled, ADA, images=["busybox"])
    assert ruled.request("POST", f"/containers/{container_id}/start", tenant=ADA).status == 204
    assert ruled.request("POST", f"/containers/{container_id}/restart?t=0", tenant=ADA).status == 204
    assert ruled.request("POST", f"/commit?container={container_id}&repo=busybox&tag=mine", {}, tenant=ADA).status == 201
    assert is_refused(create(ruled, "busybox:mine"), "comes from tools/hammer:1")
