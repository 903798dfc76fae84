"""Options of logs: what is taken, what it means, and what is told of a container."""

from dataclasses import replace

import pytest

from engine.core.log_options import SEGMENT_BYTES, LogLimits, LogSubject, attributes, check_log_options, log_limits
from engine.errors import InvalidParameter

SUBJECT = LogSubject("0123456789abcdef" * 4, "lab", "sha256:" + "ab" * 32, "busybox", {"k": "v", "kind": "x y"}, ("A=1", "B=2,3"))

TAKEN: list[tuple[str, dict[str, str], LogLimits]] = [
    ("json-file", {}, LogLimits(SEGMENT_BYTES, 0)),
    ("json-file", {"max-file": "3"}, LogLimits(SEGMENT_BYTES, 0)),
    ("json-file", {"max-size": "10m"}, LogLimits(10 * 2**20, 1)),
    ("json-file", {"max-size": "10m", "max-file": "3"}, LogLimits(10 * 2**20, 3)),
    ("json-file", {"max-size": "1.5k", "max-file": "2"}, LogLimits(65_536, 2)),
    ("json-file", {"max-size": "10 MB"}, LogLimits(10 * 2**20, 1)),
    ("json-file", {"max-size": "100.5k"}, LogLimits(102_912, 1)),
    ("json-file", {"mode": "non-blocking", "max-buffer-size": "4m"}, LogLimits(SEGMENT_BYTES, 0)),
    ("json-file", {"labels": "k", "env": "A", "tag": "{{.Name}}/{{ .ID }}"}, LogLimits(SEGMENT_BYTES, 0)),
    ("local", {}, LogLimits(20 * 2**20, 5)),
    ("local", {"max-size": "1m"}, LogLimits(2**20, 5)),
    ("none", {"max-size": "x"}, LogLimits(8 * 2**20, 2)),
]
REFUSED: list[tuple[str, dict[str, str]]] = [
    ("syslog", {}),
    ("json-file", {"bogus": "1"}),
    ("local", {"labels": "k"}),
    *(("json-file", {"max-size": size}) for size in ("x", "-1", "0", "", "1e3", "10x", "9" * 30)),
    *(("json-file", {"max-size": "1k", "max-file": files}) for files in ("0", "-1", "x", "1001", "1.5")),
    ("json-file", {"compress": "true"}),
    ("json-file", {"compress": "true", "max-size": "1k"}),
    ("json-file", {"compress": "maybe", "max-size": "1k", "max-file": "2"}),
    ("json-file", {"mode": "bogus"}),
    ("json-file", {"max-buffer-size": "4m"}),
    ("json-file", {"max-buffer-size": "x", "mode": "non-blocking"}),
    ("json-file", {"tag": "{{.Secret}}"}),
    ("json-file", {"labels-regex": "(a+)+$"}),
]


@pytest.mark.parametrize(("driver", "options", "expected"), TAKEN, ids=[f"{driver} {options}" for driver, options, _ in TAKEN])
def test_options_say_how_much_is_kept(driver: str, options: dict[str, str], expected: LogLimits) -> None:
    check_log_options(driver, options)
    assert log_limits(driver, options) == expected


@pytest.mark.parametrize(("driver", "options"), REFUSED, ids=[f"{driver} {options}"[:60] for driver, options in REFUSED])
def test_unusable_options_are_refused(driver: str, options: dict[str, str]) -> None:
    with pytest.raises(InvalidParameter):
        check_log_options(driver, options)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ""),
        ({"labels": "k,nosuch"}, "k=v"),
        ({"labels-regex": "^k"}, "k=v,kind=x+y"),
        ({"env": "B,A", "labels": "k"}, "A=1,B=2%2C3,k=v"),
        ({"env-regex": "^B$"}, "B=2%2C3"),
        ({"tag": "{{.Name}}-{{.ID}}"}, "tag=lab-0123456789ab"),
    ],
)
def test_details_name_what_was_asked_for(options: dict[str, str], expected: str) -> None:
    assert attributes(options, SUBJECT) == expected


def test_variables_without_a_value_are_empty() -> None:
    assert attributes({"env": "C"}, replace(SUBJECT, env=("C",))) == "C="
