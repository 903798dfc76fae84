"""Subnets, addresses and hardware addresses are chosen without overlap, and every one of a range gets its turn."""

from ipaddress import IPv4Address, IPv4Network, IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.addresses import (
    DEFAULT_POOLS,
    Pool,
    choose_address,
    choose_address6,
    choose_subnet,
    choose_subnet6,
    default_pool6,
    gateway_of,
    mac_address,
    parse_mac,
    parse_pool,
)
from engine.errors import InvalidParameter, Unavailable

POOL = Pool(IPv4Network("172.30.0.0/15"), 24)
SUBNET = IPv4Network("10.1.2.0/28")
SUBNETS = st.builds(
    lambda address, prefix: IPv4Network((address, prefix), strict=False),
    st.integers(int(IPv4Address("172.29.0.0")), int(IPv4Address("172.32.255.255"))),
    st.integers(8, 32),
)


@pytest.mark.parametrize(
    ("taken", "expected"),
    [
        pytest.param([], "172.30.0.0/24", id="an empty host gives the lowest"),
        pytest.param(["172.30.0.0/24"], "172.30.1.0/24", id="the next after one of ours"),
        pytest.param(["172.30.0.77/32"], "172.30.1.0/24", id="one single address blocks its subnet"),
        pytest.param(["172.30.1.0/24"], "172.30.0.0/24", id="a hole before a taken one is used"),
        pytest.param(["172.30.0.0/16"], "172.31.0.0/24", id="a larger route is stepped over"),
        pytest.param(["172.30.0.0/16", "172.30.5.0/24"], "172.31.0.0/24", id="a route inside a larger one"),
        pytest.param(["192.168.0.0/16", "10.0.0.0/8"], "172.30.0.0/24", id="routes elsewhere do not matter"),
    ],
)
def test_the_lowest_free_subnet_is_chosen(taken: list[str], expected: str) -> None:
    assert choose_subnet([POOL], [IPv4Network(text) for text in taken]) == IPv4Network(expected)


def test_the_second_pool_is_used_when_the_first_is_full() -> None:
    pools = [Pool(IPv4Network("10.5.0.0/24"), 25), Pool(IPv4Network("10.9.0.0/24"), 26)]
    assert choose_subnet(pools, [IPv4Network("10.5.0.0/16")]) == IPv4Network("10.9.0.0/26")


def test_used_up_pools_are_named() -> None:
    with pytest.raises(Unavailable, match=r"no free subnet in 172\.30\.0\.0/15"):
        choose_subnet([POOL], [IPv4Network("172.16.0.0/12")])


@given(st.lists(SUBNETS, max_size=30))
def test_a_chosen_subnet_never_overlaps_and_none_is_overlooked(taken: list[IPv4Network]) -> None:
    free = [subnet for subnet in POOL.network.subnets(new_prefix=24) if not any(subnet.overlaps(other) for other in taken)]
    if free:
        assert choose_subnet([POOL], taken) == free[0]
    else:
        with pytest.raises(Unavailable):
            choose_subnet([POOL], taken)


@given(st.sets(st.integers(2, 14)), st.none() | st.integers(0, 40))
def test_a_chosen_address_is_free_and_not_network_gateway_or_broadcast(held: set[int], last: int | None) -> None:
    taken = {SUBNET.network_address + offset for offset in held}
    after = None if last is None else SUBNET.network_address + last
    if len(held) == 13:
        with pytest.raises(Unavailable):
            choose_address(SUBNET, taken, after)
        return
    chosen = choose_address(SUBNET, taken, after)
    assert chosen in SUBNET
    assert chosen not in taken | {SUBNET.network_address, gateway_of(SUBNET), SUBNET.broadcast_address}


def test_an_address_given_back_is_the_last_to_be_given_again() -> None:
    chosen: list[IPv4Address] = []
    for _ in range(13):
        chosen.append(choose_address(SUBNET, (), chosen[-1] if chosen else None))
    assert chosen == [SUBNET.network_address + offset for offset in range(2, 15)]
    assert choose_address(SUBNET, (), chosen[-1]) == chosen[0]


def test_the_hardware_address_is_a_local_one_that_ends_in_the_address() -> None:
    assert mac_address(IPv4Address("172.30.1.2")) == "02:42:ac:1e:01:02"


@pytest.mark.parametrize(
    ("text", "pool"),
    [
        ("10.80.0.0/16:24", Pool(IPv4Network("10.80.0.0/16"), 24)),
        ("192.168.4.0/24:24", Pool(IPv4Network("192.168.4.0/24"), 24)),
        ("fd12:3456::/48:64", Pool(IPv6Network("fd12:3456::/48"), 64)),
    ],
)
def test_pools_are_read_with_the_size_of_their_subnets(text: str, pool: Pool) -> None:
    assert parse_pool(text) == pool


@pytest.mark.parametrize(
    "text",
    [
        "",
        "10.80.0.0/16",
        "10.80.0.0/16:",
        "10.80.0.0/16:8",
        "10.80.0.0/16:31",
        "10.80.0.1/16:24",
        "8.8.0.0/16:24",
        "240.0.0.0/16:24",
        "0.0.0.0/8:24",
        "2001:db8::/48:64",
        "10.0.0.0/7:24",
        "fd00::/8:64",
        "127.0.0.0/8:24",
        "10.80.0.0/16:-1",
        "fd12::/48:120",
        "169.254.0.0/16:24",
        "10.80.0.0/16:٢٤",
    ],
)
def test_a_pool_that_could_give_no_subnets_is_refused(text: str) -> None:
    with pytest.raises(InvalidParameter, match="invalid address pool"):
        parse_pool(text)


def test_subnets_of_ipv6_come_from_a_range_that_is_the_engines_own() -> None:
    pool = default_pool6("5a5a5a")
    assert pool == default_pool6("5a5a5a") != default_pool6("5a5a5b")
    assert pool.network[0] in IPv6Network("fd00::/8")
    first = choose_subnet6([*DEFAULT_POOLS, pool], [])
    assert (first.prefixlen, first.network_address) == (64, pool.network.network_address)
    assert choose_subnet6([pool], [first]) == IPv6Network((int(first.network_address) + 2**64, 64))
    with pytest.raises(Unavailable, match="IPv6"):
        choose_subnet6(DEFAULT_POOLS, [])


def test_the_default_pools_hold_a_thousand_networks_the_second_following_the_first() -> None:
    assert sum(2 ** (pool.prefix - pool.network.prefixlen) for pool in DEFAULT_POOLS) == 1024
    taken = [IPv4Network("172.30.0.0/15")]
    assert choose_subnet(DEFAULT_POOLS, taken) == IPv4Network("172.28.0.0/24")
    taken.append(IPv4Network("172.28.0.0/15"))
    with pytest.raises(Unavailable, match=r"172\.30\.0\.0/15, 172\.28\.0\.0/15"):
        choose_subnet(DEFAULT_POOLS, taken)


def test_addresses_of_ipv6_go_round_and_leave_out_what_is_held() -> None:
    subnet = IPv6Network("fd00:7::/64")
    assert choose_address6(subnet, set(), None, reserved={subnet[1]}) == subnet[2]
    assert choose_address6(subnet, {subnet[3]}, subnet[2], reserved={subnet[1]}) == subnet[4]
    small = IPv6Network("fd00:7::f0/126")
    assert choose_address6(subnet, {small[0]}, small[3], reserved=(), within=small) == small[1]
    with pytest.raises(Unavailable, match="no free address in fd00:7::f0/126"):
        choose_address6(subnet, set(small), None, reserved=(), within=small)


@pytest.mark.parametrize(
    ("text", "mac"),
    [
        ("02:42:AC:1E:00:02", "02:42:ac:1e:00:02"),
        ("02-42-ac-1e-00-02", "02:42:ac:1e:00:02"),
        ("00:11:22:33:44:55", "00:11:22:33:44:55"),
    ],
)
def test_hardware_addresses_are_read_in_one_form(text: str, mac: str) -> None:
    assert parse_mac(text) == mac


@pytest.mark.parametrize(
    "text",
    [
        "",
        "02:42",
        "02:42:ac:1e:00:02:03",
        "0242ac1e0002",
        "zz:42:ac:1e:00:02",
        "02:42-ac:1e:00:02",
        "02:42:ac:1e:00:02\n",
        "01:00:5e:00:00:01",
        "ff:ff:ff:ff:ff:ff",
        "00:00:00:00:00:00",
    ],
)
def test_a_hardware_address_that_is_no_single_devices_is_refused(text: str) -> None:
    with pytest.raises(InvalidParameter, match="invalid MAC address"):
        parse_mac(text)
