"""The ledger and its records: what is held survives the daemon, and a spoiled record stops nothing."""

import logging
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from engine.core.addresses import Pool
from engine.core.tenants import Tenant
from engine.network.ledger import Ledger
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
