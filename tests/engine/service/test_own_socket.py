"""The engine's socket in a lab: that of the lab's own tenant, for as long as the lab lives."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from engine.service.docker_command import find_docker_command
from tests.engine.daemon import EngineDaemon, running_engine, wait_until
from tests.engine.service.building import build

pytestmark = pytest.mark.requires_root

ADA, BOB = "blue/ada", "red/bob"
SOCKET = "/var/run/docker.sock"
WANTED: dict[str, Any] = {"HostConfig": {"Atelier": {"DockerSocket": True}}}


@pytest.fixture(scope="module")
def own_engine() -> Iterator[EngineDaemon]:
    """One engine for the tests of this file."""
    with running_engine() as daemon:
        daemon.import_busybox()
        yield daemon


@pytest.fixture
def engine(own_engine: EngineDaemon) -> Iterator[EngineDaemon]:
    yield own_engine
    own_engine.remove_containers()


@pytest.fixture
def shell(engine: EngineDaemon) -> Callable[..., str]:
    """Runs a line of shell in a container, and returns what it says."""

    def run(container: str, line: str, *options: str) -> str:
        environment = {**os.environ, "DOCKER_HOST": f"unix://{engine.socket_path}"}
        command = ["docker", "exec", *options, container, "sh", "-c", line]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, (line, done.stdout, done.stderr)
        return done.stdout

    return run


def lab(engine: EngineDaemon, tenant: str = ADA, **fields: object) -> str:
    return engine.run("sleep", "6000", tenant=tenant, name="lab", **{**WANTED, **fields})


needs_command = pytest.mark.skipif(not find_docker_command().path, reason="no static docker command is installed")


@needs_command
def test_the_docker_command_in_a_lab_acts_as_the_labs_tenant(engine: EngineDaemon, shell: Callable[..., str]) -> None:
    engine.create("true", tenant=BOB, name="of-bob")
    lab(engine)
    assert shell("lab", "docker ps --all --format '{{.Names}}'") == "lab\n"
    assert shell("lab", "docker run --rm busybox echo from a child") == "from a child\n"
    assert shell("lab", "echo typed | docker run --rm -i busybox cat") == "typed\n"
    assert shell("lab", "docker run -d --name child busybox sleep 600 >/dev/null; docker exec child echo inside") == "inside\n"
    assert engine.inspect("child")["Atelier"]["Tenant"] == ADA


@needs_command
@pytest.mark.parametrize("user", ["0", "1000:1000", "65534"])
def test_any_user_of_a_lab_reaches_the_socket(engine: EngineDaemon, shell: Callable[..., str], user: str) -> None:
    lab(engine, User=user)
    assert shell("lab", "docker ps --format '{{.Names}}'") == "lab\n"


@needs_command
def test_a_root_file_system_that_is_only_to_be_read_has_it_too(engine: EngineDaemon, shell: Callable[..., str]) -> None:
    lab(engine, HostConfig={"Atelier": {"DockerSocket": True}, "ReadonlyRootfs": True})
    assert shell("lab", "HOME=/nowhere docker ps --format '{{.Names}}'") == "lab\n"


_IMAGES = {
    "var/run is a link": "RUN mkdir -p /var /run && rm -rf /var/run && ln -s /run /var/run",
    "a relative link": "RUN mkdir -p /var /run && rm -rf /var/run && ln -s ../run /var/run",
    "a link to nowhere": "RUN mkdir -p /var && rm -rf /var/run /run && ln -s /run /var/run",
    "no var at all": "RUN rm -rf /var",
    "a socket of its own": "RUN mkdir -p /var/run && mkfifo /var/run/docker.sock",
    "a link to the host's": "RUN mkdir -p /var/run && ln -s /proc/1/root/etc/passwd /var/run/docker.sock || true",
}


@needs_command
@pytest.mark.parametrize("what", _IMAGES)
@pytest.mark.parametrize("tmpfs", [{}, {"/run": "mode=755"}], ids=["plain", "run in memory"])
def test_the_socket_has_its_place_in_any_image(
    engine: EngineDaemon, shell: Callable[..., str], what: str, tmpfs: dict[str, str]
) -> None:
    """As of Debian, busybox and systemd, and as somebody means ill."""
    built = build(engine, f"FROM busybox\n{_IMAGES[what]}\n", tenant=ADA)
    host = {"Atelier": {"DockerSocket": True}, "Tmpfs": tmpfs}
    body = {"Image": built.image_id, "Cmd": ["sleep", "6000"], "HostConfig": host}
    created = engine.request("POST", "/containers/create?name=lab", body, tenant=ADA)
    started = engine.request("POST", f"/containers/{created.document['Id']}/start", tenant=ADA)
    if what == "a link to the host's":
        assert started.status >= 400  # nothing is put over /proc
        return
    assert started.status == 204, started.body
    assert shell("lab", "docker ps --format '{{.Names}}'") == "lab\n"


@needs_command
def test_a_child_is_given_the_same_socket_by_a_bind(engine: EngineDaemon, shell: Callable[..., str]) -> None:
    lab(engine)
    shell(
        "lab", "docker create --name made busybox && docker cp -q /usr/local/bin/docker made:/bin/ && docker commit made client"
    )
    ways = {
        "-v /var/run/docker.sock:/var/run/docker.sock": SOCKET,
        "-v /run/docker.sock:/run/docker.sock:ro": "/run/docker.sock",
        "-v /var/run/docker.sock:/tmp/sock -u 1000": "/tmp/sock",
        "--mount type=bind,source=/var/run/docker.sock,target=/deep/er/sock,readonly": "/deep/er/sock",
        "--tmpfs /var/run -v /var/run/docker.sock:/var/run/docker.sock": SOCKET,
        "-v data:/var/run -v /var/run/docker.sock:/var/run/docker.sock": SOCKET,
        "--volumes-from lab": SOCKET,
    }
    for way, place in ways.items():
        ask = f"docker -H unix://{place} ps --all --format {{{{.Names}}}}"
        assert shell("lab", f"docker run --rm --name child {way} client {ask}").split() == ["child", "made", "lab"], way


@pytest.mark.parametrize("source", ["/", "/var/run", "/run", "/var/run/docker.sock/..", "/var/run/docker.sock2", "/run/../etc"])
def test_no_other_path_of_the_host_is_meant(engine: EngineDaemon, source: str) -> None:
    for host in ({"Binds": [f"{source}:/x"]}, {"Mounts": [{"Type": "bind", "Source": source, "Target": "/x"}]}):
        body = {"Image": "busybox", "HostConfig": host}
        answer = engine.request("POST", "/containers/create", body, tenant=ADA)
        assert answer.status == 403, (host, answer.body)
        assert "host's paths" in answer.message


def test_nothing_of_the_host_is_told_and_the_wish_is_shown(engine: EngineDaemon) -> None:
    container_id = engine.create("true", tenant=ADA, **WANTED)
    shown = engine.request("GET", f"/containers/{container_id}/json", tenant=ADA)
    assert shown.document["HostConfig"]["Atelier"] == {"DockerSocket": True}
    assert {(one["Source"], one["Destination"]) for one in shown.document["Mounts"]} == {
        (SOCKET, SOCKET),
        ("/usr/local/bin/docker", "/usr/local/bin/docker"),
    }
    assert str(engine.run_path).encode() not in shown.body


def test_administrators_have_no_tenants_socket(engine: EngineDaemon) -> None:
    answer = engine.request("POST", "/containers/create", {"Image": "busybox", **WANTED})
    assert (answer.status, "administrators are none" in answer.message) == (400, True)


def test_the_wish_cannot_be_changed_later(engine: EngineDaemon) -> None:
    container_id = engine.create("true", tenant=ADA)
    answer = engine.request("POST", f"/containers/{container_id}/update", {"Atelier": {"DockerSocket": True}}, tenant=ADA)
    assert answer.status == 400


def test_a_lab_cannot_change_what_it_is_given(engine: EngineDaemon, shell: Callable[..., str]) -> None:
    lab(engine)
    for line in (
        "rm /dev/atelier/docker.sock",
        "chmod 0 /dev/atelier/docker.sock",
        "touch /dev/atelier/x",
        "mount -o remount,rw /dev/atelier",
        "umount /dev/atelier",
        "echo >> /usr/local/bin/docker",
        "chmod 0 /usr/local/bin/docker",
    ):
        assert shell("lab", f"{line} 2>/dev/null && echo done || echo refused") == "refused\n", line
    assert shell("lab", "ls -A /dev/atelier") == "docker.sock\n"


@needs_command
@pytest.mark.parametrize("how", ["stopped", "killed", "killed with the supervisor"])
def test_the_socket_in_a_lab_that_runs_goes_on_with_the_next_daemon(start_engine: Callable[..., EngineDaemon], how: str) -> None:
    daemon = start_engine()
    daemon.import_busybox()
    container_id = daemon.run("sleep", "6000", tenant=ADA, name="lab", **WANTED)
    if how == "killed with the supervisor":
        supervisor = daemon.supervisor_pid()
        assert supervisor is not None
        daemon.kill()
        os.kill(supervisor, signal.SIGKILL)
    elif how == "killed":
        daemon.kill()
    else:
        daemon.stop()
    daemon.start()
    environment = {**os.environ, "DOCKER_HOST": f"unix://{daemon.socket_path}"}
    wait_until(lambda: daemon.inspect(container_id)["State"]["Running"], "the lab to be known again")
    line = ["docker", "exec", "lab", "docker", "ps", "--format", "{{.Names}}"]
    done = subprocess.run(line, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.returncode) == ("lab\n", 0), done.stderr


def test_a_restart_policy_finds_the_folder_also_when_the_run_folder_was_emptied(
    start_engine: Callable[..., EngineDaemon],
) -> None:
    """As after a start of the host: what lies in the run folder is gone."""
    daemon = start_engine()
    daemon.import_busybox()
    container_id = daemon.create("sleep", "6000", tenant=ADA, name="lab", **WANTED)
    daemon.stop()
    subprocess.run(["rm", "-rf", daemon.run_path / "tenants"], check=True)
    daemon.start()
    assert daemon.request("POST", f"/containers/{container_id}/start", tenant=ADA).status == 204


def test_what_is_mounted_of_a_container_that_stands_still_can_be_copied(engine: EngineDaemon) -> None:
    container_id = engine.create("true", tenant=ADA, **WANTED)
    assert engine.request("GET", f"/containers/{container_id}/archive?path=/bin", tenant=ADA).status == 200
    assert engine.request("GET", f"/containers/{container_id}/export", tenant=ADA).status == 200
