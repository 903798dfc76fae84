"""Multiplexed output becomes lines."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.streams.lines import LONGEST_LINE, Line, LineReader


def frame(stream: int, payload: bytes) -> bytes:
    return struct.pack(">BxxxL", stream, len(payload)) + payload


def read(data: bytes, *, has_times: bool = False) -> list[Line]:
    reader = LineReader(has_times)
    return [*reader.feed(data), *reader.finish()]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (frame(1, b"one\ntwo\n"), [("stdout", "one"), ("stdout", "two")]),
        (frame(2, b"oops\n"), [("stderr", "oops")]),
        (frame(1, b"cut ") + frame(2, b"between\n") + frame(1, b"here\n"), [("stderr", "between"), ("stdout", "cut here")]),
        (frame(1, b"no end"), [("stdout", "no end")]),
        (frame(1, b"from a terminal\r\n"), [("stdout", "from a terminal")]),
        (frame(1, b"\xff\n"), [("stdout", "�")]),
        (frame(1, b""), []),
    ],
)
def test_lines_are_told_apart_by_stream(data: bytes, expected: list[tuple[str, str]]) -> None:
    assert [(line.stream, line.text) for line in read(data)] == expected


def test_a_time_stands_apart_from_its_text() -> None:
    (line,) = read(frame(1, b"2026-11-21T09:25:47.320367422Z two words\n"), has_times=True)
    assert line == Line("2026-11-21T09:25:47.320367422Z", "stdout", "two words")


def test_a_line_without_end_is_cut_and_nothing_is_lost() -> None:
    lines = read(frame(1, b"x" * (2 * LONGEST_LINE + 5)))
    assert [len(line.text) for line in lines] == [LONGEST_LINE, LONGEST_LINE, 5]


@given(st.lists(st.text("ab\n", max_size=9), max_size=5), st.integers(1, 9))
def test_it_does_not_matter_where_the_response_was_cut(texts: list[str], size: int) -> None:
    data = b"".join(frame(1, text.encode()) for text in texts)
    reader = LineReader(has_times=False)
    lines = [line.text for start in range(0, len(data), size) for line in reader.feed(data[start : start + size])]
    lines += [line.text for line in reader.finish()]
    assert "\n".join(lines) == "".join(texts).removesuffix("\n")
