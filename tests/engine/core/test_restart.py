"""Restart policies as tables."""

import pytest

from engine.core.restart import RestartPolicy, next_delay_seconds, parse_restart_policy, wants_restart, wants_start_with_daemon
from engine.errors import InvalidParameter

NO, ALWAYS, UNLESS = RestartPolicy(), RestartPolicy("always"), RestartPolicy("unless-stopped")
FAILURE, THRICE = RestartPolicy("on-failure"), RestartPolicy("on-failure", 3)


@pytest.mark.parametrize(
    ("policy", "exit_code", "restart_count", "by_hand", "expected"),
    [
        (NO, 1, 0, False, False),
        (ALWAYS, 0, 500, False, True),
        (ALWAYS, 137, 0, True, False),
        (UNLESS, 0, 0, False, True),
        (UNLESS, 1, 0, True, False),
        (FAILURE, 0, 0, False, False),
        (FAILURE, 1, 10_000, False, True),
        (FAILURE, None, 0, False, True),
        (FAILURE, 1, 0, True, False),
        (THRICE, 1, 2, False, True),
        (THRICE, 1, 3, False, False),
    ],
)
def test_who_is_started_again(
    policy: RestartPolicy, exit_code: int | None, restart_count: int, by_hand: bool, expected: bool
) -> None:
    assert wants_restart(policy, exit_code=exit_code, restart_count=restart_count, is_stopped_by_hand=by_hand) is expected


@pytest.mark.parametrize(
    ("policy", "by_hand", "expected"),
    [
        (NO, False, False),
        (ALWAYS, False, True),
        (ALWAYS, True, True),
        (UNLESS, False, True),
        (UNLESS, True, False),
        (FAILURE, False, False),
    ],
)
def test_who_is_started_with_the_daemon(policy: RestartPolicy, by_hand: bool, expected: bool) -> None:
    assert wants_start_with_daemon(policy, is_stopped_by_hand=by_hand) is expected


def test_delays_double_up_to_a_minute_and_begin_anew_after_a_steady_run() -> None:
    delays: list[float] = []
    for _ in range(12):
        delays.append(next_delay_seconds(delays[-1] if delays else None, ran_seconds=1.0))
    assert delays[:5] == [0.1, 0.2, 0.4, 0.8, 1.6]
    assert delays[-2:] == [60.0, 60.0]
    assert next_delay_seconds(60.0, ran_seconds=10.0) == 0.1


@pytest.mark.parametrize(("name", "retries"), [("sometimes", 0), ("always", 3), ("no", 1), ("on-failure", -1)])
def test_what_cannot_be_is_refused(name: str, retries: int) -> None:
    with pytest.raises(InvalidParameter):
        parse_restart_policy(name, retries)


def test_an_empty_policy_is_none() -> None:
    assert parse_restart_policy("", 0).is_none
