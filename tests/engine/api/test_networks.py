"""Networks through the API and the docker command: made, used, looked at and removed; and what other tenants see of them."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.engine.daemon import EngineDaemon

pytestmark = pytest.mark.requires_root

ADA, BOB = "blue/ada", "red/bob"


@pytest.fixture
def lab(engine: EngineDaemon) -> Iterator[EngineDaemon]:
    """The engine; containers and networks that a test leaves are removed."""
    yield engine
    engine.remove_containers()
    for network in engine.request("GET", "/networks").document:
        engine.request("DELETE", f"/networks/{network['Id']}")


def make(lab: EngineDaemon, name: str, *, tenant: str = "", subnet: str = "", **fields: object) -> str:
    body = {"Name": name, **({"IPAM": {"Config": [{"Subnet": subnet}]}} if subnet else {}), **fields}
    answer = lab.request("POST", "/networks/create", body, tenant=tenant)
    assert answer.status == 201, answer.body
    return str(answer.document["Id"])


def networks_of(lab: EngineDaemon, container: str) -> dict[str, Any]:
    return dict(lab.inspect(container)["NetworkSettings"]["Networks"])


def said(lab: EngineDaemon, *command: str) -> str:
    done = lab.cli(*command)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode().strip()


def test_the_docker_command_makes_shows_and_removes_networks(lab: EngineDaemon) -> None:
    network_id = said(lab, "network", "create", "--subnet", "10.11.0.0/24", "--gateway", "10.11.0.9", "--label", "a=b", "net")
    shown = json.loads(said(lab, "network", "inspect", "net"))[0]
    assert (shown["Id"], shown["Driver"], shown["Labels"], shown["Scope"]) == (network_id, "bridge", {"a": "b"}, "local")
    assert shown["IPAM"]["Config"] == [{"Subnet": "10.11.0.0/24", "Gateway": "10.11.0.9"}]
    for wanted in ("name=net", f"id={network_id[:8]}", "label=a", "label=a=b", "type=custom", "dangling=true"):
        assert said(lab, "network", "ls", "--filter", wanted, "-q", "--no-trunc") == network_id
    for unwanted in ("name=other", "label=c", "driver=overlay", "scope=swarm"):
        assert said(lab, "network", "ls", "--filter", unwanted, "-q") == ""
    for wanted, names in (
        ("driver=bridge", ["bridge", "net"]),
        ("type=builtin", ["bridge", "host", "none"]),
        ("driver=null", ["none"]),
    ):
        assert sorted(said(lab, "network", "ls", "--filter", wanted, "--format", "{{.Name}}").split()) == names
    assert lab.cli("network", "create", "net").stderr.decode().strip().endswith("network with name net already exists")
    assert said(lab, "network", "rm", "net") == "net"
    assert lab.request("GET", "/networks/net").status == 404


def test_a_container_is_on_the_networks_that_the_command_names(lab: EngineDaemon) -> None:
    make(lab, "one", subnet="10.11.0.0/24")
    make(lab, "two")
    place = ("--network", "one", "--ip", "10.11.0.7", "--network-alias", "www")
    said(lab, "run", "-d", "--name", "web", *place, "busybox", "sleep", "600")
    said(lab, "network", "connect", "--alias", "db", "two", "web")
    found = networks_of(lab, "web")
    assert list(found) == ["one", "two"]
    assert (found["one"]["IPAddress"], found["one"]["Aliases"], found["one"]["Gateway"]) == ("10.11.0.7", ["www"], "10.11.0.1")
    assert found["one"]["IPAMConfig"] == {"IPv4Address": "10.11.0.7"}
    assert "db" in found["two"]["DNSNames"]
    assert said(lab, "exec", "web", "ls", "/sys/class/net") == "eth0\neth1\nlo"
    hosts = said(lab, "exec", "web", "cat", "/etc/hosts")
    assert all(f"{one['IPAddress']}\t{lab.inspect('web')['Config']['Hostname']}" in hosts for one in found.values())
    shown = json.loads(said(lab, "network", "inspect", "two"))[0]
    assert [(one["Name"], one["IPv4Address"]) for one in shown["Containers"].values()] == [
        ("web", f"{found['two']['IPAddress']}/24")
    ]
    for wanted in ("one", "two", shown["Id"], shown["Id"][:12]):
        assert said(lab, "ps", "--filter", f"network={wanted}", "--format", "{{.Names}}") == "web"
    said(lab, "network", "disconnect", "one", "web")
    assert list(networks_of(lab, "web")) == ["two"]
    assert "10.11.0.7" not in said(lab, "exec", "web", "cat", "/etc/hosts")
    assert said(lab, "exec", "web", "ls", "/sys/class/net") == "eth1\nlo"


def test_a_stopped_container_is_connected_for_its_next_start(lab: EngineDaemon) -> None:
    make(lab, "one", subnet="10.11.0.0/24")
    container_id = lab.create("sleep", "600", name="web")
    body = {"Container": "web", "EndpointConfig": {"IPAMConfig": {"IPv4Address": "10.11.0.5"}, "Aliases": ["www"]}}
    assert lab.request("POST", "/networks/one/connect", body).status == 200
    assert (list(networks_of(lab, "web")), networks_of(lab, "web")["one"]["IPAddress"]) == (["bridge", "one"], "")
    assert lab.request("POST", "/networks/bridge/disconnect", {"Container": container_id}).status == 200
    assert lab.request("POST", "/containers/web/start").status == 204
    assert {name: one["IPAddress"] for name, one in networks_of(lab, "web").items()} == {"one": "10.11.0.5"}


def test_several_networks_are_given_at_once_by_name_and_id(lab: EngineDaemon) -> None:
    first, _ = make(lab, "one"), make(lab, "two")
    networking = {"EndpointsConfig": {"two": {}, first: {"Aliases": ["x"]}}}
    lab.run("sleep", "600", name="web", HostConfig={"NetworkMode": first}, NetworkingConfig=networking)
    found = networks_of(lab, "web")
    assert (list(found), found["one"]["Aliases"]) == (["one", "two"], ["x"])
    assert lab.inspect("web")["HostConfig"]["NetworkMode"] == first


def test_networks_in_use_or_predefined_stay_and_prune_takes_the_rest(lab: EngineDaemon) -> None:
    make(lab, "used")
    make(lab, "kept", Labels={"keep": "1"})
    make(lab, "idle")
    make(lab, "others", tenant=ADA)
    lab.run("sleep", "600", name="web", HostConfig={"NetworkMode": "used"})
    answer = lab.request("DELETE", "/networks/used")
    assert (answer.status, 'has active endpoints (name:"web"' in answer.message) == (403, True)
    assert lab.request("DELETE", "/networks/bridge").status == 403
    pruned = lab.request("POST", '/networks/prune?filters={"label!":["keep"]}').document
    assert pruned == {"NetworksDeleted": ["idle"]}
    assert lab.request("POST", '/networks/prune?filters={"until":["1h"]}').document == {"NetworksDeleted": None}
    assert {one["Name"] for one in lab.request("GET", "/networks").document} >= {"used", "kept", "others"}


def test_the_events_tell_who_came_and_went(lab: EngineDaemon) -> None:
    network_id = make(lab, "one", Labels={})
    container_id = lab.run("sleep", "600", name="web", HostConfig={"NetworkMode": "one"})
    lab.request("POST", "/networks/one/disconnect", {"Container": "web"})
    lab.request("DELETE", "/networks/one")
    span = ("--since", "1h", "--until", f"{time.time():.9f}")
    told = said(lab, "events", *span, "--filter", f"network={network_id}", "--format", "{{json .}}")
    events = [json.loads(line) for line in told.splitlines()]
    assert [event["Action"] for event in events] == ["create", "connect", "disconnect", "destroy"]
    assert events[1]["Actor"]["Attributes"] == {"container": container_id, "name": "one", "type": "bridge"}


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"Name": "bridge"}, 403, "predefined"),
        ({"Name": ""}, 400, "invalid network name"),
        ({"Name": "x", "Driver": "overlay"}, 400, "driver 'overlay'"),
        ({"Name": "x", "Driver": "host"}, 400, "driver 'host'"),
        ({"Name": "x", "EnableIPv4": False}, 400, "each network has IPv4"),
        ({"Name": "x", "Ingress": True}, 400, "Ingress"),
        ({"Name": "x", "IPAM": {"Driver": "dhcp"}}, 400, "IPAM driver"),
        ({"Name": "x", "IPAM": {"Config": [{"Subnet": "10.1.0.0/24"}, {"Subnet": "10.2.0.0/24"}]}}, 400, "too many subnets"),
        ({"Name": "x", "IPAM": {"Config": [{"Subnet": "fd00::/64"}]}}, 400, "takes EnableIPv6"),
        ({"Name": "x", "EnableIPv6": True, "IPAM": {"Config": [{"Subnet": "fe80::/64"}]}}, 400, "no container can have"),
        ({"Name": "x", "EnableIPv6": True, "IPAM": {"Config": [{"Subnet": "fd00::/32"}]}}, 400, "use a prefix"),
        (
            {"Name": "x", "EnableIPv6": True, "IPAM": {"Config": [{"Subnet": "fd55::/64", "Gateway": "fd56::1"}]}},
            400,
            "invalid gateway",
        ),
        ({"Name": "x", "IPAM": {"Config": [{"Subnet": "127.0.0.0/24"}]}}, 400, "no container can have"),
        ({"Name": "x", "IPAM": {"Config": [{"Gateway": "10.1.0.1"}]}}, 400, "takes a subnet"),
        ({"Name": "x", "Options": {"com.docker.network.bridge.name": "a/b"}}, 400, "bridge.name"),
        ({"Name": "x", "Options": {"com.docker.network.bridge.name": "lo"}}, 409, "used by a device"),
    ],
)
def test_a_network_that_cannot_be_is_refused_with_the_reason(
    lab: EngineDaemon, body: dict[str, object], status: int, words: str
) -> None:
    answer = lab.request("POST", "/networks/create", body)
    assert (answer.status, words in answer.message) == (status, True), answer.message


def test_containers_are_refused_what_their_network_cannot_give(lab: EngineDaemon) -> None:
    make(lab, "one", subnet="10.11.0.0/24")
    make(lab, "pooled")
    lab.run("sleep", "600", name="web", HostConfig={"NetworkMode": "one"})
    taken = networks_of(lab, "web")["one"]["IPAddress"]
    other = lab.run("sleep", "600", name="other")

    def connect(network: str, address: str) -> tuple[int, str]:
        body = {"Container": other, "EndpointConfig": {"IPAMConfig": {"IPv4Address": address}}}
        answer = lab.request("POST", f"/networks/{network}/connect", body)
        return answer.status, answer.message

    assert connect("one", taken) == (403, f"address already in use: {taken} of network one")
    assert connect("one", "10.12.0.1")[0] == 400
    assert connect("one", "nonsense")[0] == 400
    assert "user configured subnets" in connect("pooled", "172.30.0.9")[1]
    assert lab.request("POST", "/networks/one/connect", {"Container": "web"}).status == 403
    assert lab.request("POST", "/networks/pooled/disconnect", {"Container": "web"}).status == 403
    lab.run("sleep", "600", name="lonely", HostConfig={"NetworkMode": "none"})
    assert "private (none) mode" in lab.request("POST", "/networks/one/connect", {"Container": "lonely"}).message
    assert list(networks_of(lab, "other")) == ["bridge"]


def test_the_network_of_another_tenant_does_not_exist(lab: EngineDaemon) -> None:
    network_id = make(lab, "secret", tenant=ADA)
    container_id = lab.run("sleep", "600", tenant=BOB, name="web")
    for name in ("secret", network_id, network_id[:12]):
        missing = f"network {name} not found"
        for method, path, body in (
            ("GET", f"/networks/{name}", None),
            ("DELETE", f"/networks/{name}", None),
            ("POST", f"/networks/{name}/connect", {"Container": container_id}),
            ("POST", f"/networks/{name}/disconnect", {"Container": container_id}),
        ):
            answer = lab.request(method, path, body, tenant=BOB)
            assert (answer.status, answer.message) == (404, missing)
        made = lab.create("true", tenant=BOB, HostConfig={"NetworkMode": name})  # as with dockerd the start tells
        answer = lab.request("POST", f"/containers/{made}/start", tenant=BOB)
        assert (answer.status, answer.message) == (404, missing)
        made = lab.create("true", tenant=BOB, NetworkingConfig={"EndpointsConfig": {name: {}}})
        assert lab.request("POST", f"/containers/{made}/start", tenant=BOB).status == 404
    assert lab.request("POST", "/networks/prune", tenant=BOB).document == {"NetworksDeleted": None}
    assert [one["Name"] for one in lab.request("GET", "/networks", tenant=BOB).document] == ["none", "bridge"]
    assert lab.request("GET", f"/networks/{network_id}", tenant=ADA).status == 200
    assert lab.request("POST", "/networks/secret/connect", {"Container": container_id}, tenant=ADA).status == 404


def test_nobody_may_put_containers_of_two_tenants_on_one_network(lab: EngineDaemon) -> None:
    make(lab, "lab", tenant=ADA)
    container_id = lab.run("sleep", "600", tenant="blue")
    for tenant in ("", "blue"):
        assert lab.request("POST", "/networks/lab/connect", {"Container": container_id}, tenant=tenant).status == 403
        body = {"Image": "busybox", "Cmd": ["true"], "HostConfig": {"NetworkMode": "lab"}}
        assert lab.request("POST", "/containers/create", body, tenant=tenant).status == 403


def test_the_subnet_of_another_tenant_or_of_the_host_is_refused_without_telling_whose(lab: EngineDaemon) -> None:
    make(lab, "secret", tenant=ADA, subnet="10.11.0.0/24")
    body = {"Name": "mine", "IPAM": {"Config": [{"Subnet": "10.11.0.0/16"}]}}
    answer = lab.request("POST", "/networks/create", body, tenant=BOB)
    assert (answer.status, "pool overlaps" in answer.message) == (403, True)
    assert "ada" not in answer.message
    assert "secret" not in answer.message
    public = {"Name": "mine", "IPAM": {"Config": [{"Subnet": "8.8.8.0/24"}]}}
    assert lab.request("POST", "/networks/create", public, tenant=BOB).status == 400


def test_a_tenant_makes_so_many_networks_only(lab: EngineDaemon) -> None:
    for number in range(128):
        make(lab, f"n{number}", tenant=BOB)
    answer = lab.request("POST", "/networks/create", {"Name": "more"}, tenant=BOB)
    assert (answer.status, "too many networks" in answer.message) == (403, True)
    assert len(lab.request("POST", "/networks/prune", tenant=BOB).document["NetworksDeleted"]) == 128


def test_networks_and_who_is_on_them_survive_a_daemon_that_is_killed(start_engine: Callable[..., EngineDaemon]) -> None:
    lab = start_engine()
    make(lab, "one")
    make(lab, "two")
    lab.run("sleep", "600", name="web", HostConfig={"NetworkMode": "one"})
    lab.request("POST", "/networks/two/connect", {"Container": "web"})
    before = networks_of(lab, "web")
    lab.kill()
    lab.start()
    assert networks_of(lab, "web") == before
    assert said(lab, "exec", "web", "ls", "/sys/class/net") == "eth0\neth1\nlo"
    assert lab.request("POST", "/containers/web/restart?t=0").status == 204
    assert list(networks_of(lab, "web")) == ["one", "two"]
    lab.remove_containers()
    for name in ("one", "two"):
        assert lab.request("DELETE", f"/networks/{name}").status == 204


def test_a_container_keeps_its_names_on_a_network_when_it_is_renamed(lab: EngineDaemon) -> None:
    make(lab, "one")
    lab.run("sleep", "600", name="before", HostConfig={"NetworkMode": "one"})
    assert lab.request("POST", "/containers/before/rename?name=after").status == 204
    shown = lab.request("GET", "/networks/one").document
    assert [one["Name"] for one in shown["Containers"].values()] == ["after"]
    assert networks_of(lab, "after")["one"]["DNSNames"][0] == "after"


def test_link_local_addresses_draw_a_warning(lab: EngineDaemon) -> None:
    make(lab, "one")
    networking = {"EndpointsConfig": {"one": {"IPAMConfig": {"LinkLocalIPs": ["169.254.7.7"]}}}}
    body = {"Image": "busybox", "Cmd": ["true"], "HostConfig": {"NetworkMode": "one"}, "NetworkingConfig": networking}
    answer = lab.request("POST", "/containers/create", body)
    assert answer.document["Warnings"] == ["LinkLocalIPs of network one has no effect"]
