"""The arithmetic of quotas."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.teams.quotas import INHERIT, Amounts, Changes, Quota, Verdict, apply_changes, combine, judge, judge_both, overcommit

GIB = 2**30


@pytest.mark.parametrize(
    ("label", "values", "usage", "request_", "short"),
    [
        ("no ceiling", {}, {"labs": 99}, {"labs": 1, "cpus": 64.0}, []),
        ("null is no ceiling", {"labs": None}, {"labs": 99}, {"labs": 1}, []),
        ("just fits", {"labs": 2}, {"labs": 1}, {"labs": 1}, []),
        ("one too many", {"labs": 2}, {"labs": 2}, {"labs": 1}, ["labs"]),
        ("zero is a ceiling", {"labs": 0}, {}, {"labs": 1}, ["labs"]),
        ("tenths add up", {"hours": 0.3}, {"hours": 0.1 + 0.1}, {"hours": 0.1}, []),
        ("what is not counted here may be up to the whole", {"memory": GIB}, {}, {"memory": GIB}, []),
        ("several at once", {"memory": GIB, "cpus": 1}, {}, {"cpus": 1.5, "memory": 2 * GIB}, ["cpus", "memory"]),
        ("over already, asks nothing", {"labs": 1}, {"labs": 3}, {"cpus": 1}, []),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_short(label: str, values: dict[str, float | None], usage: Amounts, request_: Amounts, short: list[str]) -> None:
    shortages = judge(scope="team", quota=Quota(values), usage=usage, request=request_)
    assert [shortage.resource for shortage in shortages] == short


def test_the_members_own_ceiling_is_named_first() -> None:
    one = Quota({"labs": 1})
    verdict = judge_both(team_quota=one, team_usage={"labs": 1}, member_quota=one, member_usage={"labs": 1}, request={"labs": 1})
    assert [shortage.scope for shortage in verdict.shortages] == ["member", "team"]
    assert not verdict.is_granted
    assert Verdict().is_granted


@given(limit=st.integers(0, 20), requests=st.lists(st.integers(1, 5), max_size=20))
def test_what_was_granted_never_sums_up_to_more_than_the_ceiling(limit: int, requests: list[int]) -> None:
    granted: list[int] = []
    for labs in requests:
        if not judge(scope="team", quota=Quota({"labs": limit}), usage={"labs": sum(granted)}, request={"labs": labs}):
            granted.append(labs)
    assert sum(granted) <= limit


@pytest.mark.parametrize(
    ("label", "default", "override", "grants", "effective"),
    [
        ("the default", {"memory": GIB}, {}, {}, {"memory": GIB}),
        ("an own value", {"memory": GIB}, {"memory": 2 * GIB}, {}, {"memory": 2 * GIB}),
        ("an own value of none", {"memory": GIB, "pids": 5}, {"memory": None}, {}, {"pids": 5}),
        ("a grant on the default", {"memory": GIB}, {}, {"memory": GIB}, {"memory": 2 * GIB}),
        ("a grant on an own value", {"pids": 5}, {"pids": 7}, {"pids": 3}, {"pids": 10}),
        ("nothing is added to no ceiling", {}, {}, {"memory": GIB}, {}),
        ("nothing is added to an own value of none", {"memory": GIB}, {"memory": None}, {"memory": GIB}, {}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_holds_for_a_member(
    label: str,
    default: dict[str, float | None],
    override: dict[str, float | None],
    grants: Amounts,
    effective: dict[str, float],
) -> None:
    assert combine(default=Quota(default), override=Quota(override), grants=grants).set_limits() == effective


@pytest.mark.parametrize(
    ("before", "changes", "after"),
    [
        ({"pids": 5}, {"memory": GIB}, {"memory": GIB, "pids": 5}),
        ({"pids": 5}, {"pids": None}, {"pids": None}),
        ({"pids": 5}, {"pids": INHERIT}, {}),
        ({}, {"pids": INHERIT}, {}),
    ],
)
def test_changes_touch_what_they_name(before: dict[str, float | None], changes: Changes, after: dict[str, float | None]) -> None:
    assert apply_changes(before, changes) == after


def test_an_engine_is_told_nothing_that_only_the_portal_counts() -> None:
    assert Quota({"labs": 3, "hours": 10, "pids": 5, "memory": None}).for_engine() == {"pids": 5}


def test_an_engine_is_told_whole_numbers_but_of_processors() -> None:
    told = Quota({"cpus": 1.5, "memory": 384.0 * 2**20, "pids": 9.7, "hours": 1.5}).for_engine()
    assert json.dumps(told) == '{"cpus": 1.5, "memory": 402653184, "pids": 9}'


def test_a_resource_that_nobody_knows_is_no_part_of_a_quota() -> None:
    with pytest.raises(ValueError, match="unknown resource 'memroy'"):
        Quota({"memroy": 1})


def test_ceilings_are_added_up_where_the_capacity_is_known() -> None:
    quotas = [Quota({"memory": GIB, "cpus": 2}), Quota({"memory": 3 * GIB}), Quota()]
    assert overcommit(quotas, {"memory": 2 * GIB, "cpus": None}) == {"memory": 4 * GIB}
