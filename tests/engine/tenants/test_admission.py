"""Who may have more: by the quotas of a member and of its team, from many threads at once."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from engine.core.tenants import ADMINISTRATOR, Tenant
from engine.errors import QuotaExceeded
from engine.tenants.admission import Admission
from engine.tenants.limits import TenantLimits
from engine.tenants.store import TenantStore

TEAM, ADA, BOB = Tenant("demo"), Tenant("demo", "ada"), Tenant("demo", "bob")


@pytest.fixture
def store(tmp_path: Path) -> TenantStore:
    return TenantStore(tmp_path)


def using(**used: int) -> Callable[[Tenant], float]:
    """Uses by the last part of a tenant's name."""
    return lambda tenant: used[tenant.member or tenant.team]


@pytest.mark.parametrize(
    ("member_limit", "team_limit", "used", "refused_by"),
    [
        (None, None, {"ada": 100, "demo": 100}, None),
        (2, None, {"ada": 1, "demo": 50}, None),
        (2, None, {"ada": 2, "demo": 2}, ADA),
        (None, 5, {"ada": 1, "demo": 4}, None),
        (None, 5, {"ada": 1, "demo": 5}, TEAM),
        (2, 5, {"ada": 2, "demo": 5}, ADA),
        (9, 5, {"ada": 1, "demo": 5}, TEAM),
        (0, None, {"ada": 0, "demo": 0}, ADA),
        (None, 3, {"ada": 1, "demo": 7}, TEAM),
    ],
)
def test_the_members_quota_and_the_teams_count_both_and_the_members_is_named_first(
    store: TenantStore, member_limit: int | None, team_limit: int | None, used: dict[str, int], refused_by: Tenant | None
) -> None:
    store.set_limits(ADA, TenantLimits(containers=member_limit))
    store.set_limits(TEAM, TenantLimits(containers=team_limit))
    admission = Admission(store)
    if refused_by is None:
        admission.admit(ADA, "containers", requested=1, used=using(**used))
        return
    with pytest.raises(QuotaExceeded) as caught:
        admission.admit(ADA, "containers", requested=1, used=using(**used))
    assert caught.value.tenant == refused_by.name
    assert caught.value.figures == {
        "resource": "containers",
        "limit": store.limits(refused_by).containers,
        "used": used[refused_by.member or refused_by.team],
        "requested": 1,
        "tenant": refused_by.name,
    }


def test_who_takes_nothing_more_is_let_in_also_where_there_is_too_much(store: TenantStore) -> None:
    store.set_limits(TEAM, TenantLimits(images=1))
    admission = Admission(store)
    admission.admit(ADA, "images", requested=0, used=lambda _: 5)
    admission.admit(ADA, "images", requested=lambda _: 0, used=lambda _: 5)


def test_what_is_asked_for_may_be_less_for_the_team_than_for_the_member(store: TenantStore) -> None:
    store.set_limits(ADA, TenantLimits(image_bytes=100))
    store.set_limits(TEAM, TenantLimits(image_bytes=100))
    asked = {ADA: 60, TEAM: 0}
    Admission(store).admit(ADA, "image_bytes", requested=asked.__getitem__, used=using(ada=0, demo=90))
    with pytest.raises(QuotaExceeded, match="of team demo"):
        Admission(store).admit(ADA, "image_bytes", requested=60, used=using(ada=0, demo=90))


def test_nobody_counts_for_administrators_or_where_there_is_no_quota(store: TenantStore) -> None:
    def used(_: Tenant) -> float:
        raise AssertionError("asked for nothing")

    store.set_limits(BOB, TenantLimits(containers=1))
    Admission(store).admit(ADMINISTRATOR, "containers", requested=1, used=used)
    Admission(store).admit(ADA, "containers", requested=1, used=used)


def test_a_change_of_the_limits_counts_from_the_next_question_on(store: TenantStore) -> None:
    admission = Admission(store)
    store.set_limits(TEAM, TenantLimits(running=1))
    with pytest.raises(QuotaExceeded):
        admission.admit(ADA, "running", requested=1, used=lambda _: 1)
    store.set_limits(TEAM, TenantLimits(running=2))
    admission.admit(ADA, "running", requested=1, used=lambda _: 1)


def test_a_size_is_held_against_the_smaller_of_both_quotas(store: TenantStore) -> None:
    store.set_limits(ADA, TenantLimits(memory=4 << 30))
    store.set_limits(TEAM, TenantLimits(memory=2 << 30, cpus=1.5))
    admission = Admission(store)
    admission.check_size(ADA, "memory", 2 << 30)
    admission.check_size(ADA, "cpus", 1.5)
    with pytest.raises(QuotaExceeded, match="of team demo: 3 GiB needed, 2 GiB is all there is"):
        admission.check_size(ADA, "memory", 3 << 30)
    with pytest.raises(QuotaExceeded, match="of demo/ada: 5 GiB needed, 4 GiB is all"):
        admission.check_size(ADA, "memory", 5 << 30)


def test_a_refusal_names_what_the_refused_one_has(store: TenantStore) -> None:
    store.set_limits(TEAM, TenantLimits(memory=4 << 30))
    asked: list[tuple[Tenant, str]] = []

    def names(tenant: Tenant, resource: str) -> list[str]:
        asked.append((tenant, resource))
        return ["web", "db"]

    with pytest.raises(QuotaExceeded, match=r"stop one of web, db, choose a smaller size, or ask for more$"):
        Admission(store, names=names).admit(ADA, "memory", requested=1 << 30, used=lambda _: 4 << 30)
    assert asked == [(ADA, "memory")]


def test_refusals_count_for_the_member_and_for_its_team(store: TenantStore) -> None:
    store.set_limits(TEAM, TenantLimits(running=0, memory=10))
    admission = Admission(store)
    for tenant, resource in ((ADA, "running"), (ADA, "memory"), (BOB, "running"), (TEAM, "running")):
        with pytest.raises(QuotaExceeded):
            admission.admit(tenant, resource, requested=100, used=lambda _: 0)
    with pytest.raises(QuotaExceeded):
        admission.check_size(BOB, "memory", 11)
    admission.note_refusal(ADMINISTRATOR, refusal_of_disk("administrators"))
    assert admission.refusals(TEAM) == {"running": 3, "memory": 2}
    assert admission.refusals(ADA) == {"running": 1, "memory": 1}
    assert admission.refusals(BOB) == {"running": 1, "memory": 1}
    assert admission.refusals(ADMINISTRATOR) == {}


def refusal_of_disk(tenant: str) -> QuotaExceeded:
    return QuotaExceeded("full", resource="disk", limit=7, used=7, requested=0, tenant=tenant)


def test_the_last_refusal_is_told_of_who_met_it_and_not_of_its_team(store: TenantStore) -> None:
    store.set_limits(TEAM, TenantLimits(running=3))
    admission = Admission(store)
    assert admission.last_refusal(ADA) is None
    with pytest.raises(QuotaExceeded) as told:
        admission.admit(ADA, "running", requested=1, used=lambda _: 3)
    expected = {"resource": "running", "limit": 3, "used": 3, "requested": 1, "tenant": "demo"}
    assert admission.last_refusal(ADA) == told.value.figures == expected
    admission.note_refusal(ADA, refusal_of_disk("demo/ada"))
    assert admission.last_refusal(ADA) == refusal_of_disk("demo/ada").figures
    assert (admission.last_refusal(TEAM), admission.last_refusal(BOB)) == (None, None)
    admission.note_refusal(ADMINISTRATOR, refusal_of_disk("administrators"))
    assert admission.last_refusal(ADMINISTRATOR) is None


def test_of_many_threads_as_many_are_let_in_as_fit(store: TenantStore) -> None:
    store.set_limits(TEAM, TenantLimits(volumes=10))
    store.set_limits(ADA, TenantLimits(volumes=7))
    admission, lock, taken = Admission(store), threading.Lock(), list[Tenant]()

    def take(number: int) -> bool:
        tenant = ADA if number % 2 else BOB
        with lock:
            try:
                admission.admit(tenant, "volumes", requested=1, used=lambda at: sum(at.sees(one) for one in taken))
            except QuotaExceeded:
                return False
            taken.append(tenant)
            return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(take, range(200))) == 10
    assert admission.refusals(TEAM) == {"volumes": 190}
