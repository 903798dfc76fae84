"""Networks with IPv6, bridges with a second name, and what the host's own addresses forbid; in a real kernel."""

import json
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Address, IPv6Network
from pathlib import Path

import pytest

from engine.core.networks import Ipam, NetworkJoin, NetworkRequest
from engine.core.tenants import ADMINISTRATOR, Tenant
from engine.errors import Conflict, Forbidden, Unavailable
from engine.network import surroundings
from engine.network.manager import NetworkManager
from tests.engine.network.conftest import INSTANCE
from tests.engine.network.sandboxes import Sandbox, ip
from tests.engine.network.test_manager import device_names, rules
from tests.engine.network.test_user_networks import guest, put, ways_out

pytestmark = pytest.mark.requires_root

ADA, BOB = Tenant("demo", "ada"), Tenant("demo", "bob")
MakeSandbox = Callable[[str], Sandbox]
OpenManager = Callable[..., Awaitable[NetworkManager]]
BOTH = NetworkRequest("both", Ipam(IPv4Network("10.5.0.0/24"), subnet6=IPv6Network("fd05::/64")), has_ipv6=True)
PLAIN = NetworkRequest("plain", Ipam(IPv4Network("10.6.0.0/24")))
NAMED = NetworkRequest("named", Ipam(IPv4Network("10.7.0.0/24")), options={"com.docker.network.bridge.name": "lab-bridge"})
SETTINGS = Path("/proc/sys/net/ipv6/conf")


def ways_out6(box: Sandbox) -> list[str]:
    routes = json.loads(box.command("ip", "-6", "-json", "route", "show", "default"))
    return [f"{route['gateway']} {route['dev']}" for route in routes]


def addresses6(box: Sandbox, device: str) -> list[str]:
    """All of them, those included that the kernel makes by itself."""
    found = json.loads(box.command("ip", "-6", "-json", "addr", "show", "dev", device))
    return [one["local"] for entry in found for one in entry.get("addr_info", [])]


async def test_containers_reach_each_other_and_the_gateway_by_ipv6_at_once(manager: NetworkManager, sandbox: MakeSandbox) -> None:
    await manager.create_network(ADA, BOTH)
    first, second = sandbox("one"), sandbox("two")
    (found,) = await put(manager, first, NetworkJoin("both"))
    (chosen,) = await put(manager, second, NetworkJoin("both", address6="fd05::77", mac="02:42:99:00:00:01"))
    assert (found.address6, found.prefix6, found.gateway6) == ("fd05::2", 64, "fd05::1")
    assert (chosen.address6, chosen.mac) == ("fd05::77", "02:42:99:00:00:01")
    assert "02:42:99:00:00:01" in second.command("ip", "link", "show", "dev", "eth0")
    assert (addresses6(first, "eth0"), addresses6(second, "eth0")) == (["fd05::2"], ["fd05::77"])
    for target in ("fd05::77", "fd05::1"):
        first.command("busybox", "ping", "-6", "-c", "1", "-W", "5", target)
    assert ways_out6(first) == ["fd05::1 eth0"]


async def test_ipv6_leads_out_through_the_first_network_that_has_it(manager: NetworkManager, sandbox: MakeSandbox) -> None:
    await manager.create_network(ADA, PLAIN)
    both = await manager.create_network(ADA, BOTH)
    other = await manager.create_network(ADA, NetworkRequest("other", has_ipv6=True))
    await manager.create_network(ADA, NetworkRequest("closed", has_ipv6=True, internal=True))
    box = sandbox("box")
    await put(manager, box, NetworkJoin("closed"), NetworkJoin("plain"), NetworkJoin("both"))
    assert (ways_out(box), ways_out6(box)) == (["10.6.0.1 eth1"], ["fd05::1 eth2"])
    await manager.join(guest(box, NetworkJoin("other")), box.netns)
    assert ways_out6(box) == ["fd05::1 eth2"]
    await manager.leave("box", both.network_id, box.netns)
    assert (ways_out(box), ways_out6(box)) == (["10.6.0.1 eth1"], [f"{other.gateway6} eth3"])
    await manager.leave("box", other.network_id, box.netns)
    assert ways_out6(box) == []


async def test_a_subnet_of_ipv6_nobody_asked_for_is_the_engines_own(manager: NetworkManager) -> None:
    made = [await manager.create_network(ADA, NetworkRequest(name, has_ipv6=True)) for name in ("one", "two")]
    subnets = [network.subnet6 for network in made]
    assert None not in subnets
    assert len(set(subnets)) == 2
    assert all(subnet is not None and subnet.subnet_of(IPv6Network("fd00::/8")) for subnet in subnets)


async def test_a_subnet_of_ipv6_that_overlaps_a_network_or_a_route_of_the_host_is_refused(manager: NetworkManager) -> None:
    ip("-6 route add fd08::/48 dev lo")
    await manager.create_network(ADA, BOTH)
    before = device_names(), rules()
    for subnet in ("fd05::/64", "fd05::/48", "fd08:0:0:7::/64"):
        with pytest.raises(Forbidden, match="pool overlaps with other one"):
            await manager.create_network(BOB, NetworkRequest("mine", Ipam(subnet6=IPv6Network(subnet)), has_ipv6=True))
    assert (device_names(), rules()) == before


async def test_the_host_forwards_ipv6_and_still_learns_its_own_way_out(manager: NetworkManager) -> None:
    assert (SETTINGS / "all/forwarding").read_text() == "0\n"
    assert (SETTINGS / "lo/accept_ra").read_text() == "1\n"
    await manager.create_network(ADA, PLAIN)
    assert (SETTINGS / "all/forwarding").read_text() == "0\n"  # for nothing that needs it, nothing is changed
    await manager.create_network(ADA, BOTH)
    assert (SETTINGS / "all/forwarding").read_text() == "1\n"
    assert (SETTINGS / "lo/accept_ra").read_text() == "2\n"
    bridge = next(name for name in device_names() if name.endswith("0a050000"))
    assert (SETTINGS / bridge / "accept_ra").read_text() == "0\n"


async def test_networks_with_ipv6_are_found_again_whole(open_manager: OpenManager, sandbox: MakeSandbox) -> None:
    first = await open_manager()
    made = await first.create_network(ADA, BOTH)
    await put(first, sandbox("one"), NetworkJoin("both", address6="fd05::77"))
    held = first.endpoints_of("one")
    await first.close(remove=False)
    second = await open_manager()
    assert second.find_network(ADA, "both") == made
    assert [(one.address6, one.mac) for one in second.endpoints_of("one")] == [(one.address6, one.mac) for one in held]
    (other,) = await put(second, sandbox("two"), NetworkJoin("both"))
    assert IPv6Address(other.address6) in IPv6Network("fd05::/64")
    assert other.address6 != "fd05::77"
    await second.close(remove=True)
    ip("-6 route add fd05::/48 dev lo")
    third = await open_manager()
    with pytest.raises(Unavailable, match="another way to fd05::/64"):
        await put(third, sandbox("three"), NetworkJoin("both"))


async def test_a_bridge_is_found_by_the_name_it_was_given_also_after_a_restart(
    open_manager: OpenManager, sandbox: MakeSandbox
) -> None:
    first = await open_manager()
    await first.create_network(ADMINISTRATOR, NAMED)
    assert "10.7.0.1/24" in ip("addr show dev lab-bridge")
    for taken in ("lab-bridge", "lo", next(iter(device_names()))):
        options = {"com.docker.network.bridge.name": taken}
        with pytest.raises(Conflict, match="used by a device of this host"):
            await first.create_network(ADMINISTRATOR, NetworkRequest("more", options=options))
    await first.close(remove=True)
    second = await open_manager()
    await put(second, sandbox("box"), NetworkJoin("named"), tenant=ADMINISTRATOR)
    assert "10.7.0.1/24" in ip("addr show dev lab-bridge")


async def test_without_masquerading_packets_keep_their_addresses(manager: NetworkManager) -> None:
    await manager.create_network(ADMINISTRATOR, PLAIN)
    await manager.create_network(
        ADMINISTRATOR, replace(BOTH, options={"com.docker.network.bridge.enable_ip_masquerade": "false"})
    )
    masqueraded = [rules(f"list set inet atelier_{INSTANCE} {name}") for name in ("subnets", "subnets6")]
    assert "10.6.0.0/24" in masqueraded[0]
    assert "10.5.0.0/24" not in masqueraded[0]
    assert "fd05::" not in masqueraded[1]
    assert "10.5.0.0/24" in rules(f"list set inet atelier_{INSTANCE} sources")


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A host whose name servers are reached by the default route alone."""
    monkeypatch.setattr(surroundings, "nameserver_subnets", lambda: [IPv4Network("172.50.9.9/32")])
    monkeypatch.setattr(surroundings, "nameserver_subnets6", lambda: [IPv6Network("fd53::53/128")])
    yield


async def test_no_subnet_catches_the_hosts_name_servers(resolver: None, manager: NetworkManager) -> None:
    for owner in (ADA, ADMINISTRATOR):
        with pytest.raises(Forbidden, match="pool overlaps"):
            await manager.create_network(owner, NetworkRequest("mine", Ipam(IPv4Network("172.50.0.0/16"))))
        with pytest.raises(Forbidden, match="pool overlaps"):
            await manager.create_network(owner, NetworkRequest("mine", Ipam(subnet6=IPv6Network("fd53::/64")), has_ipv6=True))


async def test_a_tenants_subnet_does_not_catch_what_the_host_reaches_by_its_default_route_alone(manager: NetworkManager) -> None:
    ip("link add out type veth peer name far")
    ip("link set out up")
    ip("addr add 10.200.0.2/24 dev out")
    ip("-6 addr add fd77::2/64 dev out nodad")
    ip("route add default via 10.200.0.1")
    ip("-6 route add default via fd77::1")
    server = NetworkRequest("mine", Ipam(IPv4Network("10.77.0.0/16")))
    server6 = NetworkRequest("mine6", Ipam(subnet6=IPv6Network("fd77:0:0:5::/64")), has_ipv6=True)
    for request in (server, server6):
        with pytest.raises(Forbidden, match="may be in use around this host"):
            await manager.create_network(ADA, request)
        await manager.create_network(ADMINISTRATOR, request)  # who knows what is around
    await manager.create_network(ADA, NetworkRequest("free", Ipam(IPv4Network("172.50.0.0/16"))))


async def test_two_hundred_networks_and_a_container_on_each(open_manager: OpenManager, sandbox: MakeSandbox) -> None:
    manager = await open_manager()
    for number in range(200):
        await manager.create_network(Tenant("demo", f"m{number % 4}"), NetworkRequest(f"n{number}"))
    box = sandbox("box")
    await put(manager, box, *(NetworkJoin(f"n{number}") for number in range(0, 80, 4)), tenant=Tenant("demo", "m0"))
    assert len(manager.endpoints_of("box")) == 20
    assert len({network.subnet for network in manager.list_networks(ADMINISTRATOR)}) == 200
