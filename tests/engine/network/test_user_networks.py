"""Networks that somebody made: their subnets and addresses, who is on them, and what is left of them."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from engine.core.addresses import Pool
from engine.core.networks import Ipam, NetworkJoin, NetworkRequest
from engine.core.tenants import Tenant
from engine.errors import Conflict, Fault, Forbidden, InvalidParameter, NotFound, Unavailable
from engine.network.attachments import Guest
from engine.network.manager import NetworkManager
from engine.network.model import Endpoint
from tests.engine.network.sandboxes import Sandbox, ip
from tests.engine.network.test_manager import device_names, eventually, rules

pytestmark = pytest.mark.requires_root

ADA, BOB = Tenant("demo", "ada"), Tenant("demo", "bob")
MakeSandbox = Callable[[str], Sandbox]
OpenManager = Callable[..., Awaitable[NetworkManager]]
ONE = NetworkRequest("one", Ipam(IPv4Network("10.5.0.0/24")))
TWO = NetworkRequest("two", Ipam(IPv4Network("10.6.0.0/24")))


def guest(box: Sandbox, *joins: NetworkJoin, tenant: Tenant = ADA) -> Guest:
    return Guest(box.name, tenant, box.name, (box.name,), joins)


async def put(manager: NetworkManager, box: Sandbox, *joins: NetworkJoin, tenant: Tenant = ADA) -> tuple[Endpoint, ...]:
    endpoints = await manager.attach(guest(box, *joins, tenant=tenant), box.netns)
    for endpoint in endpoints:
        box.configure(endpoint)
    return endpoints


def ways_out(box: Sandbox) -> list[str]:
    return [f"{route['gateway']} {route['dev']}" for route in json.loads(box.command("ip", "-json", "route", "show", "default"))]


async def test_a_container_on_several_networks_has_interfaces_in_order_and_one_way_out(
    manager: NetworkManager, sandbox: MakeSandbox
) -> None:
    for request in (NetworkRequest("closed", internal=True), ONE, TWO):
        await manager.create_network(ADA, request)
    box = sandbox("box")
    endpoints = await put(manager, box, NetworkJoin("closed"), NetworkJoin("two"), NetworkJoin("one", address="10.5.0.77"))
    assert [(one.name, one.interface) for one in endpoints] == [("closed", "eth0"), ("two", "eth1"), ("one", "eth2")]
    assert endpoints[2].address == "10.5.0.77"
    assert ways_out(box) == ["10.6.0.1 eth1"]


async def test_a_running_container_comes_to_a_network_and_leaves_another_that_led_out(
    manager: NetworkManager, sandbox: MakeSandbox
) -> None:
    await manager.create_network(ADA, ONE)
    two = await manager.create_network(ADA, TWO)
    box = sandbox("box")
    (first,) = await put(manager, box, NetworkJoin("one"))
    joined = await manager.join(guest(box, NetworkJoin("two", aliases=("db",))), box.netns)
    assert (joined.interface, joined.aliases) == ("eth1", ("box", "db"))
    assert ways_out(box) == ["10.5.0.1 eth0"]
    await manager.leave("box", first.network_id, box.netns)
    assert ways_out(box) == ["10.6.0.1 eth1"]
    assert [one.network_id for one in manager.endpoints_of("box")] == [two.network_id]
    again = await manager.join(guest(box, NetworkJoin("one")), box.netns)
    assert again.interface == "eth0"
    await manager.leave("box", two.network_id, box.netns)
    assert ways_out(box) == ["10.5.0.1 eth0"]


async def test_a_join_that_fails_leaves_the_container_as_it_was(manager: NetworkManager, sandbox: MakeSandbox) -> None:
    await manager.create_network(ADA, ONE)
    await manager.create_network(ADA, TWO)
    box = sandbox("box")
    await put(manager, box, NetworkJoin("one"))
    box.command("ip", "link", "add", "eth1", "type", "bridge")  # as a container may that has the right to
    before = device_names(), rules(), manager.endpoints_of("box")
    with pytest.raises(Fault, match="cannot connect container box to network two"):
        await manager.join(guest(box, NetworkJoin("two")), box.netns)
    assert (device_names(), rules(), manager.endpoints_of("box")) == before


async def test_an_attach_to_several_networks_that_fails_at_the_last_leaves_nothing(
    manager: NetworkManager, sandbox: MakeSandbox
) -> None:
    await manager.create_network(ADA, ONE)
    before = device_names(), rules()
    with pytest.raises(NotFound, match="network two not found"):
        await manager.attach(guest(box := sandbox("box"), NetworkJoin("one"), NetworkJoin("two")), box.netns)
    with pytest.raises(InvalidParameter, match="out of range"):
        await manager.attach(guest(box, NetworkJoin("one", address="10.9.0.1")), box.netns)
    assert manager.endpoints_of("box") == ()
    assert (device_names(), rules()) == before


@pytest.mark.parametrize("address", ["10.5.0.5", "10.5.0.1", "10.5.0.9"])
async def test_an_address_of_a_neighbour_the_gateway_or_held_back_is_refused(
    manager: NetworkManager, sandbox: MakeSandbox, address: str
) -> None:
    held = replace(ONE.ipam, auxiliary={"router": IPv4Address("10.5.0.9")})
    await manager.create_network(ADA, replace(ONE, ipam=held))
    await put(manager, sandbox("first"), NetworkJoin("one", address="10.5.0.5"))
    box = sandbox("box")
    with pytest.raises(Forbidden, match="address already in use"):
        await put(manager, box, NetworkJoin("one", address=address))


async def test_an_address_given_back_can_be_asked_for_at_once(open_manager: OpenManager, sandbox: MakeSandbox) -> None:
    manager = await open_manager(sweep_delay_seconds=1000)
    await manager.create_network(ADA, ONE)
    await put(manager, sandbox("first"), NetworkJoin("one", address="10.5.0.5"))
    await manager.detach("first")
    (endpoint,) = await put(manager, sandbox("second"), NetworkJoin("one", address="10.5.0.5"))
    assert endpoint.address == "10.5.0.5"


async def test_addresses_nobody_asked_for_come_from_the_range(manager: NetworkManager, sandbox: MakeSandbox) -> None:
    ipam = Ipam(IPv4Network("10.5.0.0/24"), IPv4Address("10.5.0.254"), IPv4Network("10.5.0.128/25"))
    await manager.create_network(ADA, NetworkRequest("one", ipam))
    (endpoint,) = await put(manager, sandbox("box"), NetworkJoin("one"))
    assert (endpoint.address, endpoint.gateway) == ("10.5.0.128", "10.5.0.254")


async def test_two_tenants_may_use_one_name_and_never_get_each_others_network(
    manager: NetworkManager, sandbox: MakeSandbox
) -> None:
    ada = await manager.create_network(ADA, NetworkRequest("lab"))
    with pytest.raises(NotFound, match="network lab not found"):
        await put(manager, sandbox("early"), NetworkJoin("lab"), tenant=BOB)
    bob = await manager.create_network(BOB, NetworkRequest("lab"))
    with pytest.raises(Conflict, match="network with name lab already exists"):
        await manager.create_network(ADA, NetworkRequest("lab"))
    (endpoint,) = await put(manager, sandbox("box"), NetworkJoin("lab"), tenant=BOB)
    assert endpoint.network_id == bob.network_id != ada.network_id


async def test_a_subnet_that_overlaps_a_network_or_a_route_of_the_host_is_refused(manager: NetworkManager) -> None:
    ip("route add 10.8.0.0/16 dev lo")
    await manager.create_network(ADA, ONE)
    before = device_names(), rules()
    for subnet in ("10.5.0.0/16", "10.5.0.128/25", "10.8.3.0/24", "10.0.0.0/9"):
        with pytest.raises(Forbidden, match="pool overlaps with other one on this address space"):
            await manager.create_network(BOB, NetworkRequest("mine", Ipam(IPv4Network(subnet))))
    with pytest.raises(Forbidden, match="cannot be used beside"):  # its devices would have the same numbers
        await manager.create_network(BOB, NetworkRequest("mine", Ipam(IPv4Network("26.5.0.0/24"))))
    assert (device_names(), rules()) == before


async def test_a_network_in_use_stays_and_an_unused_one_goes_without_a_trace(
    manager: NetworkManager, sandbox: MakeSandbox, tmp_path: Path
) -> None:
    before = device_names(), rules(), sorted(tmp_path.rglob("*"))
    network = await manager.create_network(ADA, replace(ONE, internal=True))
    await put(manager, sandbox("box"), NetworkJoin("one"))
    with pytest.raises(Forbidden, match=r'network one has active endpoints \(name:"box"'):
        await manager.remove_network(network)
    await manager.detach("box")
    await manager.remove_network(network)
    with pytest.raises(NotFound):
        await manager.remove_network(network)
    await eventually(lambda: (device_names(), rules(), sorted(tmp_path.rglob("*"))) == before)


async def test_networks_are_found_again_whole_after_a_restart_of_the_host(
    open_manager: OpenManager, sandbox: MakeSandbox
) -> None:
    first = await open_manager()
    ipam = Ipam(IPv4Network("10.5.0.0/24"), IPv4Address("10.5.0.9"), IPv4Network("10.5.0.64/26"), {"a": IPv4Address("10.5.0.70")})
    options = {"com.docker.network.driver.mtu": "1280"}
    made = await first.create_network(ADA, NetworkRequest("one", ipam, internal=True, labels={"k": "v"}, options=options))
    await first.close(remove=True)
    second = await open_manager()
    assert second.find_network(ADA, "one") == made
    box = sandbox("box")
    await put(second, box, NetworkJoin("one"))
    assert "mtu 1280" in box.command("ip", "link", "show", "dev", "eth0")


async def test_a_network_whose_subnet_the_host_has_got_a_route_to_says_so(
    open_manager: OpenManager, sandbox: MakeSandbox
) -> None:
    first = await open_manager()
    await first.create_network(ADA, ONE)
    await first.close(remove=True)
    ip("route add 10.5.0.0/16 dev lo")
    second = await open_manager()
    with pytest.raises(Unavailable, match="another way to"):
        await put(second, sandbox("box"), NetworkJoin("one"))


async def test_the_next_daemon_puts_right_what_was_cut_off(open_manager: OpenManager, sandbox: MakeSandbox) -> None:
    """A connect before its record, a removal after its record, a creation before its record."""
    first = await open_manager()
    await first.create_network(ADA, ONE)
    two = await first.create_network(ADA, TWO)
    box = sandbox("box")
    await put(first, box, NetworkJoin("one"))
    await first.join(guest(box, NetworkJoin("two")), box.netns)
    gone = await first.create_network(ADA, NetworkRequest("gone"))
    (first._records_path / gone.network_id / "network.json").unlink()
    second = await open_manager()
    await second.reconcile({"box": {"one"}})
    assert [one.name for one in second.endpoints_of("box")] == ["one"]
    assert len([name for name in device_names() if name.startswith("v")]) == 1
    assert len([name for name in device_names() if name.startswith("b")]) == 2
    assert sorted(path.name for path in second._records_path.iterdir()) == sorted(second._attachments.ledger.networks)
    assert second.endpoints(two) == []


async def test_networks_are_bounded_by_the_pool_with_a_reason(open_manager: OpenManager) -> None:
    manager = await open_manager(pools=[Pool(IPv4Network("10.64.0.0/27"), 30)])
    for number in range(8):
        await manager.create_network(ADA, NetworkRequest(f"n{number}"))
    with pytest.raises(Unavailable, match=r"no free subnet in 10\.64\.0\.0/27: remove networks that are not used"):
        await manager.create_network(BOB, NetworkRequest("more"))
    assert manager.list_networks(BOB) == []


async def test_a_made_network_is_never_taken_away_for_want_of_subnets(open_manager: OpenManager, sandbox: MakeSandbox) -> None:
    manager = await open_manager(pools=[Pool(IPv4Network("10.64.0.0/30"), 30)])
    await manager.create_network(ADA, NetworkRequest("kept"))
    with pytest.raises(Unavailable, match="no free subnet"):
        await put(manager, sandbox("box"), NetworkJoin("bridge"), tenant=BOB)
    assert manager.find_network(ADA, "kept") is not None
