"""How fast tenants use things: averages between looks."""

from engine.core.tenants import Tenant
from engine.tenants.rates import LEAST_NS, MOST_NS, RateBook

ADA, BOB, SECOND = Tenant("blue", "ada"), Tenant("blue", "bob"), 10**9


def test_a_rate_is_the_average_since_the_look_before() -> None:
    book = RateBook()
    assert book.rates(ADA, (10, 100), now_ns=0) is None
    assert book.rates(ADA, (12, 100), now_ns=4 * SECOND) == (0.5, 0.0)
    assert book.rates(BOB, (12, 100), now_ns=4 * SECOND) is None


def test_looks_that_follow_at_once_are_answered_alike_and_shorten_nothing() -> None:
    book = RateBook()
    book.rates(ADA, (0,), now_ns=0)
    assert book.rates(ADA, (5,), now_ns=LEAST_NS - 1) is None
    first = book.rates(ADA, (8,), now_ns=2 * SECOND)
    assert first == (4.0,)
    assert book.rates(ADA, (1000,), now_ns=2 * SECOND + LEAST_NS - 1) == first


def test_after_a_long_time_there_is_none() -> None:
    book = RateBook()
    book.rates(ADA, (0,), now_ns=0)
    assert book.rates(ADA, (5,), now_ns=MOST_NS + 1) is None
    assert book.rates(ADA, (6,), now_ns=MOST_NS + 1 + SECOND) == (1.0,)


def test_a_sum_that_began_anew_is_no_negative_rate() -> None:
    book = RateBook()
    book.rates(ADA, (100,), now_ns=0)
    assert book.rates(ADA, (3,), now_ns=SECOND) == (0.0,)
    book.forget(ADA)
    assert book.rates(ADA, (4,), now_ns=2 * SECOND) is None
