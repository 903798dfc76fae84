"""Spans of time in rough words, as ``docker ps`` shows them. Pure."""

_STEPS = ((60, 1, "second"), (60 * 60, 60, "minute"), (48 * 3600, 3600, "hour"), (14 * 86_400, 86_400, "day"))
_LATER_STEPS = ((60 * 86_400, 7 * 86_400, "week"), (730 * 86_400, 30 * 86_400, "month"))


def format_span(seconds: float) -> str:
    """Return such as ``Less than a second``, ``About a minute``, ``3 hours``, ``2 weeks``."""
    whole = int(seconds)
    if whole < 1:
        return "Less than a second"
    if 60 <= whole < 120:
        return "About a minute"
    if 3600 <= whole < 2 * 3600:
        return "About an hour"
    for limit, unit, name in _STEPS + _LATER_STEPS:
        if whole < limit:
            return _count(whole // unit, name)
    return _count(whole // (365 * 86_400), "year")


def _count(number: int, name: str) -> str:
    return f"{number} {name}" if number == 1 else f"{number} {name}s"
