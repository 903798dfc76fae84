"""Seccomp profiles in Docker's JSON form, read with the place of whatever is wrong in them. Daemon only."""

import errno
import json
import platform
from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any

from engine.errors import InvalidParameter
from engine.runtime.seccomp_profile import Action, Comparison, Condition, Profile, Rule

MOST_BYTES = 256 * 1024  # Docker's own, which is a long one, has 13 KB
MOST_RULES = 2000  # a rule for each call and condition takes time to compile
MOST_CONDITIONAL = 200  # Docker's own has about ten
MOST_OF_CALL = 40  # the time grows faster than their number: 100 for one call take seconds, 200 a minute
_MOST_ERRNO = 4095  # MAX_ERRNO of the kernel
_VALUES = 2**64
_ARGUMENTS = 6
_DOCKER_ARCHITECTURES = {"x86_64": {"amd64", "x86", "x32"}, "aarch64": {"arm64", "arm"}}
_ACTIONS: dict[str, Action] = {
    "SCMP_ACT_ALLOW": "ALLOW",
    "SCMP_ACT_ERRNO": "ERRNO",
    "SCMP_ACT_KILL": "KILL",
    "SCMP_ACT_KILL_THREAD": "KILL",
    "SCMP_ACT_KILL_PROCESS": "KILL_PROCESS",
    "SCMP_ACT_TRAP": "TRAP",
    "SCMP_ACT_LOG": "LOG",
}
_COMPARISONS: dict[str, Comparison] = {
    "SCMP_CMP_NE": "NE",
    "SCMP_CMP_LT": "LT",
    "SCMP_CMP_LE": "LE",
    "SCMP_CMP_EQ": "EQ",
    "SCMP_CMP_GE": "GE",
    "SCMP_CMP_GT": "GT",
    "SCMP_CMP_MASKED_EQ": "MASKED_EQ",
}
_OF_PROFILE = frozenset(
    {"defaultAction", "defaultErrnoRet", "architectures", "archMap", "flags", "syscalls", "listenerPath", "listenerMetadata"}
)
_OF_RULE = frozenset({"name", "names", "action", "errnoRet", "args", "comment", "includes", "excludes"})
_OF_ARGUMENT = frozenset({"index", "op", "value", "valueTwo"})


def parse_document(text: str, capabilities: Collection[str], *, machine: str = platform.machine()) -> Profile:
    """A profile as far as it applies to these capabilities. Raises InvalidParameter naming the place that is wrong."""
    if len(text) > MOST_BYTES:
        raise InvalidParameter(f"invalid seccomp profile: {len(text)} characters, the most is {MOST_BYTES}")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidParameter(f"invalid seccomp profile: {error}") from None
    return parse_profile(document, capabilities, machine=machine)


def parse_profile(document: Any, capabilities: Collection[str], *, machine: str = platform.machine()) -> Profile:
    """The same from JSON that was read already."""
    root = _Place(document, "")
    root.check_fields(_OF_PROFILE)
    if root.text("listenerPath", optional=True):
        raise root.wrong("listenerPath", "notifications are not supported")
    entries = [entry for entry in root.entries("syscalls") if _applies(entry, frozenset(capabilities), machine)]
    action, number = _action(root, "defaultAction", "defaultErrnoRet")
    rules = tuple(_rule(entry) for entry in entries)
    if sum(len(rule.names) for rule in rules) > MOST_RULES:
        raise root.wrong("syscalls", f"more than {MOST_RULES} calls")
    conditional = Counter(name for rule in rules if rule.conditions for name in rule.names)
    if conditional.total() > MOST_CONDITIONAL:
        raise root.wrong("syscalls", f"more than {MOST_CONDITIONAL} calls with conditions")
    for name, count in conditional.items():
        if count > MOST_OF_CALL:
            raise root.wrong("syscalls", f"more than {MOST_OF_CALL} rules with conditions for {name[:40]}")
    return Profile(number, rules, default_action=action)


class _Place:
    """An object of the document with typed access, and where it stands."""

    def __init__(self, value: Any, path: str) -> None:
        if not isinstance(value, dict):
            raise InvalidParameter(f"invalid seccomp profile: {path or 'the document'} is not an object")
        self._values: Mapping[str, Any] = value
        self._path = path

    def check_fields(self, known: Collection[str]) -> None:
        """What is not understood could be what the profile is about."""
        for name in self._values:
            if name not in known:
                raise self.wrong(name, "unknown field")

    def wrong(self, name: str, what: str) -> InvalidParameter:
        path = f"{self._path}.{name}" if self._path else name
        return InvalidParameter(f"invalid seccomp profile: {path[:120]}: {what}")

    def text(self, name: str, *, optional: bool = False) -> str:
        value = self._values.get(name)
        if value is None and optional:
            return ""
        if not isinstance(value, str):
            raise self.wrong(name, "a text is expected")
        return value

    def number(self, name: str, *, most: int, default: int | None = None) -> int:
        value = self._values.get(name)
        if value is None and default is not None:
            return default
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
            raise self.wrong(name, f"a number from 0 to {most} is expected")
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        value = self._values.get(name) or []
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.wrong(name, "a list of texts is expected")
        return tuple(value)

    def place(self, name: str) -> "_Place":
        return _Place(self._values.get(name) or {}, f"{self._path}.{name}")

    def entries(self, name: str) -> list["_Place"]:
        value = self._values.get(name) or []
        if not isinstance(value, list):
            raise self.wrong(name, "a list is expected")
        prefix = f"{self._path}.{name}" if self._path else name
        return [_Place(item, f"{prefix}[{index}]") for index, item in enumerate(value)]


def _rule(entry: _Place) -> Rule:
    entry.check_fields(_OF_RULE)
    names = entry.texts("names") or (entry.text("name"),)
    action, number = _action(entry, "action", "errnoRet")
    return Rule(names, number, tuple(map(_condition, entry.entries("args"))), action=action)


def _action(place: _Place, name: str, errno_name: str) -> tuple[Action | None, int]:
    text = place.text(name)
    if text not in _ACTIONS:
        raise place.wrong(name, f"action {text[:40]!r} is not supported, use one of {', '.join(_ACTIONS)}")
    action = _ACTIONS[text]
    number = place.number(errno_name, most=_MOST_ERRNO, default=errno.EPERM)
    if action == "ERRNO":
        return (None, number) if number else (action, 0)  # with 0 the call seems to have worked, without having been made
    return None if action == "ALLOW" else action, 0


def _condition(argument: _Place) -> Condition:
    argument.check_fields(_OF_ARGUMENT)
    comparison = argument.text("op")
    if comparison not in _COMPARISONS:
        raise argument.wrong("op", f"comparison {comparison[:40]!r} is not known, use one of {', '.join(_COMPARISONS)}")
    return Condition(
        argument.number("index", most=_ARGUMENTS - 1),
        _COMPARISONS[comparison],
        argument.number("value", most=_VALUES - 1),
        argument.number("valueTwo", most=_VALUES - 1, default=0),
    )


def _applies(entry: _Place, capabilities: frozenset[str], machine: str) -> bool:
    """``includes`` must all hold, ``excludes`` must not; conditions on the kernel's version hold on every kernel we run on."""
    includes, excludes = entry.place("includes"), entry.place("excludes")
    ours = _DOCKER_ARCHITECTURES.get(machine, {machine})
    if includes.texts("arches") and not ours & set(includes.texts("arches")):
        return False
    if excludes.texts("arches") and ours & set(excludes.texts("arches")):
        return False
    return set(includes.texts("caps")) <= capabilities and not set(excludes.texts("caps")) & capabilities
