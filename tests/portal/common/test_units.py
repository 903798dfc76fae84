"""Amounts and durations as people read and write them, in both languages."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils.translation import override
from hypothesis import given
from hypothesis import strategies as st

from portal.common.units import UnitError, format_amount, format_duration, format_exact, parse_amount

MIB, GIB = 2**20, 2**30


@pytest.mark.parametrize(
    ("resource", "amount", "english", "french"),
    [
        ("memory_bytes", 0, "0 bytes", "0 octets"),
        ("memory_bytes", 1023, "1023 bytes", "1023 octets"),
        ("memory_bytes", 128 * MIB, "128 MiB", "128 Mio"),
        ("memory", 1536 * MIB, "1.5 GiB", "1,5 Gio"),
        ("disk", 2048 * MIB, "2 GiB", "2 Gio"),
        ("io_read_bps", 20 * MIB, "20 MiB/s", "20 Mio/s"),
        ("io_write_iops", 100, "100/s", "100/s"),
        ("cpus", 0.5, "0.5", "0,5"),
        ("cpus", 4.0, "4", "4"),
        ("hours", 10, "10 h", "10 h"),
        ("labs", 3, "3", "3"),
    ],
)
def test_amounts(resource: str, amount: float, english: str, french: str) -> None:
    for language, expected in (("en", english), ("fr", french)):
        with override(language):
            assert format_amount(resource, amount).replace("\u00a0", " ") == expected


@pytest.mark.parametrize(
    ("resource", "text", "amount"),
    [
        ("memory", "2 GiB", 2 * GIB),
        ("memory", "  512M ", 512 * MIB),
        ("memory", "512\u00a0Mio", 512 * MIB),
        ("memory", "1,5 go", 1536 * MIB),
        ("memory", "1.5g", 1536 * MIB),
        ("memory", "64 kb", 65536),
        ("memory", "1048576", MIB),
        ("swap", "0", 0),
        ("disk", "1 TiB", 1024 * GIB),
        ("image_bytes", "100 bytes", 100),
        ("io_read_bps", "20 MiB/s", 20 * MIB),
        ("io_read_bps", "20M", 20 * MIB),
        ("network_in_bps", "1,5 Mio / s", 1536 * 1024),
        ("io_read_iops", "100/s", 100),
        ("io_read_iops", "100 IOPS", 100),
        ("cpus", "1.5 CPU", 1.5),
        ("cpus", "1,5", 1.5),
        ("cpus", "2 cores", 2),
        ("hours", "10 h", 10),
        ("hours", "7.5 hours", 7.5),
        ("pids", "1500", 1500),
        ("labs", "4", 4),
        ("memory", "", None),
        ("pids", "no limit", None),
        ("pids", "NONE", None),
        ("cpus", "∞", None),
        ("cpus", "illimité", None),
    ],
)
def test_amounts_are_read(resource: str, text: str, amount: float | None) -> None:
    assert parse_amount(resource, text) == amount


@pytest.mark.parametrize(
    ("resource", "text", "sentence"),
    [
        ("memory", "much", "“much” is no amount. Write one like 512 MiB or 2 GiB."),
        ("memory", "512", "“512” has no unit. Write it like 512 MiB or 2 GiB."),
        ("memory", "-1 GiB", "“-1 GiB” is no amount. Write one like 512 MiB or 2 GiB."),
        ("memory", "2 GiB 3", "“2 GiB 3” is no amount. Write one like 512 MiB or 2 GiB."),
        ("memory", "9" * 400, f"“{'9' * 60}” is more than there can be. Leave the field empty for no limit."),
        ("disk", "99999999 TiB", "“99999999 TiB” is more than there can be. Leave the field empty for no limit."),
        ("io_read_bps", "20 per s", "“20 per s” is no amount. Write one like 20 MiB/s."),
        ("io_read_bps", "20/s", "“20/s” has no unit. Write it like 20 MiB/s."),
        ("cpus", "nan", "“nan” is no amount. Write one like 2 or 1.5."),
        ("cpus", "1e3", "“1e3” is no amount. Write one like 2 or 1.5."),
        ("cpus", "2 GiB", "“2 GiB” is no amount. Write one like 2 or 1.5."),
        ("pids", "1.5", "“1.5” is no whole number. Write one like 10."),
        ("pids", "٣x", "“٣x” is no amount. Write one like 10."),
        ("pids", "9" * 400, f"“{'9' * 60}” is more than there can be. Leave the field empty for no limit."),
    ],
)
def test_what_is_no_amount_is_named_with_a_way_out(resource: str, text: str, sentence: str) -> None:
    with pytest.raises(UnitError) as error:
        parse_amount(resource, text)
    assert str(error.value) == sentence


@pytest.mark.parametrize("language", ["en", "fr"])
@given(
    resource=st.sampled_from(["memory", "io_read_bps", "io_read_iops", "pids"]),
    amount=st.integers(0, 2**53) | st.integers(0, 2000).map(lambda number: number * MIB),
)
def test_what_stands_in_a_field_is_read_as_the_very_same_amount(language: str, resource: str, amount: int) -> None:
    with override(language):
        assert parse_amount(resource, format_exact(resource, amount)) == amount


@pytest.mark.parametrize("language", ["en", "fr"])
@given(amount=st.decimals(0, 1000, places=3).map(float))
def test_so_are_fractions(language: str, amount: float) -> None:
    with override(language):
        assert parse_amount("cpus", format_exact("cpus", amount)) == amount
        assert parse_amount("hours", format_exact("hours", amount)) == amount


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(-1, "0 s"), (0.42, "0.4 s"), (9.5, "9.5 s"), (46.4, "46 s"), (125, "2 min 5 s"), (3 * 3600 + 61, "3 h 1 min")],
)
def test_durations(seconds: float, expected: str) -> None:
    assert format_duration(timedelta(seconds=seconds)) == expected


def test_amounts_are_written_as_the_pages_scripts_write_them() -> None:
    table = json.loads((Path(__file__).parents[2] / "browser" / "modules" / "amounts.json").read_text())
    for resource, amount, written in table:
        assert format_amount(resource, amount) == written
