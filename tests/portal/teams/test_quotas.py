"""The arithmetic of quotas."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.teams.quotas import Quota, Resources, Verdict, judge, judge_both

GIB = 2**30


@pytest.mark.parametrize(
    ("label", "quota", "usage", "request_", "short"),
    [
        ("no ceiling", Quota(), Resources(labs=99), Resources(labs=1, cpus=64.0), []),
        ("just fits", Quota(labs=2), Resources(labs=1), Resources(labs=1), []),
        ("one too many", Quota(labs=2), Resources(labs=2), Resources(labs=1), ["labs"]),
        ("zero is a ceiling", Quota(labs=0), Resources(), Resources(labs=1), ["labs"]),
        ("tenths add up", Quota(cpus=0.3), Resources(cpus=0.1 + 0.1), Resources(cpus=0.1), []),
        (
            "several at once",
            Quota(cpus=1, memory_bytes=GIB),
            Resources(cpus=1),
            Resources(cpus=0.5, memory_bytes=2 * GIB),
            ["cpus", "memory_bytes"],
        ),
        ("over already, asks nothing", Quota(labs=1), Resources(labs=3), Resources(cpus=1), []),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_short(label: str, quota: Quota, usage: Resources, request_: Resources, short: list[str]) -> None:
    shortages = judge(scope="team", quota=quota, usage=usage, request=request_)
    assert [shortage.resource for shortage in shortages] == short


def test_the_members_own_ceiling_is_named_first() -> None:
    verdict = judge_both(
        team_quota=Quota(labs=1),
        team_usage=Resources(labs=1),
        member_quota=Quota(labs=1),
        member_usage=Resources(labs=1),
        request=Resources(labs=1),
    )
    assert [shortage.scope for shortage in verdict.shortages] == ["member", "team"]
    assert not verdict.is_granted
    assert Verdict().is_granted


@given(
    limit=st.integers(0, 20),
    requests=st.lists(st.integers(1, 5), max_size=20),
)
def test_what_was_granted_never_sums_up_to_more_than_the_ceiling(limit: int, requests: list[int]) -> None:
    granted: list[Resources] = []
    for pids in requests:
        if not judge(scope="team", quota=Quota(pids=limit), usage=sum(granted, Resources()), request=Resources(pids=pids)):
            granted.append(Resources(pids=pids))
    assert sum(granted, Resources()).pids <= limit
