"""Subnets, addresses and hardware addresses are chosen without overlap, and every one of a range gets its turn."""

from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.addresses import Pool, choose_address, choose_subnet, gateway_of, mac_address
from engine.errors import Unavailable

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
