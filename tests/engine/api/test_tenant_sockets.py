"""A tenant's own socket: whoever has it acts as that tenant, and as nobody else."""

import http.client
import json
import os
import socket
import stat
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.engine.daemon import Answer, EngineDaemon, UnixConnection, running_engine, wait_until

pytestmark = pytest.mark.requires_root

ADA, BOB, TEAM = "blue/ada", "red/bob", "blue"
MOST_CONNECTIONS = 256


@pytest.fixture(scope="module")
def own_engine() -> Iterator[EngineDaemon]:
    """One engine for the tests of this file, with both tenants known."""
    with running_engine() as daemon:
        daemon.import_busybox()
        for tenant in (ADA, BOB):
            assert daemon.request("PUT", f"/tenants/{tenant}", {}).status == 200
        yield daemon


def names(daemon: EngineDaemon, tenant: str, headers: dict[str, str] | None = None) -> set[str]:
    answer = daemon.request("GET", "/containers/json?all=1", through=daemon.socket_of(tenant), headers=headers)
    return {one["Names"][0].removeprefix("/") for one in answer.document}


@pytest.fixture
def labs(own_engine: EngineDaemon) -> Iterator[EngineDaemon]:
    own_engine.create("true", tenant=ADA, name="of-ada")
    own_engine.create("true", tenant=BOB, name="of-bob")
    own_engine.create("true", name="of-host")
    yield own_engine
    own_engine.remove_containers()


@pytest.mark.parametrize(("tenant", "seen"), [(ADA, {"of-ada"}), (BOB, {"of-bob"}), (TEAM, {"of-ada"})])
def test_a_socket_shows_what_its_tenant_sees(labs: EngineDaemon, tenant: str, seen: set[str]) -> None:
    assert names(labs, tenant) == seen


@pytest.mark.parametrize(
    "header",
    [BOB, "", " ", "blue", "no tenant at all!", "blue/ada/x"],
    ids=["another", "empty", "blank", "team", "invalid", "too deep"],
)
def test_the_header_says_nothing_on_a_tenants_socket(labs: EngineDaemon, header: str) -> None:
    assert names(labs, ADA, headers={"Atelier-Tenant": header}) == {"of-ada"}


def test_a_header_that_is_there_twice_says_nothing_either(labs: EngineDaemon) -> None:
    connection = UnixConnection(labs.socket_of(ADA))
    connection.putrequest("GET", "/containers/json?all=1")
    connection.putheader("Atelier-Tenant", BOB)
    connection.putheader("Atelier-Tenant", "")
    connection.endheaders()
    assert [one["Names"] for one in json.loads(connection.getresponse().read())] == [["/of-ada"]]
    connection.close()


@pytest.mark.parametrize("path", ["/tenants/blue/ada", "/tenants/blue", "/tenants/red/bob"])
@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_nobody_changes_limits_through_a_tenants_socket(own_engine: EngineDaemon, method: str, path: str) -> None:
    answer = own_engine.request(method, path, {}, through=own_engine.socket_of(ADA))
    assert answer.status == 403, answer.body


def test_only_root_reaches_sockets_on_the_host_and_any_user_inside_what_is_mounted(own_engine: EngineDaemon) -> None:
    folder = own_engine.run_path / "tenants"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(own_engine.socket_of(ADA).stat().st_mode) == 0o666
    assert stat.S_ISSOCK(own_engine.socket_of(ADA).stat().st_mode)


def test_the_socket_is_there_before_the_first_create_returns(own_engine: EngineDaemon) -> None:
    container_id = own_engine.create("true", tenant="green/eve")
    assert own_engine.request("GET", f"/containers/{container_id}/json", through=own_engine.socket_of("green/eve")).status == 200
    own_engine.remove_containers()


def test_a_tenant_that_is_known_no_more_has_no_socket(own_engine: EngineDaemon) -> None:
    own_engine.request("PUT", "/tenants/gone/soon", {"disk": 2**30} if own_engine.counts_disk_space else {"io_read_bps": 2**20})
    path = own_engine.socket_of("gone/soon")
    assert own_engine.request("GET", "/_ping", through=path).status == 200
    assert own_engine.request("DELETE", "/tenants/gone/soon").status == 204
    assert not os.path.lexists(path)
    assert not path.parent.exists()
    assert not (own_engine.run_path / "tenants/.doors/gone").exists()


def test_the_docker_command_runs_waits_and_follows_through_a_tenants_socket(own_engine: EngineDaemon) -> None:
    def docker(*arguments: str, text: str = "") -> str:
        environment = {**os.environ, "DOCKER_HOST": f"unix://{own_engine.socket_of(ADA)}"}
        command = ["docker", *arguments]
        done = subprocess.run(command, env=environment, input=text, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert docker("run", "--rm", "-i", "busybox", "cat", text="through and back") == "through and back"
    docker("run", "-d", "--name", "lab", "busybox", "sleep", "600")
    assert docker("exec", "-i", "lab", "cat", text="again") == "again"
    assert docker("ps", "--format", "{{.Names}}") == "lab\n"
    docker("rm", "-f", "lab")


def test_streams_through_a_tenants_socket_end_with_the_daemon(engine: EngineDaemon) -> None:
    engine.run("sleep", "600", tenant=ADA, name="lab")
    environment = {**os.environ, "DOCKER_HOST": f"unix://{engine.socket_of(ADA)}"}
    follower = subprocess.Popen(["docker", "events"], env=environment, stdout=subprocess.PIPE, text=True)
    attached = subprocess.Popen(["docker", "attach", "lab"], env=environment, stdout=subprocess.DEVNULL)
    assert follower.stdout is not None
    while True:
        engine.request("POST", "/containers/lab/rename?name=lab2", tenant=ADA)
        engine.request("POST", "/containers/lab2/rename?name=lab", tenant=ADA)
        if "rename" in follower.stdout.readline():
            break
    engine.stop()
    follower.communicate(timeout=20)
    attached.wait(timeout=20)
    assert not os.path.lexists(engine.socket_of(ADA))
    engine.start()
    assert names(engine, ADA) == {"lab"}


def test_sockets_are_there_again_after_a_death(engine: EngineDaemon) -> None:
    engine.create("true", tenant=ADA, name="lab")
    engine.kill()
    engine.start()
    assert names(engine, ADA) == {"lab"}


def test_a_path_longer_than_a_sockets_may_be_is_no_obstacle(tmp_path: Path) -> None:
    with running_engine() as daemon:
        tenant = f"{'t' * 63}/{'m' * 63}"
        assert daemon.request("PUT", f"/tenants/{tenant}", {}).status == 200
        short = tmp_path / "s"
        short.symlink_to(daemon.socket_of(tenant))
        assert daemon.request("GET", "/containers/json", through=short).document == []


def test_thousands_of_connections_of_one_tenant_leave_the_others_theirs(own_engine: EngineDaemon) -> None:
    """Those beyond the bound are told, or closed at once; neighbours and administrators notice nothing."""

    def descriptors() -> int:
        return sum(1 for _ in Path(f"/proc/{own_engine.pid}/fd").iterdir())

    before, path = descriptors(), str(own_engine.socket_of(ADA))
    with ExitStack() as stack:
        held = []
        for _ in range(1500):
            sock = stack.enter_context(socket.socket(socket.AF_UNIX))
            sock.connect(path)
            held.append(sock)
        assert names(own_engine, BOB) == set()
        assert own_engine.request("GET", "/_ping").status == 200
        assert descriptors() - before <= MOST_CONNECTIONS + 32
        refused = _ask_until_answered(own_engine)
        assert refused.status == 503
        assert f"too many connections of tenant {ADA}" in refused.message
    wait_until(lambda: own_engine.request("GET", "/_ping", through=Path(path)).status == 200, "places to be free again")
    wait_until(lambda: descriptors() <= before + 2, "connections to be gone")


def _ask_until_answered(daemon: EngineDaemon) -> Answer:
    while True:
        try:
            return daemon.request("GET", "/_ping", through=daemon.socket_of(ADA))
        except (http.client.RemoteDisconnected, ConnectionError):
            continue


def test_a_hijacked_connection_keeps_its_place_until_it_is_closed(own_engine: EngineDaemon) -> None:
    own_engine.run("sleep", "600", tenant=BOB, name="lab")
    path = own_engine.socket_of(BOB)
    with ExitStack() as stack:
        for _ in range(MOST_CONNECTIONS):
            sock = stack.enter_context(socket.socket(socket.AF_UNIX))
            sock.connect(str(path))
            sock.sendall(b"POST /containers/lab/attach?stream=1&stdout=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
            assert sock.recv(12) == b"HTTP/1.1 200"
        assert own_engine.request("GET", "/_ping", through=path).status == 503
    wait_until(lambda: own_engine.request("GET", "/_ping", through=path).status == 200, "places to be free again")
    own_engine.remove_containers()
