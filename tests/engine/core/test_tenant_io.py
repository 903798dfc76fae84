"""Limits of tenants on input and output, as the writes of both versions of cgroups."""

import pytest

from engine.core.limits import CgroupLayout, DeviceValue, Limits
from engine.core.tenant_io import NO_IO_RATES, IoRates, Sharer, own_rates, plan_tenant_io
from engine.core.tenants import Tenant

TEAM, ADA, BOB = Tenant("demo"), Tenant("demo", "ada"), Tenant("demo", "bob")
V1 = CgroupLayout(1, {"blkio": "/b"}, "/u")
V2 = CgroupLayout(2, {}, "/u")
DEVICE, ROOT = "7:0", "atelier-1"


def sharer(name: str, tenant: Tenant, own: IoRates = NO_IO_RATES) -> Sharer:
    return Sharer((ROOT, name), tenant, own)


def test_version_2_holds_sums_by_itself() -> None:
    tenants = {TEAM: IoRates(write_bps=100, read_iops=5), ADA: NO_IO_RATES}
    writes = plan_tenant_io(V2, ROOT, DEVICE, tenants, [sharer("c-1", ADA)])
    assert [(write["path"], write["value"]) for write in writes] == [
        ("/u/atelier-1/t-demo/io.max", "7:0 rbps=max wbps=100 riops=5 wiops=max"),
        ("/u/atelier-1/t-demo/m-ada/io.max", "7:0 rbps=max wbps=max riops=max wiops=max"),
    ]


@pytest.mark.parametrize(
    ("tenants", "sharers", "shares"),
    [
        ({TEAM: IoRates(write_bps=100)}, [sharer("c-1", ADA)], [100]),
        ({TEAM: IoRates(write_bps=100)}, [sharer("c-1", ADA), sharer("c-2", BOB)], [50, 50]),
        ({TEAM: IoRates(write_bps=90), ADA: IoRates(write_bps=40)}, [sharer("c-1", ADA), sharer("c-2", BOB)], [40, 45]),
        ({ADA: IoRates(write_bps=40)}, [sharer("c-1", ADA), sharer("c-2", ADA), sharer("c-3", BOB)], [20, 20, 0]),
        ({TEAM: IoRates(write_bps=100)}, [sharer("c-1", ADA, IoRates(write_bps=7))], [7]),
        ({TEAM: NO_IO_RATES}, [sharer("c-1", ADA, IoRates(write_bps=7)), sharer("c-2", ADA)], [7, 0]),
        ({TEAM: IoRates(write_bps=1)}, [sharer("c-1", ADA), sharer("c-2", ADA)], [1, 1]),
        ({}, [], []),
    ],
    ids=["one", "two members", "member below team", "not another member's", "own limit", "lifted", "never nothing", "nobody"],
)
def test_version_1_gives_each_running_container_its_part(
    tenants: dict[Tenant, IoRates], sharers: list[Sharer], shares: list[int]
) -> None:
    """0 takes a limit away."""
    writes = plan_tenant_io(V1, ROOT, DEVICE, tenants, sharers)
    written = [write["value"] for write in writes if "write_bps" in write["path"]]
    assert written == [f"7:0 {share}" for share in shares]
    assert len(writes) == 4 * len(sharers)


def test_the_parts_never_sum_to_more_than_the_whole() -> None:
    for count in range(1, 50):
        writes = plan_tenant_io(V1, ROOT, DEVICE, {TEAM: IoRates(1000)}, [sharer(f"c-{one}", ADA) for one in range(count)])
        assert sum(int(write["value"].split()[1]) for write in writes if "read_bps" in write["path"]) <= 1000


def test_own_limits_are_those_of_the_same_device() -> None:
    limits = Limits(
        read_bps=(DeviceValue("/dev/sda", 5, "8:0"), DeviceValue("/dev/loop0", 6, "7:0")),
        write_iops=(DeviceValue("/dev/sda", 9, "8:0"),),
    )
    assert own_rates(limits, DEVICE) == IoRates(read_bps=6)


def test_a_host_without_the_controller_has_nothing_to_write() -> None:
    assert plan_tenant_io(CgroupLayout(1, {}, "/u"), ROOT, DEVICE, {TEAM: IoRates(1)}, [sharer("c-1", ADA)]) == []
