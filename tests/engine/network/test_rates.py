"""The arithmetic of rates: whose hold for whom, bursts and queues; and the counters of the host's devices."""

import pytest

from engine.core.tenants import ADMINISTRATOR, Tenant
from engine.network.rates import UNLIMITED_BPS, Rates, ceiling, path_of, queue_bytes, tenants_around
from engine.network.traffic_counts import Traffic, parse_devices

TEAM, ADA = Tenant("demo"), Tenant("demo", "ada")


@pytest.mark.parametrize(
    ("tenant", "path", "around"),
    [(ADA, ("demo", "ada", "c"), [TEAM, ADA]), (TEAM, ("demo", "c"), [TEAM]), (ADMINISTRATOR, ("c",), [])],
    ids=["member", "team", "administrators"],
)
def test_a_container_lies_inside_its_member_and_team(tenant: Tenant, path: tuple[str, ...], around: list[Tenant]) -> None:
    assert path_of(tenant, "c") == path
    assert tenants_around(tenant) == around


@pytest.mark.parametrize(("bps", "burst_bytes"), [(4096, 131_072), (10**6, 131_072), (125 * 10**6, 1_250_000), (None, 2**20)])
def test_a_burst_is_10_ms_and_at_least_two_large_packets(bps: int | None, burst_bytes: int) -> None:
    assert ceiling(bps) == (UNLIMITED_BPS if bps is None else bps, burst_bytes)


@pytest.mark.parametrize(
    ("chain", "expected"),
    [([None, None], 4 * 2**20), ([None, 10**6], 200_000), ([4096, 10**9], 131_072), ([10**9], 4 * 2**20)],
)
def test_a_fifth_of_a_second_may_wait_within_bounds(chain: list[int | None], expected: int) -> None:
    assert queue_bytes(chain) == expected


def test_rates_of_one_direction_are_limits_too() -> None:
    assert [rates.is_limited for rates in (Rates(), Rates(in_bps=1), Rates(out_bps=1))] == [False, True, True]


def test_what_the_hosts_end_receives_is_what_the_container_sends() -> None:
    text = "Inter-|   Receive |  Transmit\n face |bytes |bytes\n  v5a: 11 2 0 0 0 0 0 0 33 4 0 0 0 0 0 0\n"
    assert parse_devices(text) == {"v5a": Traffic(in_bytes=33, out_bytes=11)}
