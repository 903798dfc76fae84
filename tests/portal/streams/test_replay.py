"""Old questions to the terminal are not asked again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.streams.replay import QuestionFilter

QUESTIONS = [
    b"\x1b[6n",
    b"\x1b[5n",
    b"\x1b[c",
    b"\x1b[>c",
    b"\x1b[0c",
    b"\x1b[?6n",
    b"\x1b[?2026$p",
    b"\x1b]11;?\x07",
    b"\x1b]4;1;?\x1b\\",
]
STATEMENTS = [b"plain", b"\x1b[1;32mgreen\x1b[0m", b"\x1b[2J\x1b[H", b"\x1b]0;title\x07", b"\x1b[?25l", b"caf\xc3\xa9 [6n"]


def run(pieces: list[bytes]) -> bytes:
    questions = QuestionFilter()
    return b"".join(map(questions.feed, pieces)) + questions.finish()


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_goes_and_what_stands_around_it_stays(question: bytes) -> None:
    assert run([b"before" + question + b"after"]) == b"beforeafter"


@pytest.mark.parametrize("statement", STATEMENTS)
def test_all_else_stays_as_it_is(statement: bytes) -> None:
    assert run([statement]) == statement


@given(st.lists(st.sampled_from(QUESTIONS + STATEMENTS), max_size=8), st.integers(1, 7))
def test_it_does_not_matter_where_the_output_was_cut(parts: list[bytes], size: int) -> None:
    output = b"".join(parts)
    pieces = [output[start : start + size] for start in range(0, len(output), size)]
    assert run(pieces) == b"".join(part for part in parts if part not in QUESTIONS)
