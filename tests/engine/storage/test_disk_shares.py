"""How what a tenant has left is dealt out to its areas."""

import random

import pytest

from engine.core.tenants import ADMINISTRATOR, Tenant
from engine.storage.disk_shares import AreaUse, hard_limits, scopes_of, used_by_tenant

ADA, BOB, TEAM, OTHER = Tenant("demo", "ada"), Tenant("demo", "bob"), Tenant("demo"), Tenant("other", "eve")
MIB = 1 << 20
LEAST = 64 * 1024


def _area(project: int, owner: Tenant, used: int, own: int | None = None, *, grows: bool = False) -> AreaUse:
    return AreaUse(project, owner, used * MIB, None if own is None else own * MIB, grows)


@pytest.mark.parametrize(
    ("areas", "limits", "expected"),
    [
        pytest.param([_area(1, ADA, 3)], {}, [None], id="nobody has a limit"),
        pytest.param([_area(1, ADA, 3, 5)], {}, [5], id="an area's own limit"),
        pytest.param([_area(1, ADA, 3)], {ADA: 10}, [10], id="one area has all that is left"),
        pytest.param([_area(1, ADA, 3, 5)], {ADA: 10}, [5], id="never above its own limit"),
        pytest.param([_area(1, ADA, 2), _area(2, ADA, 0)], {ADA: 10}, [6, 4], id="what rests shares evenly"),
        pytest.param([_area(1, ADA, 2, grows=True), _area(2, ADA, 0)], {ADA: 10}, [8, 2], id="what grows has more"),
        pytest.param([_area(1, ADA, 2), _area(2, BOB, 0)], {ADA: 10}, [10, None], id="another member is not touched"),
        pytest.param([_area(1, ADA, 2), _area(2, BOB, 0)], {TEAM: 10}, [6, 4], id="members share their team's"),
        pytest.param([_area(1, ADA, 2), _area(2, BOB, 0)], {TEAM: 10, ADA: 3}, [3, 4], id="the narrower one holds"),
        pytest.param([_area(1, ADA, 12), _area(2, ADA, 1)], {ADA: 10}, [12, 1], id="nothing is left"),
        pytest.param([_area(1, ADMINISTRATOR, 2), _area(2, OTHER, 3)], {TEAM: 1}, [None, None], id="nobody else pays"),
        pytest.param([_area(1, TEAM, 2), _area(2, ADA, 0)], {TEAM: 10}, [6, 4], id="a team's own areas count"),
    ],
)
def test_room_is_dealt_out(areas: list[AreaUse], limits: dict[Tenant, int], expected: list[int | None]) -> None:
    found = hard_limits(areas, {tenant: limit * MIB for tenant, limit in limits.items()})
    assert [found[area.project] for area in areas] == [None if limit is None else limit * MIB for limit in expected]


def test_all_areas_together_never_get_more_than_their_tenants_may_have() -> None:
    draw = random.Random(7)
    for _ in range(300):
        owners = [draw.choice([ADA, BOB, TEAM]) for _ in range(draw.randint(1, 40))]
        areas = [_area(number, owner, draw.randint(0, 50), grows=draw.random() < 0.3) for number, owner in enumerate(owners)]
        limits = {tenant: draw.randint(1, 2000) * MIB for tenant in draw.sample([ADA, BOB, TEAM], draw.randint(1, 3))}
        found, used = hard_limits(areas, limits), used_by_tenant(areas)
        for tenant, limit in limits.items():
            held = [found[area.project] or 0 for area in areas if tenant in scopes_of(area.owner)]
            assert sum(held) <= max(limit, used[tenant]) + LEAST * len(held)


def test_the_last_of_it_is_still_room_for_folders() -> None:
    areas = [_area(number, ADA, 0) for number in range(100)]
    assert set(hard_limits(areas, {ADA: MIB}).values()) == {LEAST}
