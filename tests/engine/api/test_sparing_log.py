"""The log of the host: of lines that are alike it takes few, and none hides another."""

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from engine.api.sparing_log import Sparing


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@contextmanager
def log() -> Iterator[tuple[logging.Logger, io.StringIO, Clock]]:
    written, clock = io.StringIO(), Clock()
    handler = logging.StreamHandler(written)
    handler.addFilter(Sparing(clock))
    logger = logging.getLogger("sparing")
    logger.propagate = False
    logger.setLevel(logging.DEBUG)
    logger.addHandler(handler)
    try:
        yield logger, written, clock
    finally:
        logger.removeHandler(handler)


def test_a_line_that_comes_again_and_again_is_left_out_and_counted() -> None:
    with log() as (logger, written, clock):
        for minute in range(3):
            clock.now = minute * 60
            for number in range(100):
                logger.warning("%s of %s fails", number, minute)
        lines = written.getvalue().splitlines()
        assert lines[:20] == [f"{number} of 0 fails" for number in range(20)]
        assert lines[20:] == [
            "0 of 1 fails (80 lines of this kind were left out before)",
            "0 of 2 fails (99 lines of this kind were left out before)",
        ]


def test_a_pause_gives_no_more_than_at_the_beginning() -> None:
    with log() as (logger, written, clock):
        for hour in range(2):
            clock.now = hour * 3600
            for _ in range(100):
                logger.info("again")
        assert len(written.getvalue().splitlines()) == 40


def test_what_fails_at_will_hides_nothing_else() -> None:
    """Written at one place, raised at others or of another kind."""
    with log() as (logger, written, _):
        for number in range(100):
            for fail in (_divide, _divide_elsewhere, _look_up):
                try:
                    fail(number)
                except (ArithmeticError, LookupError):
                    logger.exception("it fails")
        for text in ("_divide(", "_divide_elsewhere(", "_look_up("):
            assert written.getvalue().count(f"in {text[:-1]}\n") == 20


def _divide(number: int) -> float:
    return number / 0


def _divide_elsewhere(number: int) -> float:
    return number / 0


def _look_up(number: int) -> int:
    return [0][number + 1]


def test_long_lines_are_cut() -> None:
    with log() as (logger, written, _):
        logger.error("%s", "x" * 100_000)
        assert len(written.getvalue()) < 5000


def test_lines_for_whoever_looks_for_a_mistake_all_come() -> None:
    with log() as (logger, written, _):
        for _ in range(100):
            logger.debug("here")
        assert len(written.getvalue().splitlines()) == 100
