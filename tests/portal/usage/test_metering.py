"""From counters to what was used, by the hour."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from portal.usage.metering import Reading, Used, by_hour, read_view, used_between

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def reading(seconds: float = 0, **values: Any) -> Reading:
    return Reading(at=NOON + timedelta(seconds=seconds), **values)


@pytest.mark.parametrize(
    ("before", "after", "cpu", "refusals"),
    [
        ({"cpu_seconds": 10.0, "refusals": 2}, {"cpu_seconds": 25.0, "refusals": 5}, 15, 3),
        ({"cpu_seconds": 10.0}, {"cpu_seconds": 10.0}, 0, 0),
        # The engine's counter began anew: what it shows was used since.
        ({"cpu_seconds": 1000.0, "refusals": 9}, {"cpu_seconds": 4.0, "refusals": 1}, 4, 1),
        ({"cpu_seconds": 1000.0, "refusals": 9}, {}, 0, 0),
    ],
)
def test_counters_are_compared_and_may_begin_anew(
    before: dict[str, Any], after: dict[str, Any], cpu: float, refusals: int
) -> None:
    used = used_between(reading(**before), reading(60, **after))
    assert (used.cpu_seconds, used.refusals) == (cpu, refusals)


def test_of_the_first_reading_only_the_moment_is_known() -> None:
    used = used_between(None, reading(cpu_seconds=9000, memory=5, disk=7, peak_memory=100, refusals=3))
    assert used == Used(peak_memory_bytes=5)


@pytest.mark.parametrize(("seconds", "counted"), [(60, 60), (150, 150), (3600, 150), (0, 0), (-30, 0)])
def test_amounts_hold_for_as_long_as_somebody_looked(seconds: float, counted: float) -> None:
    used = used_between(reading(memory=100, disk=10), reading(seconds, memory=300, disk=10))
    assert (used.memory_byte_seconds, used.disk_byte_seconds) == (200 * counted, 10 * counted)


@pytest.mark.parametrize(
    ("before", "after", "peak"),
    [
        ({"memory": 5, "peak_memory": 50}, {"memory": 7, "peak_memory": 90}, 90),
        # An old peak belongs to an older hour.
        ({"memory": 5, "peak_memory": 50}, {"memory": 7, "peak_memory": 50}, 7),
        ({"memory": 5, "peak_memory": 50}, {"memory": 7, "peak_memory": 8}, 7),
        ({}, {"memory": 7}, 7),
    ],
)
def test_a_peak_counts_when_it_is_reached(before: dict[str, int], after: dict[str, int], peak: int) -> None:
    assert used_between(reading(**before), reading(60, **after)).peak_memory_bytes == peak


@pytest.mark.parametrize(
    ("begin", "minutes", "shares"),
    [
        (NOON, 1, {12: 60.0}),
        (NOON - 30 * MINUTE, 60, {11: 30.0, 12: 30.0}),
        (NOON - 15 * MINUTE, 60, {11: 15.0, 12: 45.0}),
        (NOON - MINUTE, 1, {11: 60.0}),
        (NOON, 150, {12: 24.0, 13: 24.0, 14: 12.0}),
        (NOON, 0, {12: 60.0}),
        (NOON, -5, {11: 60.0}),
    ],
)
def test_what_was_used_is_spread_over_the_hours(begin: datetime, minutes: int, shares: dict[int, float]) -> None:
    spread = by_hour(Used(cpu_seconds=60.0, refusals=2, peak_memory_bytes=9), begin, begin + minutes * MINUTE)
    assert {hour.hour: pytest.approx(used.cpu_seconds) for hour, used in spread.items()} == shares
    assert [used.refusals for used in spread.values()][-1] == 2
    assert sum(used.refusals for used in spread.values()) == 2


def test_a_month_without_a_reading_makes_no_month_of_rows() -> None:
    spread = by_hour(Used(cpu_seconds=960.0), NOON - timedelta(days=30), NOON + 30 * MINUTE)
    assert len(spread) == 48
    assert sum(used.cpu_seconds for used in spread.values()) == pytest.approx(960)


def test_what_an_engine_does_not_count_is_nothing() -> None:
    empty = {"usage": {"memory": None, "cpu_seconds": None}, "peak": None, "refusals": None}
    assert read_view(empty, NOON) == read_view({}, NOON) == reading()
    view = {"usage": {"memory": 5, "disk": 6, "cpu_seconds": 1.5}, "peak": {"memory": 8}, "refusals": {"memory": 1, "pids": 2}}
    full = read_view(view, NOON)
    assert full == reading(cpu_seconds=1.5, memory=5, disk=6, peak_memory=8, refusals=3)
    assert Reading.from_json(full.to_json()) == full
