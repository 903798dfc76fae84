"""Spans of time as Go programs write and read them: ``1h30m``, ``1.5s``, ``300ms``. Pure."""

import re

from engine.errors import InvalidParameter

NS_PER_MS = 10**6
NS_PER_SECOND = 10**9
_UNITS_NS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "μs": 10**3,
    "ms": NS_PER_MS,
    "s": NS_PER_SECOND,
    "m": 60 * NS_PER_SECOND,
    "h": 3600 * NS_PER_SECOND,
}
_PART = re.compile(r"(\d{1,18})(?:\.(\d{0,18}))?(ns|us|µs|μs|ms|s|m|h)", re.ASCII)
_MOST_NS = 2**63 - 1


def parse_duration(text: str) -> int:
    """Return nanoseconds. Raises InvalidParameter."""
    if text == "0":
        return 0
    total, position = 0, 0
    while match := _PART.match(text, position):
        unit_ns = _UNITS_NS[match[3]]
        fraction = match[2] or ""
        total += int(match[1]) * unit_ns + (int(fraction) * unit_ns // 10 ** len(fraction) if fraction else 0)
        position = match.end()
    if not text or position != len(text) or total > _MOST_NS:
        raise InvalidParameter(f"invalid duration {text[:40]!r}: use such as 30s, 1m30s or 500ms")
    return total


def format_duration(span_ns: int) -> str:
    """Return such as ``1m30s`` or ``500ms``, the way Go writes it."""
    if span_ns < NS_PER_SECOND:
        return _small(span_ns)
    minutes, rest_ns = divmod(span_ns, _UNITS_NS["m"])
    hours, minutes = divmod(minutes, 60)
    seconds = f"{_decimal(rest_ns, NS_PER_SECOND)}s"
    if hours:
        return f"{hours}h{minutes}m{seconds}"
    return f"{minutes}m{seconds}" if minutes else seconds


def _small(span_ns: int) -> str:
    for unit in ("ms", "µs"):
        if span_ns >= _UNITS_NS[unit]:
            return f"{_decimal(span_ns, _UNITS_NS[unit])}{unit}"
    return f"{span_ns}ns" if span_ns else "0s"


def _decimal(span_ns: int, unit_ns: int) -> str:
    whole, rest = divmod(span_ns, unit_ns)
    digits = len(str(unit_ns)) - 1
    return f"{whole}.{rest:0{digits}d}".rstrip("0").rstrip(".") if rest else str(whole)
