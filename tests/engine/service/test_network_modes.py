"""Containers that share another's network, or the host's: what they see, what they may not, and what is refused."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.engine.daemon import EngineDaemon

pytestmark = pytest.mark.requires_root

ADA, BOB = "blue/ada", "red/bob"
ADDRESSES = "ip -o addr show dev eth0 | grep -o 'inet6* [^ ]*'"


@pytest.fixture
def lab(engine: EngineDaemon) -> Iterator[EngineDaemon]:
    yield engine
    engine.remove_containers()


def start(lab: EngineDaemon, name: str, mode: str, *, tenant: str = "", **host: object) -> str:
    return lab.run("sleep", "600", name=name, tenant=tenant, HostConfig={"NetworkMode": mode, **host})


def inside(lab: EngineDaemon, container: str, script: str) -> str:
    done = lab.cli("exec", container, "sh", "-c", script)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode().strip()


def create(
    lab: EngineDaemon, mode: str, *, tenant: str = "", body: dict[str, Any] | None = None, **host: object
) -> tuple[int, str]:
    whole = {"Image": "busybox", "Cmd": ["true"], **(body or {}), "HostConfig": {"NetworkMode": mode, **host}}
    answer = lab.request("POST", "/containers/create", whole, tenant=tenant)
    return answer.status, "" if answer.status == 201 else answer.message


def test_a_container_has_the_network_of_the_one_it_joins(lab: EngineDaemon) -> None:
    owner = start(lab, "owner", "bridge")
    joined = start(lab, "joined", "container:owner")
    assert inside(lab, joined, ADDRESSES) == inside(lab, owner, ADDRESSES)
    for path in ("/etc/hosts", "/etc/hostname", "/etc/resolv.conf"):
        assert inside(lab, joined, f"cat {path}") == inside(lab, owner, f"cat {path}")
    inside(lab, owner, "echo '10.9.9.9 added' >>/etc/hosts")
    assert "10.9.9.9 added" in inside(lab, joined, "cat /etc/hosts")
    assert inside(lab, joined, "hostname") == owner[:12]
    assert inside(lab, joined, "ls /sys/class/net") == "eth0\nlo"
    inside(lab, owner, "httpd -p 127.0.0.1:8099 -h /etc")
    assert "localhost" in inside(lab, joined, "wget -qO- http://127.0.0.1:8099/hosts")
    shown = lab.inspect(joined)
    assert (shown["HostConfig"]["NetworkMode"], shown["NetworkSettings"]["Networks"]) == (f"container:{owner}", {})


def test_one_that_joins_a_joined_one_has_the_network_of_the_first(lab: EngineDaemon) -> None:
    owner = start(lab, "owner", "bridge")
    start(lab, "second", "container:owner")
    third = start(lab, "third", "container:second")
    assert inside(lab, third, ADDRESSES) == inside(lab, owner, ADDRESSES)
    assert inside(lab, third, "hostname") == owner[:12]


def test_one_that_joins_sees_neither_processes_nor_files_of_the_other(lab: EngineDaemon) -> None:
    owner = start(lab, "owner", "bridge")
    joined = start(lab, "joined", "container:owner")
    inside(lab, owner, "touch /only-here")
    assert inside(lab, joined, "ls / | grep -c only-here || true") == "0"
    assert inside(lab, joined, "readlink /proc/1/ns/net") == inside(lab, owner, "readlink /proc/1/ns/net")
    assert inside(lab, joined, "readlink /proc/1/ns/pid") != inside(lab, owner, "readlink /proc/1/ns/pid")
    assert inside(lab, joined, "readlink /proc/1/ns/uts") != inside(lab, owner, "readlink /proc/1/ns/uts")


def test_the_one_that_is_joined_has_to_run_and_after_its_restart_the_other_follows(lab: EngineDaemon) -> None:
    owner = start(lab, "owner", "bridge")
    joined = start(lab, "joined", "container:owner")
    lab.request("POST", "/containers/owner/stop?t=0")
    answer = lab.request("POST", "/containers/joined/restart?t=0")
    assert (answer.status, "cannot join network of a non running container" in answer.message) == (409, True)
    assert lab.request("POST", "/containers/owner/start").status == 204
    assert lab.request("POST", "/containers/joined/start").status == 204
    assert inside(lab, joined, ADDRESSES) == inside(lab, owner, ADDRESSES)
    lab.request("DELETE", "/containers/owner?force=1")
    answer = lab.request("POST", "/containers/joined/restart?t=0")
    assert (answer.status, f"no such container: {owner}" in answer.message) == (404, True)


def test_an_address_is_free_again_though_one_that_joined_still_holds_the_network(lab: EngineDaemon) -> None:
    lab.request("POST", "/networks/create", {"Name": "lab", "IPAM": {"Config": [{"Subnet": "10.13.0.0/24"}]}})
    wanted = {"EndpointsConfig": {"lab": {"IPAMConfig": {"IPv4Address": "10.13.0.7"}}}}
    lab.run("sleep", "600", name="owner", HostConfig={"NetworkMode": "lab"}, NetworkingConfig=wanted)
    start(lab, "joined", "container:owner")
    lab.request("DELETE", "/containers/owner?force=1")
    lab.run("sleep", "600", name="next", HostConfig={"NetworkMode": "lab"}, NetworkingConfig=wanted)
    assert "10.13.0.7/24" in inside(lab, "next", ADDRESSES)
    lab.remove_containers()
    assert lab.request("DELETE", "/networks/lab").status == 204


@pytest.mark.parametrize(
    ("body", "host", "words"),
    [
        ({"Hostname": "mine"}, {}, "hostname and the network mode"),
        ({"MacAddress": "02:42:99:00:00:01"}, {}, "mac-address and the network mode"),
        ({"ExposedPorts": {"80/tcp": {}}}, {}, "port exposing and the container type network mode"),
        ({}, {"PortBindings": {"80/tcp": [{"HostPort": "8080"}]}}, "port publishing and the container type network mode"),
        ({}, {"PublishAllPorts": True}, "port publishing and the container type network mode"),
        ({}, {"Dns": ["10.0.0.1"]}, "dns and the network mode"),
        ({}, {"ExtraHosts": ["a:10.0.0.1"]}, "custom host-to-IP mapping and the network mode"),
        ({}, {"Sysctls": {"net.ipv4.ip_forward": "1"}}, "no network of its own"),
        ({"NetworkingConfig": {"EndpointsConfig": {"bridge": {}}}}, {}, "cannot be on bridge"),
        ({}, {"PidMode": "container:other"}, "join both of one container"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_belongs_to_the_other_cannot_be_set(
    lab: EngineDaemon, body: dict[str, Any], host: dict[str, Any], words: str
) -> None:
    lab.create("true", name="owner")
    lab.create("true", name="other")
    status, message = create(lab, "container:owner", body=body, **host)
    assert (status, words in message) == (400, True), message


def test_one_that_shares_a_network_is_connected_to_no_other(lab: EngineDaemon) -> None:
    start(lab, "owner", "bridge")
    start(lab, "joined", "container:owner")
    start(lab, "hosted", "host")
    lab.request("POST", "/networks/create", {"Name": "lab"})
    for name in ("joined", "hosted"):
        answer = lab.request("POST", "/networks/lab/connect", {"Container": name})
        assert (answer.status, "container sharing network namespace with another container or host" in answer.message) == (
            403,
            True,
        )
    lab.request("DELETE", "/networks/lab")


def test_nobody_joins_the_network_of_another_tenants_container(lab: EngineDaemon) -> None:
    theirs = start(lab, "theirs", "bridge", tenant=BOB)
    for name in ("theirs", theirs, theirs[:12]):
        assert create(lab, f"container:{name}", tenant=ADA) == (400, f"no such container: {name}")
    for tenant in ("red", ""):  # who sees it may not join it either: ids of the two are not the same
        status, message = create(lab, f"container:{theirs}", tenant=tenant)
        assert (status, "join one of your own" in message) == (403, True)


def test_the_hosts_network_is_for_administrators(lab: EngineDaemon) -> None:
    status, message = create(lab, "host", tenant=ADA)
    assert (status, "only administrators may use NetworkMode host" in message) == (403, True)
    assert lab.request("GET", "/networks/host", tenant=ADA).status == 404
    names = [one["Name"] for one in lab.request("GET", "/networks", tenant=ADA).document]
    assert "host" not in names


def test_a_container_on_the_hosts_network_sees_it_and_changes_nothing(lab: EngineDaemon) -> None:
    hosted = start(lab, "hosted", "host", PortBindings={"80/tcp": [{"HostPort": "23999"}]})
    assert inside(lab, hosted, "hostname") == socket.gethostname()
    assert set(inside(lab, hosted, "ls /sys/class/net").split()) >= {"lo"}
    assert inside(lab, hosted, "cat /etc/resolv.conf").strip() == Path("/etc/resolv.conf").read_text().strip()
    for attempt in ("ip link set lo down", "ip addr add 10.9.9.9/32 dev lo", "echo 1 >/proc/sys/net/ipv4/ip_forward"):
        assert lab.cli("exec", hosted, "sh", "-c", attempt).returncode != 0
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert lab.cli("exec", hosted, "sh", "-c", f"nc -w 5 127.0.0.1 {port} -e true").returncode == 0
    shown = lab.inspect(hosted)
    host = lab.request("GET", "/networks/host").document
    assert (host["Driver"], host["Containers"][hosted]["Name"]) == ("host", "hosted")
    assert shown["NetworkSettings"]["Networks"]["host"]["NetworkID"] == host["Id"]
    assert lab.request("POST", "/containers/hosted/restart?t=0").status == 204


def test_a_container_without_network_is_told_by_the_network_none(lab: EngineDaemon) -> None:
    alone = start(lab, "alone", "none", tenant=ADA)
    shown = lab.request("GET", "/networks/none", tenant=ADA).document
    assert (shown["Driver"], list(shown["Containers"])) == ("null", [alone])
    assert lab.request("GET", "/networks/none", tenant=BOB).document["Containers"] == {}
    assert lab.request("GET", f"/networks/{shown['Id']}", tenant=ADA).document["Name"] == "none"
    for name in ("none", "host", "bridge"):
        assert lab.request("DELETE", f"/networks/{name}").status == 403


def test_joined_and_hosted_containers_survive_a_daemon_that_is_killed(lab: EngineDaemon) -> None:
    owner = start(lab, "owner", "bridge")
    joined, hosted = start(lab, "joined", "container:owner"), start(lab, "hosted", "host")
    lab.kill()
    lab.start()
    assert inside(lab, joined, ADDRESSES) == inside(lab, owner, ADDRESSES)
    assert "lo" in inside(lab, hosted, "ls /sys/class/net")
    networks = json.dumps([lab.inspect(one)["NetworkSettings"]["Networks"] for one in (joined, hosted)])
    assert "172." not in networks
