"""A second look at tests that failed: most of them race a real kernel on a machine that others use too.

A few that fail are tried again by themselves, several times. Who passes each time is unsteady: it is named, so that it gets
mended, but it stops nobody. Who fails once more has failed.
"""

import json
from collections.abc import Callable
from pathlib import Path

TIMES = 3
MOST = 5  # more that fail have a cause in common


def failed_tests(cache: Path) -> list[str]:
    """Return the tests of the last run that deserve a second look, by pytest's ids; none where too many failed."""
    try:
        found = sorted(json.loads((cache / "v/cache/lastfailed").read_bytes()))
    except FileNotFoundError:  # it ended before it ran any
        return []
    return found if len(found) <= MOST and all("::" in name for name in found) else []


def passes_each_time(passes: Callable[[], bool]) -> bool:
    """Try until it fails, or often enough."""
    return all(passes() for _ in range(TIMES))
