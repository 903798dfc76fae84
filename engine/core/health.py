"""Health checks as data: how a container is to be probed, and what its probes have shown so far.

Owns Docker's rules of counting. Pure: who probes and when is the service's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from engine.core.durations import NS_PER_MS, NS_PER_SECOND
from engine.errors import InvalidParameter

DEFAULT_SHELL = ("/bin/sh", "-c")
DEFAULT_INTERVAL_NS = 30 * NS_PER_SECOND
DEFAULT_TIMEOUT_NS = 30 * NS_PER_SECOND
DEFAULT_START_INTERVAL_NS = 5 * NS_PER_SECOND
DEFAULT_RETRIES = 3
LEAST_NS = NS_PER_MS
LONGEST_OUTPUT = 4096
LOG_ENTRIES = 5
FAILED_PROBE = -1  # the code of a probe that could not run or took too long


class HealthStatus(StrEnum):
    """In Docker's words."""

    STARTING = "starting"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"


@dataclass(frozen=True, slots=True)
class Healthcheck:
    """As in an image's configuration; 0 and an empty ``test`` mean: as the image says, or the default."""

    test: tuple[str, ...] = ()
    interval_ns: int = 0
    timeout_ns: int = 0
    start_period_ns: int = 0
    start_interval_ns: int = 0
    retries: int = 0


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """One probe; ``output`` is cut."""

    started_ns: int
    ended_ns: int
    exit_code: int
    output: str


@dataclass(frozen=True, slots=True)
class Health:
    """What is known. The log holds the last probes, oldest first."""

    status: HealthStatus = HealthStatus.STARTING
    failing_streak: int = 0
    log: tuple[ProbeResult, ...] = ()


def check_healthcheck(check: Healthcheck) -> None:
    """Raise InvalidParameter for what cannot be carried out."""
    spans = {
        "Interval": check.interval_ns,
        "Timeout": check.timeout_ns,
        "StartPeriod": check.start_period_ns,
        "StartInterval": check.start_interval_ns,
    }
    for name, span_ns in spans.items():
        if span_ns != 0 and span_ns < LEAST_NS:
            raise InvalidParameter(f"invalid {name} {span_ns} ns of the health check: it cannot be less than 1ms")
    if check.retries < 0:
        raise InvalidParameter(f"invalid Retries {check.retries} of the health check: it cannot be negative")
    match check.test:
        case () | ("NONE",) | ("CMD-SHELL", _):
            pass
        case ("CMD", program, *_) if program:
            pass
        case _:
            raise InvalidParameter(
                f"invalid Test {' '.join(check.test)[:60]!r} of the health check:"
                " use CMD with a program, CMD-SHELL with one text, or NONE"
            )


def merge_healthcheck(wanted: Healthcheck | None, image: Healthcheck | None) -> Healthcheck | None:
    """Fill what the request leaves open with what the image says."""
    if wanted is None or image is None:
        return wanted or image
    return Healthcheck(
        test=wanted.test or image.test,
        interval_ns=wanted.interval_ns or image.interval_ns,
        timeout_ns=wanted.timeout_ns or image.timeout_ns,
        start_period_ns=wanted.start_period_ns or image.start_period_ns,
        start_interval_ns=wanted.start_interval_ns or image.start_interval_ns,
        retries=wanted.retries or image.retries,
    )


def probe_command(check: Healthcheck | None, shell: Sequence[str] | None) -> tuple[str, ...]:
    """Return what to run as a probe; empty for none."""
    match check.test if check is not None else ():
        case ("CMD", program, *arguments) if program:
            return (program, *arguments)
        case ("CMD-SHELL", text, *_):
            return (*(shell or DEFAULT_SHELL), text)
        case _:
            return ()


def pause_seconds(check: Healthcheck, health: Health, *, age_ns: int) -> float:
    """Return how long to wait for the next probe; a container that still starts may be looked at more often."""
    if health.status is HealthStatus.STARTING and age_ns < check.start_period_ns:
        return (check.start_interval_ns or DEFAULT_START_INTERVAL_NS) / NS_PER_SECOND
    return (check.interval_ns or DEFAULT_INTERVAL_NS) / NS_PER_SECOND


def timeout_seconds(check: Healthcheck) -> float:
    """Return how long a probe may take."""
    return (check.timeout_ns or DEFAULT_TIMEOUT_NS) / NS_PER_SECOND


def judge_probe(check: Healthcheck, health: Health, result: ProbeResult, *, age_ns: int) -> Health:
    """Return what is known after one more probe. ``age_ns``: how long the container had run when the probe began."""
    log = (*health.log, result)[-LOG_ENTRIES:]
    if result.exit_code == 0:
        return Health(HealthStatus.HEALTHY, 0, log)
    if health.status is HealthStatus.STARTING and age_ns < check.start_period_ns:
        return replace(health, log=log)
    streak = health.failing_streak + 1
    is_over = streak >= (check.retries or DEFAULT_RETRIES)
    return Health(HealthStatus.UNHEALTHY if is_over else health.status, streak, log)


def parse_healthcheck(document: Mapping[str, object] | None) -> Healthcheck | None:
    """Read the JSON form of an image's configuration; raises TypeError where it is not one."""
    if document is None:
        return None
    test = document.get("Test") or []
    if not isinstance(test, list) or not all(isinstance(word, str) for word in test):
        raise TypeError("Healthcheck.Test is not a list of texts")
    return Healthcheck(
        test=tuple(test),
        interval_ns=_whole(document, "Interval"),
        timeout_ns=_whole(document, "Timeout"),
        start_period_ns=_whole(document, "StartPeriod"),
        start_interval_ns=_whole(document, "StartInterval"),
        retries=_whole(document, "Retries"),
    )


def _whole(document: Mapping[str, object], name: str) -> int:
    value = document.get(name) or 0
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"Healthcheck.{name} is not a whole number")
    return max(0, value)


def format_healthcheck(check: Healthcheck) -> dict[str, object]:
    """Return the JSON form; what is not set is left out."""
    values: dict[str, object] = {
        "Test": list(check.test),
        "Interval": check.interval_ns,
        "Timeout": check.timeout_ns,
        "StartPeriod": check.start_period_ns,
        "StartInterval": check.start_interval_ns,
        "Retries": check.retries,
    }
    return {name: value for name, value in values.items() if value}
