"""Options of a container's log, in Docker's words: what is allowed, how much is kept, and what ``--details`` tells.

Owns names and arithmetic. The log itself is always written by the engine, whichever of Docker's drivers a client names; "none" is
the one whose log cannot be read. Pure.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote_plus

from engine.core.filters import matches_name
from engine.core.ids import short_id
from engine.core.sizes import parse_size
from engine.errors import InvalidParameter

DEFAULT_DRIVER = "json-file"
NO_DRIVER = "none"
SEGMENT_BYTES = 16 * 2**20
LEAST_SEGMENT_BYTES = 64 * 2**10  # making and deleting a file takes a millisecond of the one writer of all logs
_MOST_FILES = 1000
_UNREAD_SEGMENT_BYTES, _UNREAD_SEGMENTS = 8 * 2**20, 2  # behind "none": for attached clients, who read it from there

_ANY = frozenset({"mode", "max-buffer-size"})
_ROTATION = frozenset({"max-size", "max-file", "compress"})
_DETAILS = frozenset({"labels", "labels-regex", "env", "env-regex", "tag"})
_OPTIONS: Mapping[str, frozenset[str]] = {
    "json-file": _ANY | _ROTATION | _DETAILS,
    "local": _ANY | _ROTATION,
    NO_DRIVER: _ANY | _ROTATION | _DETAILS,
}
_DEFAULTS: Mapping[str, Mapping[str, str]] = {"local": {"max-size": "20m", "max-file": "5"}}
_FIELD = re.compile(r"\{\{(.*?)\}\}")


@dataclass(frozen=True, slots=True)
class LogLimits:
    """How the log is cut. ``keep_segments`` 0: all are kept."""

    segment_bytes: int
    keep_segments: int


@dataclass(frozen=True, slots=True)
class LogSubject:
    """What options may tell of a container."""

    container_id: str
    name: str
    image_id: str
    image: str
    labels: Mapping[str, str]
    env: tuple[str, ...]


def check_log_options(driver: str, options: Mapping[str, str]) -> None:
    """Raise InvalidParameter for a driver that is not there, and for options that it does not take."""
    if driver not in _OPTIONS:
        raise InvalidParameter(f"unknown log driver {driver[:60]!r}: use json-file, local or none")
    for name in options:
        if name not in _OPTIONS[driver]:
            raise InvalidParameter(f"unknown log opt {name[:60]!r} for log driver {driver}")
    _check_mode(options)
    for name in ("labels-regex", "env-regex"):
        matches_name((options.get(name, ""),), ("",))
    tag_of(options, LogSubject("", "", "", "", {}, ()))
    if driver != NO_DRIVER:
        limits = log_limits(driver, options)
        if _flag(options.get("compress", "false")) and driver == "json-file" and limits.keep_segments < 2:
            raise InvalidParameter("log opt compress cannot be true when max-file is less than 2 or max-size is not set")


def _check_mode(options: Mapping[str, str]) -> None:
    mode = options.get("mode", "")
    if mode not in ("", "blocking", "non-blocking"):
        raise InvalidParameter(f"logging mode not supported: {mode[:60]}, use blocking or non-blocking")
    if "max-buffer-size" in options:
        if mode != "non-blocking":
            raise InvalidParameter("log opt max-buffer-size is only supported with mode=non-blocking")
        _size("max-buffer-size", options["max-buffer-size"])


def log_limits(driver: str, options: Mapping[str, str]) -> LogLimits:
    """Return how the log is cut. Raises InvalidParameter."""
    if driver == NO_DRIVER:
        return LogLimits(_UNREAD_SEGMENT_BYTES, _UNREAD_SEGMENTS)
    chosen = {**_DEFAULTS.get(driver, {}), **options}
    files = _files(chosen.get("max-file", "1"))
    if "max-size" not in chosen:
        return LogLimits(SEGMENT_BYTES, 0)
    return LogLimits(max(LEAST_SEGMENT_BYTES, _size("max-size", chosen["max-size"])), files)


def _size(name: str, text: str) -> int:
    if (size := parse_size(text)) is None:
        raise InvalidParameter(f"invalid log opt {name} {text[:40]!r}: use a size such as 500k, 10m or 1g")
    return size


def _files(text: str) -> int:
    count = int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0
    if not 1 <= count <= _MOST_FILES:
        raise InvalidParameter(f"invalid log opt max-file {text[:40]!r}: use 1 to {_MOST_FILES}")
    return count


def _flag(text: str) -> bool:
    if text.lower() not in ("1", "t", "true", "0", "f", "false"):
        raise InvalidParameter(f"invalid log opt compress {text[:40]!r}: use true or false")
    return text.lower() in ("1", "t", "true")


def attributes(options: Mapping[str, str], subject: LogSubject) -> str:
    """Return what ``--details`` shows before each line: labels, variables and tag that the options name, sorted."""
    env = dict(entry.partition("=")[::2] for entry in subject.env)
    found = {
        **_named(subject.labels, options.get("labels", ""), options.get("labels-regex", "")),
        **_named(env, options.get("env", ""), options.get("env-regex", "")),
    }
    if tag := tag_of(options, subject):
        found["tag"] = tag
    return ",".join(f"{quote_plus(name)}={quote_plus(found[name])}" for name in sorted(found))


def _named(values: Mapping[str, str], names: str, pattern: str) -> dict[str, str]:
    wanted = set(names.split(","))
    return {name: value for name, value in values.items() if name in wanted or (pattern and matches_name((pattern,), (name,)))}


def tag_of(options: Mapping[str, str], subject: LogSubject) -> str:
    """Return the tag with its fields filled in. Raises InvalidParameter for one that is not there."""
    fields = {
        ".ID": short_id(subject.container_id),
        ".FullID": subject.container_id,
        ".Name": subject.name,
        ".ImageID": short_id(subject.image_id.removeprefix("sha256:")),
        ".ImageFullID": subject.image_id,
        ".ImageName": subject.image,
        ".DaemonName": "docker",
    }

    def fill(match: re.Match[str]) -> str:
        try:
            return fields[match[1].strip()]
        except KeyError:
            known = ", ".join(f"{{{{{name}}}}}" for name in fields)
            raise InvalidParameter(f"unknown field {match[0][:60]!r} in log opt tag: use {known}") from None

    return _FIELD.sub(fill, options.get("tag", ""))
