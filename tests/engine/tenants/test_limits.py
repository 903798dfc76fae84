"""Limits of tenants: what may be asked for, and that it is kept."""

from pathlib import Path

import pytest

from engine.core.tenants import Tenant
from engine.errors import Fault, InvalidParameter
from engine.tenants.limits import LIMIT_NAMES, NO_LIMITS, TenantLimits, parse_tenant_limits
from engine.tenants.store import TenantStore

TEAM, ADA, BOB = Tenant("blue"), Tenant("blue", "ada"), Tenant("red", "bob")


def test_a_null_counts_as_absent() -> None:
    values: dict[str, object] = {"disk": 10**9, "io_read_bps": None, "cpus": None}
    assert parse_tenant_limits(values) == TenantLimits(disk=10**9)


@pytest.mark.parametrize("name", LIMIT_NAMES)
def test_each_limit_can_be_set(name: str) -> None:
    value = 4 if name == "cpus" else 2**23
    assert parse_tenant_limits({name: value}) == TenantLimits(**{name: value})


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("disks", 1, "unknown limit 'disks': use cpus, memory"),
        ("Disk", 10**9, "unknown limit 'Disk'"),
        ("disk", 1000, "invalid limit disk 1000: use 1048576 to"),
        ("disk", -1, "invalid limit disk -1"),
        ("disk", 2**60, "invalid limit disk"),
        ("disk", True, "invalid limit disk 'True': use a whole number, or null for no limit"),
        ("disk", "1g", "invalid limit disk '1g': use a whole number"),
        ("disk", 1e9, "use a whole number"),
        ("disk", [1], "use a whole number"),
        ("network_in_bps", 100, "invalid limit network_in_bps 100: use 4096 to"),
        ("network_out_bps", 0, "invalid limit network_out_bps 0"),
        ("network_out_bps", 2**41, "to 1099511627776"),
        ("io_read_bps", 0, "invalid limit io_read_bps 0: use 1 to"),
        ("io_write_iops", 2**32, "to 4294967295"),
        ("cpus", float("nan"), "invalid limit cpus nan: use 0.01 to"),
        ("cpus", "two", "use a number"),
        ("cpus", 0, "invalid limit cpus 0: use 0.01 to"),
        ("memory", 2**20, "invalid limit memory 1048576: use 6291456 to"),
        ("pids", 1.5, "invalid limit pids '1.5': use a whole number"),
    ],
)
def test_a_wrong_limit_is_named_with_its_value_and_the_way_out(name: str, value: object, words: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        parse_tenant_limits({name: value})
    assert words in caught.value.message


def test_limits_outlive_the_daemon_and_go_when_they_are_deleted(tmp_path: Path) -> None:
    store = TenantStore(tmp_path)
    store.set_limits(TEAM, TenantLimits(disk=10**9))
    store.set_limits(ADA, TenantLimits(io_read_bps=5))
    again = TenantStore(tmp_path)
    assert again.limited() == {TEAM: TenantLimits(disk=10**9), ADA: TenantLimits(io_read_bps=5)}
    assert again.limits(BOB) == NO_LIMITS
    again.delete_limits(TEAM)
    assert TenantStore(tmp_path).limited() == {ADA: TenantLimits(io_read_bps=5)}


def test_a_tenant_is_known_by_its_limits_or_its_containers_and_its_team_with_it(tmp_path: Path) -> None:
    store = TenantStore(tmp_path)
    store.id_mappings(BOB)
    store.set_limits(ADA, TenantLimits(disk=10**9))
    assert store.names() == [TEAM, ADA, Tenant("red"), BOB]


def test_damaged_limits_stop_the_engine_rather_than_be_none(tmp_path: Path) -> None:
    (tmp_path / "limits.json").write_text("{")
    with pytest.raises(Fault, match="restore it from a backup"):
        TenantStore(tmp_path)
