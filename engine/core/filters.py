"""Docker's ``filters`` parameter: a JSON object of lists, or in the older form of objects of booleans.

Owns reading it and the few ways of matching that all lists share. Pure.
"""

import json
import re
from collections.abc import Collection, Mapping

from engine.core.port_ranges import Range, merge_ranges, ports_of
from engine.errors import InvalidParameter

_ESCAPED = re.compile(r"\\.", re.DOTALL)
_UNBOUNDED = re.compile(r"\)[*+?{]|\(\?")  # (?x) would hide a repetition behind blanks
_REPETITION = re.compile(r"[*+?{]")
_LONGEST_PATTERN = 200
_MOST_CHOICES = 3
_PORTS = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?(?:/(tcp|udp|sctp))?", re.ASCII)
_PORT_MOST = 65535

Filters = Mapping[str, tuple[str, ...]]


def parse_filters(text: str, *, known: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Read the parameter. Raises InvalidParameter for broken JSON and for a filter that the list does not know."""
    if not text:
        return {}
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise InvalidParameter(f"invalid filter {text[:200]!r}: a JSON object of lists is expected")
    for name in document:
        if name not in known:
            raise InvalidParameter(f"invalid filter {name[:60]!r}: use one of {', '.join(sorted(known))}")
    return {name: _values(name, values) for name, values in document.items() if values}


def _values(name: str, values: object) -> tuple[str, ...]:
    if isinstance(values, dict):
        values = [value for value, wanted in values.items() if wanted]
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise InvalidParameter(f"invalid filter {name!r}: a list of texts is expected")
    return tuple(values)


def matches_labels(wanted: Collection[str], labels: Mapping[str, str]) -> bool:
    """Whether all of ``key`` or ``key=value`` hold."""
    return all(_has_label(entry, labels) for entry in wanted)


def _has_label(entry: str, labels: Mapping[str, str]) -> bool:
    key, equals, value = entry.partition("=")
    return key in labels and (not equals or labels[key] == value)


def matches_name(wanted: Collection[str], names: Collection[str]) -> bool:
    """Whether any pattern is found in any name. A pattern that is no regular expression is taken as it stands."""
    return any(_search(pattern, name) for pattern in wanted for name in names)


def _search(pattern: str, name: str) -> bool:
    _check_quick(pattern)
    try:
        return re.search(pattern, name) is not None
    except re.error:
        return pattern in name


def _check_quick(pattern: str) -> None:
    """Refuse what may take for ever: Python's matcher tries all ways, and nothing else runs meanwhile. Raises InvalidParameter.

    Without a repeated group and with few choices, the ways are as many as a small power of a name's length.
    """
    bare = _ESCAPED.sub("", pattern)
    choices = len(_REPETITION.findall(bare)) + (bare.count("|") if "(" in bare else 0)
    if len(pattern) > _LONGEST_PATTERN or _UNBOUNDED.search(bare) or choices > _MOST_CHOICES:
        raise InvalidParameter(
            f"filter pattern {pattern[:60]!r} may take too long: use at most {_LONGEST_PATTERN} characters"
            f" and {_MOST_CHOICES} repetitions, none of a group, and no (?…)"
        )


def parse_bool(values: Collection[str], *, name: str) -> bool:
    """Read a filter such as ``dangling=true``. Raises InvalidParameter."""
    for value in values:
        if value.lower() in ("1", "t", "true"):
            return True
        if value.lower() in ("0", "f", "false"):
            return False
    raise InvalidParameter(f"invalid filter {name!r}: use true or false")


def parse_ports(values: Collection[str], *, name: str) -> frozenset[str]:
    """Read a filter such as ``expose=70-90/udp``; return each port as ``70/udp``. Raises InvalidParameter."""
    ranges = merge_ranges(_port_range(value, name) for value in values)
    return frozenset(f"{number}/{protocol}" for number, protocol in ports_of(ranges))


def _port_range(value: str, name: str) -> Range:
    found = _PORTS.fullmatch(value)
    first, last = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
    if found is None or not first <= last <= _PORT_MOST:
        raise InvalidParameter(f"invalid filter {name}={value[:40]!r}: use a port or a range such as 80, 53/udp or 7000-7010/tcp")
    return found[3] or "tcp", first, last
