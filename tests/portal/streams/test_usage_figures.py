"""What gauges are told: documents cut to figures, and of these only what changed."""

import json
from typing import Any

import pytest

from portal.streams.usage_figures import LONGEST_LINE, DocumentReader, Figureboard, Figures, read_figures

ADA: dict[str, Any] = {
    "name": "demo/ada",
    "limits": {"memory": 100, "pids": None, "swap": None},
    "usage": {"memory": 5, "pids": 3, "swap": None, "cpu_seconds": 1.5},
    "peak": {"memory": 9, "pids": None},
    "over": ["memory"],
    "members": [],
}


def test_figures_are_what_is_used_or_limited_with_peak_and_over() -> None:
    assert read_figures([ADA]) == {
        "demo/ada": {"memory": {"used": 5, "limit": 100, "peak": 9, "over": True}, "pids": {"used": 3, "limit": None}}
    }


def test_figures_of_an_engine_that_tells_less_are_fewer() -> None:
    assert read_figures([{"name": "demo", "limits": {"disk": 7}, "usage": {}}]) == {"demo": {"disk": {"used": None, "limit": 7}}}


def test_documents_come_out_whole_wherever_they_are_cut() -> None:
    stream = b"".join(json.dumps([ADA]).encode() + b"\n" for _ in range(3))
    for size in (1, 7, len(stream)):
        reader = DocumentReader()
        pieces = [stream[start : start + size] for start in range(0, len(stream), size)]
        assert [document for piece in pieces for document in reader.feed(piece)] == [[ADA]] * 3


def test_a_line_without_end_is_not_kept() -> None:
    reader = DocumentReader()
    with pytest.raises(ValueError, match="without end"):
        list(reader.feed(b"x" * (LONGEST_LINE + 1)))


def test_only_what_changed_is_told_once() -> None:
    board = Figureboard()
    figures: dict[str, Figures] = {"demo": {"memory": {"used": 1, "limit": 2}, "pids": {"used": 1, "limit": None}}}
    board.take(figures, of=frozenset())
    assert board.changes() == figures
    assert board.changes() == {}
    for used in (2, 3):
        board.take({"demo": {**figures["demo"], "memory": {"used": used, "limit": 2}}}, of=frozenset({"demo"}))
    assert board.changes() == {"demo": {"memory": {"used": 3, "limit": 2}}}


def test_what_is_gone_is_told_as_gone() -> None:
    board = Figureboard()
    board.take({"demo": {"memory": {"used": 1, "limit": 2}, "pids": {"used": 1, "limit": 2}}}, of=frozenset())
    board.take({"other": {}}, of=frozenset())
    board.changes()
    board.take({"demo": {"memory": {"used": 1, "limit": 2}}}, of=frozenset({"demo"}))
    assert board.changes() == {"demo": {"pids": None}}
    board.take({}, of=frozenset({"demo"}))
    assert board.changes() == {"demo": None}


def test_changes_in_the_last_digit_are_no_news() -> None:
    (first, second) = (
        read_figures([{"name": "demo", "limits": {"cpus": 2}, "usage": {"cpus": used}}]) for used in (0.501, 0.502)
    )
    assert first == second
