"""Published ports of a running engine: through deaths of the daemon, failed starts, restarts and many at once."""

import os
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest

from engine.linux.nftables import Nftables
from engine.network.names import table_name
from tests.engine.daemon import EngineDaemon, wait_until

pytestmark = pytest.mark.requires_root

_SERVE = ("sh", "-c", 'mkdir /w; echo "$0" >/w/index.html; exec httpd -f -p 80 -h /w', "hello")


@pytest.fixture(scope="module")
def module_engine() -> Iterator[EngineDaemon]:
    daemon = EngineDaemon()
    try:
        daemon.start().import_busybox()
        yield daemon
    finally:
        daemon.destroy()


@pytest.fixture
def engine(module_engine: EngineDaemon) -> Iterator[EngineDaemon]:
    yield module_engine
    module_engine.remove_containers()


def free_port(*, below: int = 0) -> int:
    """Return a port of the host that nobody has just now."""
    for wanted in range(below - 1, below - 300, -1) if below else (0,):
        with suppress(OSError), socket.create_server(("0.0.0.0", wanted)) as probe:
            return int(probe.getsockname()[1])
    raise AssertionError("no port is free")


def published(port: int, *, address: str = "", inside: str = "80/tcp") -> dict[str, Any]:
    return {"HostConfig": {"PortBindings": {inside: [{"HostIp": address, "HostPort": str(port)}]}}}


def fetch(port: int) -> str:
    """Return what is served, nothing while nothing is."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=2) as client:
        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
        return client.makefile().read().rpartition("\n\n")[2].strip()
    return ""


def is_free(port: int) -> bool:
    try:
        socket.create_server(("0.0.0.0", port)).close()
    except OSError:
        return False
    return True


def places(engine: EngineDaemon, container_id: str) -> Any:
    return engine.inspect(container_id)["NetworkSettings"]["Ports"]


def led_on(engine: EngineDaemon) -> list[str]:
    """What the maps of the firewall hold."""
    nftables = Nftables()
    maps = [nftables.run(f"list map inet {table_name(engine.instance)} {name}") for name in ("published", "published_at")]
    nftables.close()
    return [one for one in maps if "elements" in one]


def test_a_daemon_that_is_killed_takes_no_port_along(engine: EngineDaemon) -> None:
    port = free_port()
    container_id = engine.run(*_SERVE, **published(port))
    wait_until(lambda: fetch(port) == "hello", "the container to serve")
    before = places(engine, container_id)
    engine.kill()
    assert fetch(port) == "hello"
    engine.start()
    assert places(engine, container_id) == before == {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": str(port)}]}
    assert fetch(port) == "hello"
    assert not is_free(port)
    engine.request("DELETE", f"/containers/{container_id}?force=1")
    assert is_free(port)
    assert led_on(engine) == []


def test_what_ended_while_the_daemon_was_away_gives_its_port_back(engine: EngineDaemon) -> None:
    port = free_port()
    container_id = engine.run("sleep", "600", **published(port))
    init = engine.inspect(container_id)["State"]["Pid"]
    engine.kill()
    os.kill(init, signal.SIGKILL)
    engine.start()
    assert engine.wait(container_id) == 137
    wait_until(lambda: is_free(port), "the port to be free")
    assert places(engine, container_id) == {}
    assert led_on(engine) == []


def test_a_start_that_finds_its_port_taken_leaves_nothing_and_can_be_tried_again(engine: EngineDaemon) -> None:
    port, other = free_port(), free_port()
    fields: dict[str, Any] = {
        "HostConfig": {"PortBindings": {"80/tcp": [{"HostPort": str(other)}], "81/tcp": [{"HostPort": str(port)}]}}
    }
    container_id = engine.create("sleep", "600", **fields)
    with socket.create_server(("0.0.0.0", port)):
        answer = engine.request("POST", f"/containers/{container_id}/start")
        assert (answer.status, "address already in use" in answer.message) == (409, True), answer.message
        assert is_free(other)
        assert led_on(engine) == []
        assert engine.inspect(container_id)["State"]["Status"] == "created"
    assert engine.request("POST", f"/containers/{container_id}/start").status == 204
    assert not is_free(other)


def test_a_port_is_free_as_soon_as_a_stop_has_returned(engine: EngineDaemon) -> None:
    port = free_port()
    container_id = engine.run(*_SERVE, **published(port))
    wait_until(lambda: fetch(port) == "hello", "the container to serve")
    for _ in range(3):
        assert engine.request("POST", f"/containers/{container_id}/stop?t=0").status == 204
        assert is_free(port)
        assert engine.request("POST", f"/containers/{container_id}/start").status == 204
        wait_until(lambda: fetch(port) == "hello", "the container to serve again")


def test_a_container_that_starts_by_policy_is_published_again(engine: EngineDaemon) -> None:
    port = free_port()
    host = {**published(port)["HostConfig"], "RestartPolicy": {"Name": "always"}}
    script = "echo hello >/index.html; httpd -p 80 -h /; until [ -e /end ]; do sleep .05; done; rm /end"
    container_id = engine.run("sh", "-c", script, HostConfig=host)
    wait_until(lambda: fetch(port) == "hello", "the container to serve")
    engine.cli("exec", container_id, "touch", "/end", check=True)
    wait_until(lambda: engine.inspect(container_id)["RestartCount"] > 0, "the policy to act")
    wait_until(lambda: fetch(port) == "hello", "the container to serve again")


def _on_networks(engine: EngineDaemon, port: int) -> str:
    """A container that serves on an internal network alone, and a network that leads out."""
    for name, is_internal in (("closed", True), ("open", False)):
        assert engine.request("POST", "/networks/create", {"Name": name, "Internal": is_internal}).status == 201
    body = published(port)
    body["HostConfig"]["NetworkMode"] = "closed"
    return engine.run(*_SERVE, **body)


def _remove_networks(engine: EngineDaemon) -> None:
    engine.remove_containers()
    for name in ("closed", "open"):
        assert engine.request("DELETE", f"/networks/{name}").status == 204


def test_ports_are_published_once_a_network_leads_out_and_no_more_when_none_does(engine: EngineDaemon) -> None:
    port = free_port()
    container_id = _on_networks(engine, port)
    assert (fetch(port), is_free(port)) == ("", True)
    assert engine.request("POST", "/networks/open/connect", {"Container": container_id}).status == 200
    wait_until(lambda: fetch(port) == "hello", "the page to be served")
    assert engine.request("POST", "/networks/open/disconnect", {"Container": container_id}).status == 200
    assert fetch(port) == ""
    assert engine.request("POST", "/networks/open/connect", {"Container": container_id}).status == 200
    assert fetch(port) == "hello"
    _remove_networks(engine)
    assert is_free(port)


def test_a_network_on_which_the_ports_are_taken_is_not_joined(engine: EngineDaemon) -> None:
    with socket.create_server(("0.0.0.0", 0)) as other:
        container_id = _on_networks(engine, other.getsockname()[1])
        assert engine.request("POST", "/networks/open/connect", {"Container": container_id}).status == 409
        assert set(engine.inspect(container_id)["NetworkSettings"]["Networks"]) == {"closed"}
        links = engine.cli("exec", container_id, "ls", "/sys/class/net").stdout.split()
        assert links == [b"eth0", b"lo"]
    assert engine.request("POST", "/networks/open/connect", {"Container": container_id}).status == 200
    _remove_networks(engine)


def test_a_tenant_may_have_any_port_that_is_free_but_those_of_the_hosts_own_services(engine: EngineDaemon) -> None:
    engine.import_busybox(tenant="demo/ada")
    low, port = free_port(below=1024), free_port()
    refused = engine.request("POST", "/containers/create", {"Image": "busybox", **published(low)}, tenant="demo/ada")
    assert (refused.status, f"port {low} of the host cannot be published" in refused.message) == (403, True)
    container_id = engine.run(*_SERVE, tenant="demo/ada", **published(port))
    wait_until(lambda: fetch(port) == "hello", "the container to serve")
    other = engine.create("true", **published(port))
    answer = engine.request("POST", f"/containers/{other}/start")
    assert answer.message.endswith(f"Bind for 0.0.0.0:{port} failed: port is already allocated")
    assert "demo" not in answer.message
    assert container_id[:12] not in answer.message


def test_an_administrator_may_have_a_port_of_the_hosts_own_services(engine: EngineDaemon) -> None:
    low = free_port(below=1024)
    engine.run(*_SERVE, **published(low))
    wait_until(lambda: fetch(low) == "hello", "the container to serve")


def test_of_many_that_want_one_port_one_gets_it_and_the_others_leave_nothing(engine: EngineDaemon) -> None:
    port = free_port()
    ids = [engine.create("sleep", "600", **published(port)) for _ in range(12)]
    with ThreadPoolExecutor(12) as pool:
        statuses = list(pool.map(lambda one: engine.request("POST", f"/containers/{one}/start").status, ids))
    assert sorted(statuses) == [204] + [409] * 11
    with ThreadPoolExecutor(12) as pool:
        list(pool.map(lambda one: engine.request("DELETE", f"/containers/{one}?force=1"), ids))
    assert is_free(port)
    assert led_on(engine) == []
    assert list((engine.data_path / "engine/networks").glob("*.ports")) == []


def test_two_hundred_ports_of_one_container(engine: EngineDaemon) -> None:
    bindings = {f"{number}/tcp": [{"HostPort": ""}] for number in range(1000, 1200)}
    container_id = engine.run(
        "sh", "-c", "echo ok >/index.html; exec httpd -f -p 1100 -h /", HostConfig={"PortBindings": bindings}
    )
    found = places(engine, container_id)
    assert len({one[0]["HostPort"] for one in found.values()}) == 200
    wait_until(lambda: fetch(int(found["1100/tcp"][0]["HostPort"])) == "ok", "the container to serve")
    engine.request("DELETE", f"/containers/{container_id}?force=1")
    assert led_on(engine) == []
