"""Which processors tenants see."""

import pytest

from engine.core.processor_shares import choose_processors, processors_for
from engine.core.tenants import Tenant

BLUE, RED, ADA, BOB, EVE = Tenant("blue"), Tenant("red"), Tenant("blue", "ada"), Tenant("blue", "bob"), Tenant("red", "eve")


@pytest.mark.parametrize(
    ("cpus", "expected"), [(None, None), (0.1, 1), (1.0, 1), (1.01, 2), (3.0, 3), (3.5, None), (4.0, None), (100.0, None)]
)
def test_a_limit_is_rounded_up_to_whole_processors(cpus: float | None, expected: int | None) -> None:
    assert processors_for(cpus, host=4) == expected


def test_tenants_lie_beside_each_other_as_long_as_there_are_processors() -> None:
    given: dict[Tenant, frozenset[int]] = {}
    for tenant, count in ((BLUE, 2), (RED, 1), (EVE, 1)):
        given[tenant] = choose_processors(tenant, count, among=range(4), given=given)
    assert given[BLUE] == {0, 1}
    assert given[RED] == {2}
    assert not given[EVE] & given[BLUE]
    assert choose_processors(Tenant("green"), 1, among=range(4), given=given) == {3}


def test_members_share_what_their_team_has_and_lie_beside_each_other_in_it() -> None:
    given = {BLUE: frozenset({2, 3})}
    given[ADA] = choose_processors(ADA, 1, among=given[BLUE], given=given)
    given[BOB] = choose_processors(BOB, 1, among=given[BLUE], given=given)
    assert given[ADA] | given[BOB] == {2, 3}
    assert choose_processors(ADA, None, among=given[BLUE], given=given) == given[BLUE]


def test_who_has_some_keeps_them_when_it_gets_more_or_fewer() -> None:
    given = {BLUE: frozenset({3}), RED: frozenset({0, 1})}
    assert choose_processors(BLUE, 2, among=range(4), given=given) == {2, 3}
    assert choose_processors(RED, 1, among=range(4), given=given) <= given[RED]
    assert choose_processors(BLUE, 9, among=range(4), given=given) == {0, 1, 2, 3}
