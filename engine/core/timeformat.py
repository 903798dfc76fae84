"""Times as Docker writes and reads them, to the nanosecond.

Pure: "now" is handed in where a form is relative to it.
"""

import re
from datetime import UTC, datetime

from engine.errors import InvalidParameter

ZERO_TIME = "0001-01-01T00:00:00Z"
_NS = 1_000_000_000
_UNIX = re.compile(r"(-?\d{1,12})(?:\.(\d{1,9})\d*)?")
_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)(?:\.\d+)?s)?")
_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d(?::\d\d)?)(?:\.(\d{1,9})\d*)?(Z|[+-]\d\d:\d\d)?)?")


def format_time(time_ns: int | None) -> str:
    """Return RFC 3339 in UTC with nine digits; Docker's zero time stands for "never"."""
    if not time_ns:
        return ZERO_TIME
    seconds, nanoseconds = divmod(time_ns, _NS)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{nanoseconds:09d}Z"


def format_seconds(time_ns: int) -> str:
    """Return RFC 3339 in UTC to the second, as volumes tell when they were made."""
    return f"{datetime.fromtimestamp(time_ns // _NS, UTC):%Y-%m-%dT%H:%M:%S}Z"


def parse_time(text: str, *, now_ns: int) -> int | None:
    """Read seconds since 1970, RFC 3339 or a span before now (``10m``, ``1h30m``); empty and ``0`` are None.

    Raises InvalidParameter.
    """
    if text in ("", "0"):
        return None
    if match := _UNIX.fullmatch(text):
        return int(match[1]) * _NS + int((match[2] or "0").ljust(9, "0"))
    if (match := _DURATION.fullmatch(text)) and any(match.groups()):
        hours, minutes, seconds = (int(part or 0) for part in match.groups())
        return now_ns - ((hours * 60 + minutes) * 60 + seconds) * _NS
    if match := _RFC3339.fullmatch(text):
        return _parse_rfc3339(text, match)
    raise _invalid(text)


def _parse_rfc3339(text: str, match: re.Match[str]) -> int:
    day, clock, fraction, zone = match.groups()
    try:
        moment = datetime.fromisoformat(f"{day}T{clock or '00:00'}{'+00:00' if zone in (None, 'Z') else zone}")
    except ValueError:
        raise _invalid(text) from None
    return int(moment.timestamp()) * _NS + int((fraction or "0").ljust(9, "0"))


def _invalid(text: str) -> InvalidParameter:
    return InvalidParameter(f"invalid time {text[:60]!r}: use seconds since 1970, RFC 3339 or a span such as 10m")
