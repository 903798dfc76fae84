"""The rules are accepted by nftables, and elements come and go one by one."""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Network

import pytest

from engine.linux.nftables import Nftables
from engine.network import ruleset
from engine.network.firewall import Firewall
from engine.network.zones import Zone

pytestmark = pytest.mark.requires_root

INSTANCE = "5a5a5a"
SUBNET = IPv4Network("172.30.1.0/24")
ZONE = Zone(SUBNET)
GUARD = ruleset.Guard(IPv4Address("172.30.1.2"), "02:42:ac:1e:01:02")


@pytest.fixture
def nftables(host: None) -> Iterator[Nftables]:
    context = Nftables()
    yield context
    context.close()


@pytest.fixture
def firewall(host: None) -> Iterator[Firewall]:
    made = Firewall(INSTANCE)
    yield made
    made.close()


def test_tables_are_replaced_not_added_to(nftables: Nftables) -> None:
    for text in (ruleset.routed_table(INSTANCE, [ZONE]), ruleset.bridged_table(INSTANCE, [GUARD])):
        nftables.run(text)
        once = nftables.run("list ruleset")
        nftables.run(text)
        assert nftables.run("list ruleset") == once


def test_an_element_that_comes_and_goes_leaves_the_tables_as_they_were(
    firewall: Firewall, nftables: Nftables, caplog: pytest.LogCaptureFixture
) -> None:
    firewall.install([], [])
    before = nftables.run("list ruleset")
    firewall.add_network(ZONE)
    firewall.add_lease(GUARD)
    shown = nftables.run("list ruleset")
    assert "172.30.1.0/24" in shown
    assert '"v5a5a5aac1e0102" . 02:42:ac:1e:01:02 . 172.30.1.2' in shown
    firewall.remove_network(ZONE)
    firewall.remove_lease(GUARD)
    assert nftables.run("list ruleset") == before
    assert caplog.text == ""


def test_an_element_whose_table_is_gone_brings_the_tables_back(
    firewall: Firewall, nftables: Nftables, caplog: pytest.LogCaptureFixture
) -> None:
    firewall.install([ZONE], [GUARD])
    whole = sorted(nftables.run("list ruleset").splitlines())
    nftables.run("flush ruleset")
    firewall.add_lease(GUARD)
    assert sorted(nftables.run("list ruleset").splitlines()) == whole
    assert "No such file or directory" in caplog.text


def test_elements_added_one_by_one_equal_elements_there_from_the_start(firewall: Firewall, nftables: Nftables) -> None:
    firewall.install([ZONE], [GUARD])
    whole = nftables.run("list ruleset")
    firewall.install([], [])
    firewall.add_network(ZONE)
    firewall.add_network(ZONE)
    firewall.add_lease(GUARD)
    assert nftables.run("list ruleset") == whole


@pytest.mark.parametrize("harm", ["flush ruleset", "delete table inet atelier_5a5a5a", "delete table bridge atelier_5a5a5a"])
def test_tables_that_somebody_removed_come_back_whole(
    firewall: Firewall, nftables: Nftables, caplog: pytest.LogCaptureFixture, harm: str
) -> None:
    firewall.install([ZONE], [GUARD])
    whole = sorted(nftables.run("list ruleset").splitlines())
    nftables.run(harm)
    firewall.restore()
    assert sorted(nftables.run("list ruleset").splitlines()) == whole
    assert "removed by another program" in caplog.text
    nftables.run(harm)
    firewall.remove_lease(GUARD)
    firewall.add_lease(GUARD)
    firewall.restore()
    assert sorted(nftables.run("list ruleset").splitlines()) == whole


def test_removal_takes_both_tables_and_only_them(firewall: Firewall, nftables: Nftables) -> None:
    nftables.run("add table inet other")
    firewall.install([ZONE], [GUARD])
    firewall.remove()
    firewall.remove()
    assert nftables.run("list tables") == "table inet other\n"


KINDS_OF_ZONES = {
    "with a way out": [ZONE],
    "inward": [ZONE._replace(inward=True)],
    "quiet": [ZONE._replace(quiet=True)],
    "under its own addresses": [ZONE._replace(bare=True)],
    "with IPv6": [ZONE._replace(subnet6=IPv6Network("fd00:5a::/64"))],
    "inward with IPv6": [ZONE._replace(inward=True, subnet6=IPv6Network("fd00:5a::/64"))],
    "side by side": [ZONE, Zone(IPv4Network("172.30.2.0/24")), Zone(IPv4Network("172.30.3.0/25"))],
}


@pytest.mark.parametrize("kind", KINDS_OF_ZONES)
def test_a_network_that_comes_alone_is_as_one_of_the_table_and_leaves_nothing(
    firewall: Firewall, nftables: Nftables, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    zones = KINDS_OF_ZONES[kind]
    firewall.install(zones, [])
    whole = nftables.run("list ruleset")
    firewall.install([], [])
    empty = nftables.run("list ruleset")
    for zone in zones:
        firewall.add_network(zone)
    assert nftables.run("list ruleset") == whole != empty
    for zone in zones:
        firewall.remove_network(zone)
    assert nftables.run("list ruleset") == empty
    assert caplog.text == ""
