"""Amounts and durations as people read them, in both languages."""

from datetime import timedelta

import pytest
from django.utils.translation import override

from portal.common.units import format_amount, format_duration

MIB = 2**20


@pytest.mark.parametrize(
    ("resource", "amount", "english", "french"),
    [
        ("memory_bytes", 0, "0 bytes", "0 octets"),
        ("memory_bytes", 1023, "1023 bytes", "1023 octets"),
        ("memory_bytes", 128 * MIB, "128 MiB", "128 Mio"),
        ("memory_bytes", 1536 * MIB, "1.5 GiB", "1,5 Gio"),
        ("memory_bytes", 2048 * MIB, "2 GiB", "2 Gio"),
        ("cpus", 0.5, "0.5", "0,5"),
        ("cpus", 4.0, "4", "4"),
        ("labs", 3, "3", "3"),
    ],
)
def test_amounts(resource: str, amount: float, english: str, french: str) -> None:
    for language, expected in (("en", english), ("fr", french)):
        with override(language):
            assert format_amount(resource, amount).replace("\u00a0", " ") == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(-1, "0 s"), (0.42, "0.4 s"), (9.5, "9.5 s"), (46.4, "46 s"), (125, "2 min 5 s"), (3 * 3600 + 61, "3 h 1 min")],
)
def test_durations(seconds: float, expected: str) -> None:
    assert format_duration(timedelta(seconds=seconds)) == expected
