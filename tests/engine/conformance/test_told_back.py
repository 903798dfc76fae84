"""What a client finds again as it has asked for it: programs that compare both make anew whatever differs."""

from typing import Any

import pytest
from docker.types import IPAMConfig

from tests.engine.conformance.cases import Desk
from tests.engine.dockerd import Dockerd

Client = Any  # the stubs of the package know less than the package does

pytestmark = pytest.mark.requires_root

_PROFILE = '{"defaultAction":"SCMP_ACT_ALLOW"}'


@pytest.mark.parametrize(
    "options",
    [
        ["no-new-privileges"],
        ["no-new-privileges:true", "label=disable"],
        ["label:disable", "seccomp=unconfined", "no-new-privileges=false"],
        [f"seccomp={_PROFILE}", "no-new-privileges:true"],
    ],
)
def test_security_options_are_told_as_they_came(client: Client, options: list[str]) -> None:
    container = client.containers.create("busybox", ["true"], security_opt=options)
    container.reload()
    assert container.attrs["HostConfig"]["SecurityOpt"] == options


def test_driver_options_of_an_endpoint_are_told_as_they_came(client: Client) -> None:
    client.networks.create("net")
    wanted = {"net": client.api.create_endpoint_config(driver_opt={"some.option": "yes"})}
    container = client.containers.create("busybox", ["true"], network="net", networking_config=wanted)
    client.networks.create("two").connect(container, driver_opt={"another": "1"})
    client.networks.create("three").connect(container)
    container.reload()
    networks = container.attrs["NetworkSettings"]["Networks"]
    assert {name: network["DriverOpts"] for name, network in networks.items()} == {
        "net": {"some.option": "yes"},
        "two": {"another": "1"},
        "three": None,
    }


@pytest.mark.parametrize("options", [None, {}, {"some": "option"}])
def test_address_options_of_a_network_are_told_as_they_came(client: Client, options: dict[str, str] | None) -> None:
    network = client.networks.create("net", ipam={**IPAMConfig(), "Options": options})
    network.reload()
    assert network.attrs["IPAM"]["Options"] == options


def test_containers_of_older_clients_share_their_memory(desk: Desk) -> None:
    body = {"Image": "busybox", "Cmd": ["sleep", "600"]}
    made = {
        (version, mode): desk.server.request("POST", f"/v{version}/containers/create", {**body, "HostConfig": {"IpcMode": mode}})
        for version in ("1.39", "1.40")
        for mode in ("", "none", "private")
    }
    told = {asked: desk.server.inspect(answer.document["Id"])["HostConfig"]["IpcMode"] for asked, answer in made.items()}
    assert told == {asked: asked[1] or ("shareable" if asked[0] == "1.39" else "private") for asked in made}
    owner = made["1.39", ""].document["Id"]
    assert desk.server.request("POST", f"/containers/{owner}/start").status == 204
    desk.server.run("sleep", "600", HostConfig={"IpcMode": f"container:{owner}"})


def test_a_mount_tells_where_its_volume_lies(client: Client) -> None:
    named = client.containers.create("busybox", ["true"], volumes={"data": {"bind": "/data"}})
    without_name = client.containers.create("busybox", ["true"], volumes=["/data"])
    for container in (named, without_name):
        mount = client.api.inspect_container(container.id)["Mounts"][0]
        place = client.volumes.get(mount["Name"]).attrs["Mountpoint"]
        assert (mount["Source"], bool(place)) == (place, True)
    listed = next(one for one in client.api.containers(all=True) if one["Id"] == named.id)
    assert listed["Mounts"][0]["Source"] == client.volumes.get("data").attrs["Mountpoint"]


def test_a_volume_of_a_target_alone_has_no_name_and_goes_with_its_container(client: Client) -> None:
    container = client.containers.create("busybox", ["true"], volumes=["/data"])
    shown = client.api.inspect_container(container.id)
    assert (shown["HostConfig"]["Binds"], shown["Mounts"][0]["Destination"]) == (["/data"], "/data")
    volume = shown["Mounts"][0]["Name"]
    assert volume in [one.name for one in client.volumes.list()]
    container.remove(v=True)
    assert volume not in [one.name for one in client.volumes.list()]


@pytest.mark.parametrize("mac", ["", "02:42:ac:11:65:43"])
def test_a_hardware_address_is_told_as_it_came(client: Client, mac: str) -> None:
    container = client.containers.create("busybox", ["true"], mac_address=mac or None)
    container.reload()
    assert container.attrs["Config"].get("MacAddress", "") == mac


def test_leave_to_kill_for_want_of_memory_is_told_as_it_came(desk: Desk) -> None:
    """Where cgroups know no such switch a dockerd says null."""
    server = desk.server
    fields = [{}, {"OomKillDisable": False}, {"OomKillDisable": None}]
    shown = [server.inspect(server.create("true", HostConfig=one))["HostConfig"]["OomKillDisable"] for one in fields]
    assert shown == [False] * 3 or (isinstance(server, Dockerd) and shown == [None] * 3)
