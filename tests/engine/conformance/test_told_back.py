"""What a client finds again as it has asked for it: programs that compare both make anew whatever differs."""

from typing import Any

import pytest
from docker.types import IPAMConfig

from tests.engine.conformance.cases import Desk

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
