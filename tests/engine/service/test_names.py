"""Names between real containers: from the start to the end, across deaths of daemon and resolver, and links."""

import json
import os
import signal
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from tests.engine.daemon import EngineDaemon, running_engine, wait_until
from tests.engine.network import asking

pytestmark = pytest.mark.requires_root

HOURS = ("sleep", "3600")


@pytest.fixture(scope="module")
def daemon() -> Iterator[EngineDaemon]:
    with running_engine() as running:
        for tenant in ("demo/ada", "demo/bob"):
            running.import_busybox(tenant=tenant)
            running.request("POST", "/networks/create", {"Name": "net"}, tenant=tenant)
        running.import_busybox()
        running.cli("network", "create", "net", check=True)
        running.cli("network", "create", "--internal", "closed", check=True)
        yield running


@pytest.fixture(autouse=True)
def clean(daemon: EngineDaemon) -> Iterator[None]:
    yield
    daemon.remove_containers()


def on_net(**more: object) -> dict[str, Any]:
    return {"HostConfig": {"NetworkMode": "net", **more}}


def address(daemon: EngineDaemon, container: str, network: str = "net") -> str:
    return str(daemon.inspect(container)["NetworkSettings"]["Networks"][network]["IPAddress"])


def look_up(daemon: EngineDaemon, container: str, name: str) -> str:
    """The last address that nslookup shows, or what else it says at the end."""
    done = daemon.cli("exec", container, "nslookup", "-type=a", name)
    lines = [line for line in done.stdout.decode().splitlines() if line.strip()]
    return lines[-1].removeprefix("Address: ")


def test_a_name_answers_from_the_moment_start_returned_and_never_once_the_container_is_gone(daemon: EngineDaemon) -> None:
    daemon.run(*HOURS, name="web", **on_net())
    for _ in range(5):
        other = daemon.run(*HOURS, name="db", **on_net())
        assert look_up(daemon, "web", "db") == address(daemon, other)
        daemon.request("DELETE", f"/containers/{other}?force=1")
        assert "NXDOMAIN" in look_up(daemon, "web", "db")


def test_the_command_itself_finds_names_at_once(daemon: EngineDaemon) -> None:
    db = daemon.run(*HOURS, name="db", **on_net())
    container = daemon.run("ping", "-c", "1", "-W", "5", "db", **on_net())
    assert daemon.wait(container) == 0
    assert f"({address(daemon, db)})".encode() in daemon.output(container)


def test_a_container_of_a_user_network_has_its_resolver_and_one_of_the_default_bridge_the_host_s(daemon: EngineDaemon) -> None:
    daemon.run(*HOURS, name="plain")
    daemon.run(*HOURS, name="named", **on_net(DnsSearch=["lab.example"], DnsOptions=["timeout:1"], Dns=["192.0.2.1"]))
    assert daemon.cli("exec", "named", "cat", "/etc/resolv.conf").stdout.decode().splitlines() == [
        "nameserver 127.0.0.11",
        "search lab.example",
        "options timeout:1 ndots:0",
    ]
    assert b"127.0.0.11" not in daemon.cli("exec", "plain", "cat", "/etc/resolv.conf").stdout


def test_a_running_container_turns_to_names_when_it_comes_to_a_network(daemon: EngineDaemon) -> None:
    db = daemon.run(*HOURS, name="db", **on_net())
    late = daemon.run(*HOURS, name="late")
    daemon.cli("network", "connect", "--alias", "later", "net", "late", check=True)
    assert look_up(daemon, "late", "db") == address(daemon, db)
    assert look_up(daemon, "db", "later") == address(daemon, late)
    hosts = daemon.cli("exec", "late", "cat", "/etc/hosts").stdout.decode()
    assert address(daemon, late) in hosts
    before = address(daemon, late)
    daemon.cli("network", "disconnect", "net", "late", check=True)
    assert "NXDOMAIN" in look_up(daemon, "db", "later")
    assert before not in daemon.cli("exec", "late", "cat", "/etc/hosts").stdout.decode()


def test_a_new_name_is_known_at_once_and_the_old_one_no_more(daemon: EngineDaemon) -> None:
    db = daemon.run(*HOURS, name="db", **on_net())
    daemon.run(*HOURS, name="web", **on_net())
    daemon.cli("rename", "db", "store", check=True)
    assert look_up(daemon, "web", "store") == address(daemon, db)
    assert "NXDOMAIN" in look_up(daemon, "web", "db")


def test_names_of_another_tenant_are_not_known(daemon: EngineDaemon) -> None:
    daemon.run(*HOURS, name="secret", tenant="demo/bob", **on_net())
    ada = daemon.run(*HOURS, name="web", tenant="demo/ada", **on_net())
    own = daemon.run(*HOURS, name="own", tenant="demo/ada", **on_net())
    for name in ("secret", "secret.net"):
        assert daemon.cli("exec", ada, "nslookup", "-type=a", name).returncode != 0
    assert look_up(daemon, ada, "own") == address(daemon, own)


def test_a_name_of_the_outside_is_asked_of_nobody_without_a_way_out(daemon: EngineDaemon) -> None:
    closed = daemon.run(*HOURS, name="inner", HostConfig={"NetworkMode": "closed"})
    assert look_up(daemon, closed, "inner") == address(daemon, closed, "closed")
    assert "SERVFAIL" in look_up(daemon, closed, "www.example")


@pytest.mark.parametrize("victims", ["resolver", "daemon", "both"])
def test_names_are_answered_after_a_death(daemon: EngineDaemon, victims: str) -> None:
    db = daemon.run(*HOURS, name="db", **on_net())
    daemon.run(*HOURS, name="web", **on_net(Links=["db:base"]))
    before = daemon.resolver_pid()
    assert before is not None
    if victims in ("daemon", "both"):
        daemon.kill()
    if victims in ("resolver", "both"):
        os.kill(before, signal.SIGKILL)
    if victims in ("daemon", "both"):
        daemon.start()
    wait_until(lambda: look_up(daemon, "web", "db") == address(daemon, db), "names to be answered")
    assert look_up(daemon, "web", "base") == address(daemon, db)
    assert (daemon.resolver_pid() == before) is (victims == "daemon")


def test_names_are_answered_while_no_daemon_is_there(daemon: EngineDaemon) -> None:
    container = daemon.run(*HOURS, name="web", **on_net())
    own = address(daemon, container)
    netns_fd = os.open(f"/proc/{daemon.inspect(container)['State']['Pid']}/ns/net", os.O_RDONLY)
    daemon.stop()
    try:
        assert asking.look_up(netns_fd, "web") == own
    finally:
        os.close(netns_fd)
        daemon.start()
    assert look_up(daemon, "web", "web") == own


def test_steps_of_a_build_know_the_names_of_their_network(daemon: EngineDaemon) -> None:
    db = daemon.run(*HOURS, name="db", **on_net())
    script = "printf 'FROM busybox\\nRUN nslookup -type=a db\\n' | DOCKER_BUILDKIT=0 $D build --network net -t named - 2>&1"
    done = daemon.shell(script)
    assert done.returncode == 0, done.stdout
    assert f"Address: {address(daemon, db)}".encode() in done.stdout


def test_a_link_on_the_default_bridge_tells_address_and_variables(daemon: EngineDaemon) -> None:
    old = daemon.run(*HOURS, name="old", Env=["COLOUR=red"], ExposedPorts={"80/tcp": {}})
    new = daemon.run(*HOURS, name="new", HostConfig={"Links": ["old:base"]})
    own = address(daemon, old, "bridge")
    environment = daemon.cli("exec", "new", "env").stdout.decode().splitlines()
    assert {"BASE_PORT_80_TCP_ADDR=" + own, "BASE_NAME=/new/base", "BASE_ENV_COLOUR=red"} <= set(environment)
    assert f"{own}\tbase {old[:12]} old" in daemon.cli("exec", "new", "cat", "/etc/hosts").stdout.decode()
    assert daemon.inspect(new)["HostConfig"]["Links"] == ["/old:/new/base"]
    daemon.cli("rename", "old", "older", check=True)
    assert daemon.inspect(new)["HostConfig"]["Links"] == ["/older:/new/base"]


def _listed(daemon: EngineDaemon, *, tenant: str = "", name: str = "old") -> list[list[str]]:
    filters = quote(json.dumps({"name": [name]}))
    return [one["Names"] for one in daemon.request("GET", f"/containers/json?filters={filters}", tenant=tenant).document]


def test_lists_tell_what_a_container_is_called_by_links(daemon: EngineDaemon) -> None:
    daemon.run(*HOURS, name="old")
    daemon.run(*HOURS, name="new", HostConfig={"Links": ["old:base", "old"]})
    assert _listed(daemon) == [["/old", "/new/base", "/new/old"]]
    assert _listed(daemon, name="^/new/base$") == _listed(daemon)
    daemon.cli("rename", "new", "newer", check=True)
    assert _listed(daemon) == [["/old", "/newer/base", "/newer/old"]]
    daemon.cli("rm", "--link", "newer/base", check=True)
    assert _listed(daemon) == [["/old", "/newer/old"]]
    daemon.cli("rm", "-f", "newer", check=True)
    assert _listed(daemon) == [["/old"]]


def test_links_of_another_tenant_are_in_no_list_of_ones_own(daemon: EngineDaemon) -> None:
    for tenant in ("demo/ada", "demo/bob"):
        daemon.run(*HOURS, name="old", tenant=tenant)
    daemon.run(*HOURS, name="new", tenant="demo/bob", HostConfig={"Links": ["old:secret"]})
    assert _listed(daemon, tenant="demo/ada") == [["/old"]]
    assert _listed(daemon, tenant="demo/ada", name="secret") == []
    assert _listed(daemon, tenant="demo/bob") == [["/old", "/new/secret"]]


def test_who_is_linked_and_starts_again_is_found_at_its_new_address(daemon: EngineDaemon) -> None:
    old = daemon.run(*HOURS, name="old")
    daemon.run(*HOURS, name="new", HostConfig={"Links": ["old:base"]})
    daemon.cli("stop", "-t", "0", "old", check=True)
    daemon.run(*HOURS, name="between")
    daemon.cli("start", "old", check=True)
    lines = daemon.cli("exec", "new", "cat", "/etc/hosts").stdout.decode().splitlines()
    assert [line.split()[0] for line in lines if "base" in line.split()] == [address(daemon, old, "bridge")]


def test_only_own_containers_that_run_can_be_linked(daemon: EngineDaemon) -> None:
    daemon.run(*HOURS, name="secret", tenant="demo/bob")
    body = {"Image": "busybox", "HostConfig": {"Links": ["secret:s"]}}
    for tenant in ("demo/ada", ""):
        answer = daemon.request("POST", "/containers/create", body, tenant=tenant)
        assert (answer.status, "could not get container for secret" in answer.message) == (400, True)
    created = daemon.create("true", name="idle")
    linked = daemon.create("true", name="linked", HostConfig={"Links": ["idle:i"]})
    answer = daemon.request("POST", f"/containers/{linked}/start")
    assert (answer.status, answer.message) == (409, "cannot link to a non running container: /idle AS /linked/i")
    assert daemon.inspect(created)["State"]["Running"] is False


@pytest.mark.parametrize("mode", ["none", "host"])
def test_a_link_takes_a_network_of_the_container_s_own(daemon: EngineDaemon, mode: str) -> None:
    daemon.run(*HOURS, name="old")
    body = {"Image": "busybox", "HostConfig": {"NetworkMode": mode, "Links": ["old"]}}
    assert daemon.request("POST", "/containers/create", body).status == 400
