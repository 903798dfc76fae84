"""Registries through the docker command and the API: signing in, pull, push, search, mirrors, and secrets that stay secret."""

import gzip
import json
import subprocess
from collections.abc import Iterator
from typing import Self
from urllib.parse import urlencode

import pytest

from engine.core.digests import sha256_of
from engine.core.manifests import DOCKER_MANIFEST
from tests.engine.busybox_image import busybox_tar
from tests.engine.daemon import EngineDaemon
from tests.engine.registry import Registry, running_registry
from tests.engine.scripted_registry import image_config, small_layer
from tests.engine.service.pulling import auth_header, failure, lines_of, pull

pytestmark = pytest.mark.requires_root
NAME, PASSWORD = "ada", "correct horse battery"


class EngineWithMirror(EngineDaemon):
    """An engine whose Docker Hub is a registry of the tests'."""

    options: tuple[str, ...] = ()

    def command(self) -> list[str]:
        return [*super().command(), *self.options]

    def with_options(self, *options: str) -> Self:
        self.options = options
        return self


@pytest.fixture(scope="module")
def closed() -> Iterator[Registry]:
    """A registry that asks for a name and a password."""
    with running_registry(accounts={NAME: PASSWORD}) as registry:
        layer = small_layer("closed")
        for repository in ("team/course", "team/private"):
            registry.put_image(repository, "1", config=image_config([sha256_of(layer)]), layers=[gzip.compress(layer)])
        yield registry


@pytest.fixture(scope="module")
def opened() -> Iterator[Registry]:
    with running_registry() as registry:
        for repository in ("library/busybox", "team/shell"):
            layer = busybox_tar() if repository == "library/busybox" else small_layer("shell")
            registry.put_image(repository, "1", config=image_config([sha256_of(layer)]), layers=[gzip.compress(layer)])
        yield registry


def test_who_has_signed_in_with_the_docker_command_pulls_and_pushes(engine: EngineDaemon, closed: Registry) -> None:
    image = f"{closed.address}/team/course:1"
    before = engine.cli("pull", image)
    assert before.returncode != 0
    login = engine.cli("login", "-u", NAME, "--password-stdin", closed.address, stdin=PASSWORD.encode())
    assert b"Login Succeeded" in login.stdout, login.stderr
    pulled = engine.cli("pull", image)
    assert f"Status: Downloaded newer image for {image}".encode() in pulled.stdout, pulled.stderr
    assert engine.cli("pull", "-q", image).stdout.decode().strip() == image
    engine.cli("tag", image, f"{closed.address}/team/copy:2", check=True)
    pushed = engine.cli("push", f"{closed.address}/team/copy:2")
    assert b"2: digest: sha256:" in pushed.stdout, pushed.stderr
    engine.cli("logout", closed.address, check=True)
    assert b"no basic auth credentials" in engine.cli("push", f"{closed.address}/team/copy:2").stderr.lower()


def test_a_wrong_password_is_refused(engine: EngineDaemon, closed: Registry) -> None:
    login = engine.cli("login", "-u", NAME, "--password-stdin", closed.address, stdin=b"wrong")
    assert login.returncode != 0
    body = {"username": NAME, "password": "wrong", "serveraddress": closed.address}
    answer = engine.request("POST", "/auth", body)
    assert answer.status == 401
    assert "wrong" not in answer.message
    body["password"] = PASSWORD
    assert engine.request("POST", "/auth", body).document == {"Status": "Login Succeeded", "IdentityToken": ""}


def test_credentials_are_kept_nowhere(engine: EngineDaemon, closed: Registry) -> None:
    secret = auth_header(username=NAME, password=PASSWORD, serveraddress=closed.address)
    since = engine.request("GET", "/info").document["SystemTime"]
    answers = [
        pull(engine, f"{closed.address}/team/course", tenant="demo/ada", headers=secret),
        pull(engine, f"{closed.address}/team/absent", tenant="demo/ada", headers=secret),
        pull(engine, f"{closed.address}/team/course", headers=auth_header(username=NAME, password=PASSWORD + "!")),
    ]
    assert [answer.status == 200 for answer in answers] == [True, False, False]
    events = engine.request("GET", f"/events?{urlencode({'since': since, 'until': '0s'})}").body
    told = b"".join([*(answer.body for answer in answers), events, engine.log_path.read_bytes()])
    assert PASSWORD.encode() not in told
    found = subprocess.run(["grep", "-rlF", PASSWORD, engine.data_path, engine.run_path], capture_output=True, check=False)
    assert found.stdout == b""


def test_another_tenants_credentials_open_nothing(engine: EngineDaemon, closed: Registry) -> None:
    secret = auth_header(username=NAME, password=PASSWORD, serveraddress=closed.address)
    assert pull(engine, f"{closed.address}/team/private", tenant="demo/ada", headers=secret).status == 200
    assert pull(engine, f"{closed.address}/team/private", tenant="other/eve").status != 200
    assert engine.request("GET", f"/images/{closed.address}/team/private:1/json", tenant="other/eve").status == 404


def test_what_is_not_there_is_said_in_the_words_that_clients_look_for(engine: EngineDaemon, opened: Registry) -> None:
    assert "manifest unknown" in failure(engine, f"{opened.address}/team/shell", "2")
    assert pull(engine, f"{opened.address}/team/shell", "2").status == 404
    assert "not found" in failure(engine, f"{opened.address}/team/absent", "")


def test_a_name_that_cannot_be_and_a_header_that_is_none_are_refused(engine: EngineDaemon, opened: Registry) -> None:
    assert pull(engine, f"{opened.address}/Team/Shell").status == 400
    assert pull(engine, f"{opened.address}/team/shell", platform="a/b/c/d").status == 400
    assert pull(engine, f"{opened.address}/team/shell", headers={"X-Registry-Auth": "%%%"}).status == 400


def test_an_image_is_looked_up_without_being_pulled(engine: EngineDaemon, opened: Registry) -> None:
    stored = opened.request("GET", "/v2/team/shell/manifests/1", headers={"Accept": DOCKER_MANIFEST}).body
    found = engine.request("GET", f"/distribution/{opened.address}/team/shell:1/json").document
    assert found == {
        "Descriptor": {"mediaType": DOCKER_MANIFEST, "digest": sha256_of(stored), "size": len(stored)},
        "Platforms": [{"architecture": "amd64", "os": "linux"}],
    }
    assert engine.request("GET", f"/distribution/{opened.address}/team/shell:2/json").status == 404


def test_search_looks_through_the_catalog_of_a_registry(engine: EngineDaemon, opened: Registry) -> None:
    found = engine.request("GET", f"/images/search?term={opened.address}/shel").document
    assert [one["name"] for one in found] == [f"{opened.address}/team/shell"]
    assert set(found[0]) == {"name", "description", "star_count", "is_official", "is_automated"}
    filters = json.dumps({"is-official": ["true"]})
    assert engine.request("GET", f"/images/search?{urlencode({'term': f'{opened.address}/', 'filters': filters})}").document == []
    assert engine.cli("search", f"{opened.address}/shel").returncode == 0


@pytest.mark.parametrize(
    "query", [{"term": "x", "limit": "101"}, {"term": "x", "limit": "-1"}, {"term": ""}, {"term": "x", "filters": '{"a":["b"]}'}]
)
def test_a_search_that_cannot_be_is_refused(engine: EngineDaemon, query: dict[str, str]) -> None:
    assert engine.request("GET", f"/images/search?{urlencode(query)}").status == 400


def test_a_mirror_stands_in_for_docker_hub_and_the_settings_are_shown(opened: Registry) -> None:
    mirror = f"http://{opened.address}"
    engine = EngineWithMirror().with_options("--registry-mirror", mirror, "--insecure-registry", "10.0.0.0/8")
    try:
        engine.start()
        pulled = engine.cli("pull", "busybox:1")
        assert b"docker.io/library/busybox:1" in pulled.stdout, pulled.stderr
        lines = lines_of(pull(engine, "busybox", "1"))
        assert lines[0] == {"status": "Pulling from library/busybox", "id": "1"}
        assert lines[-1] == {"status": "Status: Image is up to date for busybox:1"}
        assert engine.cli("run", "--rm", "busybox:1", "echo", "from the mirror").stdout == b"from the mirror\n"
        settings = engine.request("GET", "/info").document["RegistryConfig"]
        assert settings["Mirrors"] == settings["IndexConfigs"]["docker.io"]["Mirrors"] == [mirror]
        assert settings["InsecureRegistryCIDRs"] == ["127.0.0.0/8", "::1/128", "10.0.0.0/8"]
        engine.remove_containers()
        engine.stop()
    finally:
        engine.destroy()
