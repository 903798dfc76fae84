"""The parameters of a build as clients send them: what is taken, what is refused, and with which status."""

import gc
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import docker.errors
import pytest

from tests.engine.daemon import EngineDaemon
from tests.engine.service.building import build, build_archive, context_of

pytestmark = pytest.mark.requires_root

REFUSED = {
    "a Git repository": ({"remote": "https://example.org/a.git"}, 400, "send the folder"),
    "a session": ({"session": "x"}, 400, "BuildKit"),
    "BuildKit": ({"version": "2"}, 501, "DOCKER_BUILDKIT=0"),
    "outputs": ({"outputs": '[{"Type":"local"}]'}, 400, "outputs need BuildKit"),
    "squash": ({"squash": "1"}, 400, "squash is not supported"),
    "a cgroup": ({"cgroupparent": "/x"}, 400, "leave out cgroupparent"),
    "isolation": ({"isolation": "hyperv"}, 400, "only default"),
    "the host's network": ({"networkmode": "host"}, 400, "not supported"),
    "a container's network": ({"networkmode": "container:x"}, 400, "not supported"),
    "a network that is not there": ({"networkmode": "nosuch"}, 404, "nosuch"),
    "a name that is none": ({"t": "UPPER:x"}, 400, "invalid reference format"),
    "a target that is not there": ({"target": "nosuch"}, 400, "nosuch"),
    "too little memory": ({"memory": "1"}, 400, "6 MiB"),
    "a number that is none": ({"cpushares": "many"}, 400, "whole number"),
    "arguments that are no object": ({"buildargs": "[1]"}, 400, "buildargs"),
    "arguments that are no JSON": ({"buildargs": "{"}, 400, "invalid JSON"),
    "labels that are none": ({"labels": '{"a":1}'}, 400, "labels"),
    "a cache that is no list": ({"cachefrom": '"x"'}, 400, "cachefrom"),
    "an unknown ulimit": ({"ulimits": '[{"Name":"nosuch","Soft":1,"Hard":1}]'}, 400, "nosuch"),
    "a host without an address": ({"extrahosts": "friend"}, 400, "friend"),
    "a platform that is none": ({"platform": "no/such/thing/at/all"}, 400, "platform"),
    "a Dockerfile that is not there": ({"dockerfile": "nosuch"}, 400, "Cannot locate specified Dockerfile: nosuch"),
}


@pytest.mark.parametrize(("query", "status", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_is_refused_before_anything_is_done(
    engine: EngineDaemon, query: dict[str, Any], status: int, message: str
) -> None:
    built = build(engine, "FROM busybox\nRUN true\n", **query)
    assert built.status == status, built.lines
    assert message in built.error


def test_a_dockerfile_that_cannot_be_read_is_refused_with_the_line(engine: EngineDaemon) -> None:
    built = build(engine, "FROM busybox\nFOO bar\n")
    assert built.status == 400
    assert "line 2: unknown instruction: FOO" in built.error
    assert "2 | FOO bar" in built.error


BODIES = {
    "nothing": b"",
    "no archive": b"x" * 2000,
    "an archive that is cut": context_of({"Dockerfile": "FROM busybox\n" * 99})[:900],
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_body_that_is_no_context_is_refused(engine: EngineDaemon, body: bytes) -> None:
    assert build_archive(engine, body).status == 400


def test_a_content_type_of_something_else_is_refused(engine: EngineDaemon) -> None:
    headers = {"Content-Type": "text/plain"}
    assert engine.request("POST", "/build", context_of({"Dockerfile": "FROM busybox"}), headers=headers).status == 400


def test_the_builder_is_the_classic_one(engine: EngineDaemon) -> None:
    assert engine.request("HEAD", "/_ping").headers["Builder-Version"] == "1"


@pytest.fixture
def client(engine: EngineDaemon) -> Iterator[docker.DockerClient]:
    client = docker.DockerClient(base_url=f"unix://{engine.socket_path}")
    yield client
    client.close()


def test_the_sdk_builds(client: docker.DockerClient) -> None:
    dockerfile = io.BytesIO(b"FROM busybox\nARG A\nRUN echo $A >/a\nCMD cat /a\n")
    image, log = client.images.build(fileobj=dockerfile, tag="sdk:1", buildargs={"A": "b"}, labels={"c": "d"}, rm=True)
    assert (image.tags, image.labels) == (["sdk:1"], {"c": "d"})
    assert any("Successfully built" in str(line) for line in log)
    assert client.containers.run("sdk:1", remove=True) == b"b\n"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the library leaves its connection open then
def test_the_sdk_is_told_of_a_failure(client: docker.DockerClient) -> None:
    said = ""
    try:
        client.images.build(fileobj=io.BytesIO(b"FROM busybox\nRUN exit 9\n"))
    except docker.errors.BuildError as error:
        said = f"{error.msg} {list(error.build_log)}"
    gc.collect()
    assert "returned a non-zero code: 9" in said
    assert "Dockerfile:2: RUN exit 9" in said


def test_the_docker_command_builds_from_a_folder_and_from_its_standard_input(engine: EngineDaemon, tmp_path: Path) -> None:
    (tmp_path / "other").write_text("FROM busybox\nCOPY hello /\nCMD cat /hello\n")
    (tmp_path / "hello").write_text("hello\n")
    done = engine.cli("build", "-f", str(tmp_path / "other"), "--iidfile", str(tmp_path / "id"), "-t", "cli:1", str(tmp_path))
    assert b"Successfully tagged cli:1" in done.stdout
    assert engine.cli("run", "--rm", (tmp_path / "id").read_text()).stdout == b"hello\n"
    named = engine.cli("build", "-q", "-", stdin=b"FROM cli:1\nENV A=b\n").stdout.decode().strip()
    assert engine.cli("inspect", "-f", "{{.Config.Env}}", named).stdout.endswith(b"A=b]\n")
    assert engine.cli("build", "-q", "-f", "-", str(tmp_path), stdin=b"FROM busybox\nCOPY hello /x\n").returncode == 0


def test_the_docker_command_ends_with_the_code_of_the_step(engine: EngineDaemon) -> None:
    assert engine.cli("build", "-", stdin=b"FROM busybox\nRUN exit 42\n", check=False).returncode == 42
