"""The ledger and its records: what is held survives the daemon, and a spoiled record stops nothing."""

import json
import logging
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path

import pytest

from engine.core.addresses import Pool, mac_address
from engine.core.networks import Ipam, NetworkJoin, NetworkRequest
from engine.core.tenants import Tenant
from engine.errors import Forbidden, InvalidParameter, Unavailable
from engine.network.ledger import Ledger
from engine.network.members import MOST_MEMBERS
from engine.network.model import Lease, Network
from engine.network.records import Records

ADA = Tenant("demo", "ada")
POOLS = [Pool(IPv4Network("10.77.0.0/24"), 28)]


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(Records(tmp_path), POOLS)


def lease(ledger: Ledger, network: Network, container_id: str) -> Lease:
    return ledger.add_lease(network, container_id=container_id, hostname="web", aliases=["www"], avoid=())


def test_networks_and_leases_are_found_again(ledger: Ledger, tmp_path: Path) -> None:
    network = ledger.add_network(ADA, [])
    held = lease(ledger, network, "c1")
    again = Ledger(Records(tmp_path), POOLS)
    assert again.networks == {network.network_id: network}
    assert again.leases == {"c1": (held,)}
    assert again.default_network(ADA) == network
    assert again.default_network(Tenant("demo")) is None


def test_what_was_given_back_is_not_found_again(ledger: Ledger, tmp_path: Path) -> None:
    network = ledger.add_network(ADA, [])
    lease(ledger, network, "c1")
    ledger.remove_leases("c1")
    assert ledger.remove_leases("c1") == ()
    assert Ledger(Records(tmp_path), POOLS).leases == {}
    ledger.remove_network(network)
    assert Ledger(Records(tmp_path), POOLS).networks == {}
    assert list(tmp_path.iterdir()) == []


def test_subnets_do_not_overlap_each_other_or_what_is_taken(ledger: Ledger) -> None:
    taken = [IPv4Network("10.77.0.16/28")]
    subnets = [ledger.add_network(Tenant("demo", name), taken).subnet for name in ("ada", "bob")]
    assert subnets == [IPv4Network("10.77.0.0/28"), IPv4Network("10.77.0.32/28")]


def test_addresses_go_round_and_pass_over_those_to_be_avoided(ledger: Ledger) -> None:
    network = ledger.add_network(ADA, [])
    first = lease(ledger, network, "c1")
    ledger.remove_leases("c1")
    avoid = [first.address + 1]
    second = ledger.add_lease(network, container_id="c2", hostname="", aliases=(), avoid=avoid)
    assert (first.address, second.address) == (IPv4Address("10.77.0.2"), IPv4Address("10.77.0.4"))


def test_a_network_is_idle_until_somebody_holds_an_address(ledger: Ledger) -> None:
    first, second = ledger.add_network(ADA, []), ledger.add_network(Tenant("demo", "bob"), [])
    lease(ledger, first, "c1")
    assert ledger.idle_networks() == [second]


@pytest.mark.parametrize("spoiled", [b"", b"{", b"[]", b'{"container_id": 5}', b"\xff\xfe"])
def test_a_record_that_cannot_be_read_is_set_aside_with_a_message(
    ledger: Ledger, tmp_path: Path, caplog: pytest.LogCaptureFixture, spoiled: bytes
) -> None:
    network = ledger.add_network(ADA, [])
    lease(ledger, network, "c1")
    kept = lease(ledger, network, "c2")
    path = tmp_path / network.network_id / "c1.lease"
    path.write_bytes(spoiled)
    with caplog.at_level(logging.WARNING):
        again = Ledger(Records(tmp_path), POOLS)
    assert again.leases == {"c2": (kept,)}
    assert "c1.lease cannot be read" in caplog.text
    assert path.with_name("c1.lease.unreadable").read_bytes() == spoiled


def test_a_spoiled_network_takes_only_itself_along(ledger: Ledger, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    bad, good = ledger.add_network(ADA, []), ledger.add_network(Tenant("demo", "bob"), [])
    (tmp_path / bad.network_id / "network.json").write_text('{"network_id": "other"}')
    again = Ledger(Records(tmp_path), POOLS)
    assert list(again.networks.values()) == [good]
    assert "it is set aside" in caplog.text


BOTH = NetworkRequest("both", Ipam(IPv4Network("10.5.0.0/16"), subnet6=IPv6Network("fd00:5::/64")), has_ipv6=True)


def wanted(ledger: Ledger, network: Network, container_id: str, **asked: str) -> Lease:
    join = NetworkJoin(network.name, **asked)  # type: ignore[arg-type]  # texts all of them
    return ledger.add_lease(network, container_id=container_id, hostname="web", aliases=["www"], avoid=(), wanted=join)


def test_addresses_of_both_kinds_and_hardware_addresses_are_found_again(ledger: Ledger, tmp_path: Path) -> None:
    network = ledger.add_network(ADA, [], BOTH)
    first = wanted(ledger, network, "c1", address6="fd00:5::77", mac="02:42:99:00:00:01")
    second = wanted(ledger, network, "c2")
    assert (first.address6, first.mac) == (IPv6Address("fd00:5::77"), "02:42:99:00:00:01")
    assert (second.address6, second.mac) == (IPv6Address("fd00:5::2"), mac_address(second.address))
    again = Ledger(Records(tmp_path), POOLS)
    assert (again.networks, again.leases) == (ledger.networks, ledger.leases)
    with pytest.raises(Forbidden, match="address already in use: fd00:5::77"):
        wanted(again, network, "c3", address6="fd00:5::77")


def test_records_from_before_there_was_ipv6_are_read(ledger: Ledger, tmp_path: Path) -> None:
    network = ledger.add_network(ADA, [])
    held = lease(ledger, network, "c1")
    for path in (tmp_path / network.network_id).iterdir():
        old = {name: value for name, value in json.loads(path.read_text()).items() if "6" not in name and name != "mac"}
        path.write_text(json.dumps(old))
    again = Ledger(Records(tmp_path), POOLS)
    assert again.networks == {network.network_id: network}
    assert again.leases["c1"] == (held,)
    assert again.leases["c1"][0].mac == mac_address(held.address)


def test_a_hardware_address_is_had_by_one_container_of_a_network_only(ledger: Ledger) -> None:
    network = ledger.add_network(ADA, [], BOTH)
    neighbour = wanted(ledger, network, "c1")
    mine = wanted(ledger, network, "c2", mac="02:42:99:00:00:01")
    for taken in (neighbour.mac, mine.mac, mac_address(network.gateway)):
        with pytest.raises(Forbidden, match="MAC address already in use"):
            wanted(ledger, network, "c3", mac=taken)
    other = ledger.add_network(ADA, [], NetworkRequest("other"))
    assert wanted(ledger, other, "c3", mac=mine.mac).mac == mine.mac
    ledger.remove_leases("c2")
    assert wanted(ledger, network, "c4", mac=mine.mac).mac == mine.mac


def test_an_address_whose_hardware_address_somebody_has_asked_for_is_passed_over(ledger: Ledger) -> None:
    network = ledger.add_network(ADA, [], BOTH)
    wanted(ledger, network, "c1", address="10.5.9.9", mac=mac_address(IPv4Address("10.5.0.2")))
    assert wanted(ledger, network, "c2").address == IPv4Address("10.5.0.3")
    with pytest.raises(Forbidden, match="MAC address already in use"):
        wanted(ledger, network, "c3", address="10.5.0.2")


@pytest.mark.parametrize("address", ["fd00:6::1", "fd00:5::", "fd00:5:0:1::1"])
def test_an_address_of_ipv6_outside_the_network_is_refused(ledger: Ledger, address: str) -> None:
    network = ledger.add_network(ADA, [], BOTH)
    with pytest.raises(InvalidParameter, match="out of range"):
        wanted(ledger, network, "c1", address6=address)
    with pytest.raises(Forbidden, match="already in use"):
        wanted(ledger, network, "c1", address6="fd00:5::1")  # the gateway's
    plain = ledger.add_network(ADA, [], NetworkRequest("plain"))
    with pytest.raises(InvalidParameter, match="has no IPv6"):
        wanted(ledger, plain, "c1", address6="fd00:5::9")


def test_a_network_holds_as_many_containers_as_a_bridge_has_ports(ledger: Ledger) -> None:
    network = ledger.add_network(ADA, [], BOTH)
    for number in range(MOST_MEMBERS):
        wanted(ledger, network, f"c{number}")
    with pytest.raises(Unavailable, match="network both is full"):
        wanted(ledger, network, "more")
    ledger.remove_leases("c7")
    assert wanted(ledger, network, "more").address not in {IPv4Address("10.5.0.9"), network.gateway}
