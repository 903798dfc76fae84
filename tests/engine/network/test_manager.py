"""The life of networks and endpoints: made, found again after a restart, and gone without a trace."""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from engine.core.addresses import Pool
from engine.core.tenants import ADMINISTRATOR, Tenant
from engine.errors import Fault, Unavailable
from engine.linux.nftables import Nftables
from engine.network.attachments import Guest
from engine.network.manager import NetworkManager
from engine.network.model import Endpoint
from tests.engine.network.sandboxes import Sandbox, ip

pytestmark = pytest.mark.requires_root

ADA, BOB = Tenant("demo", "ada"), Tenant("demo", "bob")
MakeSandbox = Callable[[str], Sandbox]
OpenManager = Callable[..., Awaitable[NetworkManager]]


async def attach(manager: NetworkManager, box: Sandbox, tenant: Tenant = ADA) -> Endpoint:
    (endpoint,) = await manager.attach(Guest(box.name, tenant, box.name), box.netns)
    return endpoint


def device_names() -> set[str]:
    """Those of an engine: other kernels put devices of their own into each network namespace."""
    return {link["ifname"] for link in json.loads(ip("-json link")) if link["group"] != "default"}


def rules(command: str = "list ruleset") -> str:
    nftables = Nftables()
    try:
        return nftables.run(command)
    finally:
        nftables.close()


async def eventually(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 (the kernel works in the background and tells nobody)
        await asyncio.sleep(0.01)


async def test_an_endpoint_tells_what_docker_inspect_shows(manager: NetworkManager, sandbox: MakeSandbox) -> None:
    endpoint = await attach(manager, sandbox("one"))
    assert (endpoint.name, endpoint.interface) == ("bridge", "eth0")
    assert (endpoint.address, endpoint.prefix, endpoint.gateway) == ("172.30.0.2", 24, "172.30.0.1")
    assert endpoint.mac == "02:42:ac:1e:00:02"
    assert len(endpoint.network_id) == len(endpoint.endpoint_id) == 64


async def test_the_inner_messages_configure_the_interface_from_inside(manager: NetworkManager, sandbox: MakeSandbox) -> None:
    box = sandbox("one")
    box.configure(await attach(manager, box))
    assert "172.30.0.2/24 brd 172.30.0.255" in box.command("ip", "addr", "show", "dev", "eth0")
    assert box.command("ip", "route", "show", "default").split()[:5] == ["default", "via", "172.30.0.1", "dev", "eth0"]


async def test_a_container_sees_no_interface_but_its_own(manager: NetworkManager, sandbox: MakeSandbox) -> None:
    one, other = sandbox("one"), sandbox("other")
    await attach(manager, one)
    await attach(manager, other)
    listed = one.command("ip", "-brief", "link").splitlines()
    assert [line.split("@")[0].split()[0] for line in listed] == ["lo", "eth0"]


async def test_networks_are_seen_by_their_owner_the_team_and_administrators(
    manager: NetworkManager, sandbox: MakeSandbox
) -> None:
    await attach(manager, sandbox("one"), ADA)
    await attach(manager, sandbox("other"), BOB)
    seen = {tenant: [network.owner for network in manager.list_networks(tenant)] for tenant in (ADA, BOB)}
    assert seen == {ADA: [ADA], BOB: [BOB]}
    assert len(manager.list_networks(Tenant("demo"))) == len(manager.list_networks(ADMINISTRATOR)) == 2
    assert manager.list_networks(Tenant("others")) == []


async def test_an_endpoint_can_be_looked_up_until_it_is_detached(manager: NetworkManager, sandbox: MakeSandbox) -> None:
    attached = await attach(manager, sandbox("one"))
    found = manager.endpoint("one")
    assert found is not None
    assert (found.address, found.endpoint_id, found.netlink) == (attached.address, attached.endpoint_id, ())
    assert manager.endpoints(manager.list_networks(ADA)[0]) == [found]
    await manager.detach("one")
    assert manager.endpoint("one") is None


async def test_the_veth_goes_with_the_network_namespace(open_manager: OpenManager, sandbox: MakeSandbox) -> None:
    manager = await open_manager(sweep_delay_seconds=1000)
    box = sandbox("one")
    await attach(manager, box)
    box.stop()
    await manager.detach("one")
    await eventually(lambda: not any(name.startswith("v5a5a5a") for name in device_names()))


async def test_a_veth_whose_namespace_is_kept_alive_is_deleted_soon(manager: NetworkManager, sandbox: MakeSandbox) -> None:
    box = sandbox("one")
    await attach(manager, box)
    await manager.detach("one")
    await eventually(lambda: not any(name.startswith("v5a5a5a") for name in device_names()))


async def test_detaching_twice_or_a_stranger_does_nothing(manager: NetworkManager, sandbox: MakeSandbox) -> None:
    await attach(manager, sandbox("one"))
    await manager.detach("one")
    await manager.detach("one")
    await manager.detach("nobody")


async def test_attaching_again_replaces_the_endpoint(manager: NetworkManager, sandbox: MakeSandbox) -> None:
    first = await attach(manager, sandbox("one"))
    again = sandbox("again")
    (second,) = await manager.attach(Guest("one", ADA, "one"), again.netns)
    assert second.address != first.address
    assert [endpoint.address for endpoint in manager.endpoints(manager.list_networks(ADA)[0])] == [second.address]


async def test_a_failed_attach_leaves_no_lease_interface_or_rule(
    manager: NetworkManager, sandbox: MakeSandbox, tmp_path: Path
) -> None:
    await attach(manager, sandbox("one"))
    before = device_names(), rules(), sorted(tmp_path.rglob("*"))
    no_namespace = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    with pytest.raises(Fault, match=r"cannot attach container other to its network: invalid argument"):
        await manager.attach(Guest("other", ADA, "other"), no_namespace)
    os.close(no_namespace)
    assert manager.endpoint("other") is None
    assert (device_names(), rules(), sorted(tmp_path.rglob("*"))) == before


async def test_a_name_that_is_taken_costs_another_address_only(manager: NetworkManager, sandbox: MakeSandbox) -> None:
    await attach(manager, sandbox("one"))
    ip("link add v5a5a5aac1e0003 type bridge")
    assert (await attach(manager, sandbox("other"))).address == "172.30.0.4"


async def test_a_bridge_that_somebody_deleted_is_made_again(manager: NetworkManager, sandbox: MakeSandbox) -> None:
    await attach(manager, sandbox("one"))
    ip("link delete b5a5a5aac1e0000")
    box = sandbox("other")
    box.configure(await attach(manager, box))
    assert "172.30.0.1/24" in ip("addr")


async def test_the_next_daemon_finds_endpoints_and_keeps_them(open_manager: OpenManager, sandbox: MakeSandbox) -> None:
    # The first one is not closed: its daemon was killed.
    attached = await attach(await open_manager(), sandbox("one"))
    second = await open_manager()
    await second.reconcile({"one": None})
    found = second.endpoint("one")
    assert found is not None
    assert found.address == attached.address
    assert {"b5a5a5aac1e0000", "v5a5a5aac1e0002"} == device_names()
    assert "v5a5a5aac1e0002" in rules()
    assert (await attach(second, sandbox("other"))).address == "172.30.0.3"


async def test_the_next_daemon_frees_what_containers_held_that_are_gone(open_manager: OpenManager, sandbox: MakeSandbox) -> None:
    first = await open_manager()
    await attach(first, sandbox("one"))
    await attach(first, sandbox("other"))
    second = await open_manager()
    await second.reconcile({"one": None})
    assert second.endpoint("other") is None
    assert device_names() == {"b5a5a5aac1e0000", "v5a5a5aac1e0002"}
    assert "v5a5a5aac1e0003" not in rules()


async def test_a_veth_without_a_lease_is_deleted_by_the_next_daemon(open_manager: OpenManager, sandbox: MakeSandbox) -> None:
    first = await open_manager()
    await attach(first, sandbox("one"))
    for record in first._records_path.rglob("*.lease"):
        record.unlink()
    second = await open_manager()
    await second.reconcile({})
    assert device_names() == {"b5a5a5aac1e0000"}


async def test_closing_without_removal_leaves_the_containers_connected(open_manager: OpenManager, sandbox: MakeSandbox) -> None:
    manager = await open_manager()
    await attach(manager, sandbox("one"))
    before = rules()
    await manager.close(remove=False)
    assert {"b5a5a5aac1e0000", "v5a5a5aac1e0002"} == device_names()
    assert rules() == before
    second = await open_manager()
    assert second.endpoint("one") is not None


async def test_closing_with_removal_leaves_nothing_on_the_host(open_manager: OpenManager, sandbox: MakeSandbox) -> None:
    manager = await open_manager()
    await attach(manager, sandbox("one"), ADA)
    await attach(manager, sandbox("other"), BOB)
    await manager.close(remove=True)
    assert device_names() == set()
    assert rules() == ""


async def test_a_tenant_keeps_its_subnet_when_the_host_restarts(open_manager: OpenManager, sandbox: MakeSandbox) -> None:
    first = await open_manager()
    await attach(first, sandbox("one"), ADA)
    other = await attach(first, sandbox("other"), BOB)
    await first.close(remove=True)  # a restart takes devices and rules as well
    second = await open_manager()
    again = await attach(second, sandbox("again"), BOB)
    assert (again.network_id, again.gateway) == (other.network_id, other.gateway)


async def test_a_subnet_that_the_host_routes_elsewhere_is_not_used(manager: NetworkManager, sandbox: MakeSandbox) -> None:
    ip("route add 172.30.0.0/23 dev lo")
    assert (await attach(manager, sandbox("one"))).gateway == "172.30.2.1"


async def test_a_network_moves_when_the_host_got_a_route_there_meanwhile(open_manager: OpenManager, sandbox: MakeSandbox) -> None:
    first = await open_manager()
    await attach(first, sandbox("one"))
    await first.close(remove=True)
    ip("route add 172.30.0.0/24 dev lo")
    second = await open_manager()
    assert (await attach(second, sandbox("again"))).gateway == "172.30.1.1"
    assert [str(network.subnet) for network in second.list_networks(ADA)] == ["172.30.1.0/24"]


async def test_two_engines_share_a_host_and_do_not_touch_each_other(open_manager: OpenManager, sandbox: MakeSandbox) -> None:
    first, second = await open_manager(instance="aaaaaa"), await open_manager(instance="bbbbbb")
    one, other = await asyncio.gather(attach(first, sandbox("one")), attach(second, sandbox("other")))
    assert one.gateway != other.gateway
    await first.close(remove=True)
    assert all(name[1:7] == "bbbbbb" for name in device_names())
    assert "atelier_bbbbbb" in rules()
    assert "atelier_aaaaaa" not in rules()


async def test_a_subnet_nobody_uses_goes_to_the_next_tenant_when_the_pool_is_used_up(
    open_manager: OpenManager, sandbox: MakeSandbox
) -> None:
    manager = await open_manager(pools=[Pool(IPv4Network("10.77.0.0/29"), 30)])
    await attach(manager, sandbox("one"), ADA)
    await attach(manager, sandbox("other"), BOB)
    with pytest.raises(Unavailable, match=r"no free subnet in 10\.77\.0\.0/29"):
        await attach(manager, sandbox("third"), Tenant("others"))
    await manager.detach("one")
    assert (await attach(manager, sandbox("fourth"), Tenant("others"))).gateway == "10.77.0.1"
    assert manager.list_networks(ADA) == []


async def test_the_last_address_can_be_used_again_at_once(open_manager: OpenManager, sandbox: MakeSandbox) -> None:
    manager = await open_manager(pools=[Pool(IPv4Network("10.77.0.0/29"), 30)], sweep_delay_seconds=1000)
    first = await attach(manager, sandbox("one"))
    await manager.detach("one")
    assert (await attach(manager, sandbox("other"))).address == first.address


async def test_a_full_network_is_named(open_manager: OpenManager, sandbox: MakeSandbox) -> None:
    manager = await open_manager(pools=[Pool(IPv4Network("10.77.0.0/29"), 30)])
    await attach(manager, sandbox("one"))
    with pytest.raises(Unavailable, match=r"no free address in 10\.77\.0\.0/30: 1 are held"):
        await attach(manager, sandbox("other"))


async def test_many_containers_at_once_get_addresses_of_their_own(manager: NetworkManager, sandbox: MakeSandbox) -> None:
    boxes = [sandbox(f"box{number}") for number in range(12)]
    endpoints = await asyncio.gather(*(attach(manager, box) for box in boxes))
    assert len({endpoint.address for endpoint in endpoints}) == len({endpoint.mac for endpoint in endpoints}) == 12


async def test_a_caller_that_is_cancelled_may_close_its_descriptor_and_leaves_nothing(
    manager: NetworkManager, sandbox: MakeSandbox
) -> None:
    box = sandbox("one")
    descriptors = set(Path("/proc/self/fd").iterdir())
    attaching = [asyncio.create_task(attach(manager, box)) for _ in range(3)]
    await asyncio.sleep(0)
    for task in attaching:
        task.cancel()
    box.stop()
    assert all(isinstance(result, asyncio.CancelledError) for result in await asyncio.gather(*attaching, return_exceptions=True))
    await manager.detach("nobody")  # waits until all before it is done
    assert manager.endpoint("one") is None
    assert set(Path("/proc/self/fd").iterdir()) <= descriptors
    await eventually(lambda: not any(name.startswith("v5a5a5a") for name in device_names()))


async def test_packets_are_forwarded_once_networks_are_open(manager: NetworkManager) -> None:
    assert Path("/proc/sys/net/ipv4/ip_forward").read_text() == "1\n"


async def test_the_interface_is_no_larger_than_the_way_out(manager: NetworkManager, sandbox: MakeSandbox) -> None:
    for line in ("link add wan mtu 1380 type bridge", "link set wan up", "route add default dev wan"):
        ip(line)
    box = sandbox("one")
    await attach(manager, box)
    assert "mtu 1380" in box.command("ip", "link", "show", "dev", "eth0")


async def test_before_it_is_opened_and_after_it_is_closed_a_manager_says_so(open_manager: OpenManager) -> None:
    manager = await open_manager()
    await manager.close(remove=True)
    await manager.close(remove=True)
    with pytest.raises(Unavailable, match="networks are not set up"):
        manager.list_networks(ADA)
