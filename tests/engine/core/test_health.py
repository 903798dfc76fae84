"""Health checks as tables: merging, counting, durations."""

import pytest

from engine.core.changes import apply_changes
from engine.core.durations import NS_PER_MS, NS_PER_SECOND, format_duration, parse_duration
from engine.core.health import (
    LOG_ENTRIES,
    Health,
    Healthcheck,
    HealthStatus,
    ProbeResult,
    check_healthcheck,
    judge_probe,
    merge_healthcheck,
    pause_seconds,
    probe_command,
)
from engine.core.image_config import ImageConfig, format_image_config, parse_image_config
from engine.errors import InvalidParameter

S = NS_PER_SECOND
GOOD, BAD = ProbeResult(0, 1, 0, "fine"), ProbeResult(0, 1, 1, "no")


def _after(check: Healthcheck, *results: ProbeResult, age_ns: int = 0) -> Health:
    health = Health()
    for result in results:
        health = judge_probe(check, health, result, age_ns=age_ns)
    return health


@pytest.mark.parametrize(
    ("check", "results", "age_s", "status", "streak"),
    [
        (Healthcheck(), [GOOD], 0, "healthy", 0),
        (Healthcheck(), [BAD], 0, "starting", 1),
        (Healthcheck(), [BAD, BAD, BAD], 0, "unhealthy", 3),
        (Healthcheck(retries=1), [BAD], 0, "unhealthy", 1),
        (Healthcheck(), [GOOD, BAD, BAD], 0, "healthy", 2),
        (Healthcheck(), [BAD, BAD, BAD, GOOD], 0, "healthy", 0),
        (Healthcheck(start_period_ns=10 * S, retries=1), [BAD, BAD], 5, "starting", 0),
        (Healthcheck(start_period_ns=10 * S, retries=1), [GOOD, BAD], 5, "unhealthy", 1),
        (Healthcheck(start_period_ns=10 * S, retries=1), [BAD], 11, "unhealthy", 1),
    ],
)
def test_probes_are_counted_as_docker_does(
    check: Healthcheck, results: list[ProbeResult], age_s: int, status: str, streak: int
) -> None:
    health = _after(check, *results, age_ns=age_s * S)
    assert (health.status, health.failing_streak) == (status, streak)


def test_the_log_holds_the_last_probes() -> None:
    results = [ProbeResult(number, number, 0, str(number)) for number in range(9)]
    assert [entry.output for entry in _after(Healthcheck(), *results).log] == ["4", "5", "6", "7", "8"]
    assert LOG_ENTRIES == 5


@pytest.mark.parametrize(
    ("check", "shell", "command"),
    [
        (None, None, ()),
        (Healthcheck(("NONE",)), None, ()),
        (Healthcheck(), None, ()),
        (Healthcheck(("CMD", "curl", "-f")), None, ("curl", "-f")),
        (Healthcheck(("CMD-SHELL", "a && b")), None, ("/bin/sh", "-c", "a && b")),
        (Healthcheck(("CMD-SHELL", "a")), ("/bin/ash", "-ec"), ("/bin/ash", "-ec", "a")),
        (Healthcheck(("SOMETHING", "a")), None, ()),
    ],
)
def test_what_is_run(check: Healthcheck | None, shell: tuple[str, ...] | None, command: tuple[str, ...]) -> None:
    assert probe_command(check, shell) == command


@pytest.mark.parametrize(
    "check",
    [
        Healthcheck(("CMD-SHELL", "x"), interval_ns=NS_PER_MS - 1),
        Healthcheck(timeout_ns=1),
        Healthcheck(start_period_ns=-5),
        Healthcheck(start_interval_ns=999),
        Healthcheck(retries=-1),
        Healthcheck(("CMD",)),
        Healthcheck(("CMD-SHELL", "a", "b")),
        Healthcheck(("WHATEVER",)),
    ],
)
def test_what_cannot_be_carried_out_is_refused(check: Healthcheck) -> None:
    with pytest.raises(InvalidParameter):
        check_healthcheck(check)


def test_a_request_is_filled_with_what_the_image_says() -> None:
    image = Healthcheck(("CMD", "a"), 1 * S, 2 * S, 3 * S, 4 * S, 5)
    assert merge_healthcheck(None, image) == image
    assert merge_healthcheck(image, None) == image
    assert merge_healthcheck(Healthcheck(retries=9), image) == Healthcheck(("CMD", "a"), 1 * S, 2 * S, 3 * S, 4 * S, 9)
    assert merge_healthcheck(Healthcheck(("NONE",)), image) == Healthcheck(("NONE",), 1 * S, 2 * S, 3 * S, 4 * S, 5)


def test_a_container_that_still_starts_is_looked_at_more_often() -> None:
    check = Healthcheck(("CMD", "a"), interval_ns=60 * S, start_period_ns=10 * S, start_interval_ns=2 * S)
    assert pause_seconds(check, Health(), age_ns=0) == 2
    assert pause_seconds(check, Health(), age_ns=10 * S) == 60
    assert pause_seconds(check, Health(HealthStatus.HEALTHY), age_ns=0) == 60
    assert pause_seconds(Healthcheck(), Health(), age_ns=0) == 30


@pytest.mark.parametrize(
    ("text", "span_ns"),
    [
        ("0", 0),
        ("30s", 30 * S),
        ("1m30s", 90 * S),
        ("1.5s", 1_500_000_000),
        ("2h", 7200 * S),
        ("1us", 1000),
        ("5ns", 5),
        ("1h0m2.5s", 3_602_500_000_000),
    ],
)
def test_durations_are_read(text: str, span_ns: int) -> None:
    assert parse_duration(text) == span_ns


@pytest.mark.parametrize("text", ["", "5", "s", "1x", "-1s", "1s ", "1..5s", "9" * 18 + "h", "\uff11s"])
def test_other_durations_are_refused(text: str) -> None:
    with pytest.raises(InvalidParameter):
        parse_duration(text)


@pytest.mark.parametrize(
    ("span_ns", "text"),
    [
        (0, "0s"),
        (5, "5ns"),
        (1500, "1.5µs"),
        (300 * NS_PER_MS, "300ms"),
        (S, "1s"),
        (90 * S, "1m30s"),
        (3_602_500_000_000, "1h0m2.5s"),
    ],
)
def test_durations_are_written_as_go_does(span_ns: int, text: str) -> None:
    assert format_duration(span_ns) == text


@pytest.mark.parametrize(
    ("change", "check"),
    [
        ("HEALTHCHECK NONE", Healthcheck(("NONE",))),
        ("HEALTHCHECK CMD curl -f localhost || exit 1", Healthcheck(("CMD-SHELL", "curl -f localhost || exit 1"))),
        (
            'HEALTHCHECK --interval=5s --timeout=1m --retries=2 --start-period=1s --start-interval=500ms CMD ["/probe", "x"]',
            Healthcheck(("CMD", "/probe", "x"), 5 * S, 60 * S, 1 * S, 500 * NS_PER_MS, 2),
        ),
    ],
)
def test_the_instruction_sets_the_images_check_and_it_is_kept(change: str, check: Healthcheck) -> None:
    config = apply_changes(ImageConfig(architecture="amd64"), [change])
    assert config.healthcheck == check
    assert parse_image_config(format_image_config(config)).healthcheck == check


@pytest.mark.parametrize(
    "change",
    [
        "HEALTHCHECK CMD",
        "HEALTHCHECK curl x",
        "HEALTHCHECK --interval=5 CMD x",
        "HEALTHCHECK --retries=x CMD y",
        "HEALTHCHECK --odd=1s CMD y",
    ],
)
def test_a_malformed_instruction_is_refused(change: str) -> None:
    with pytest.raises(InvalidParameter):
        apply_changes(ImageConfig(architecture="amd64"), [change])


def test_an_images_check_of_the_wrong_type_is_refused() -> None:
    with pytest.raises(InvalidParameter):
        parse_image_config(b'{"architecture":"amd64","config":{"Healthcheck":{"Test":"CMD"}}}')
