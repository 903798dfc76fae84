"""Sums of input and output: they only grow, though a cgroup begins anew with the next container."""

from engine.core.tenants import Tenant
from engine.tenants.io_counts import IoCounts, IoUsage

ADA = Tenant("blue", "ada")


def test_what_a_cgroup_had_counted_before_it_went_stays_in_the_sum() -> None:
    counts = IoCounts()
    looks = [IoUsage(10, 20, 1, 2), IoUsage(15, 20, 2, 2), IoUsage(), IoUsage(3, 0, 1, 0)]
    assert [counts.total(ADA, now).read_bytes for now in looks] == [10, 15, 15, 18]
    assert counts.total(Tenant("blue"), IoUsage(7)) == IoUsage(7)
