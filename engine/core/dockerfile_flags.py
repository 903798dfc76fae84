"""The flags between an instruction's word and its arguments (``--from=…``), and what ``RUN --mount`` says.

Grammar: Dockerfile reference. Raises InvalidParameter without a line; who knows the line adds it.
"""

import difflib
import re
from collections.abc import Mapping

from engine.core.dockerfile_errors import cut, quoted
from engine.core.dockerfile_instructions import RunMount
from engine.errors import InvalidParameter

_BLANKS = " \t\r\v\f"
_KINDS = ("bind", "cache", "tmpfs", "secret", "ssh")
_SHARING = ("shared", "private", "locked")
_UNITS = {"": 1, "b": 1, "k": 1 << 10, "kb": 1 << 10, "m": 1 << 20, "mb": 1 << 20, "g": 1 << 30, "gb": 1 << 30}
_FIELDS = {
    "type": "kind",
    "source": "source",
    "src": "source",
    "target": "target",
    "dst": "target",
    "destination": "target",
    "from": "from_",
    "id": "id_",
    "env": "env",
    "sharing": "sharing",
    "mode": "mode",
    "uid": "uid",
    "gid": "gid",
    "size": "size_bytes",
}
_TRUTHS = {"1": True, "t": True, "true": True, "0": False, "f": False, "false": False}
_READONLY = {"readonly": False, "ro": False, "readwrite": True, "rw": True}


def split_flags(text: str, escape: str) -> tuple[list[str], str]:
    """Take the leading words that begin with two dashes, without quotes and escapes; a lone ``--`` ends them."""
    flags: list[str] = []
    position = 0
    while text.startswith("--", position):
        word, position = _read_word(text, position, escape)
        while position < len(text) and text[position] in _BLANKS:
            position += 1
        if word == "--":
            break
        flags.append(word)
    return flags, text[position:]


def _read_word(text: str, position: int, escape: str) -> tuple[str, int]:
    parts: list[str] = []
    quote = ""
    while position < len(text) and (quote or text[position] not in _BLANKS):
        character = text[position]
        position += 1
        if quote and character == quote:
            quote = ""
        elif not quote and character in "'\"":
            quote = character
        elif character == escape:
            parts.append(text[position : position + 1])
            position += 1
        else:
            parts.append(character)
    return "".join(parts), position


class Flags:
    """The flags of one instruction, checked against those it knows. Values are texts; a bare flag has none."""

    def __init__(self, words: list[str], known: tuple[str, ...], *, several: tuple[str, ...] = ()) -> None:
        self._values: dict[str, list[str | None]] = {}
        for word in words:
            name, equals, value = word[2:].partition("=")
            if name not in known:
                raise InvalidParameter(f"unknown flag: {cut(name)}{_suggestion(name, known)}")
            if name in self._values and name not in several:
                raise InvalidParameter(f"duplicate flag specified: {name}")
            self._values.setdefault(name, []).append(value if equals else None)

    def __bool__(self) -> bool:
        return bool(self._values)

    def text(self, name: str) -> str:
        """Return the one value, or an empty text."""
        return next(iter(self.texts(name)), "")

    def texts(self, name: str) -> tuple[str, ...]:
        """Return all values in order."""
        values = self._values.get(name, [])
        if any(value is None for value in values):
            raise InvalidParameter(f"missing a value on flag: {name}: write --{name}=value")
        return tuple(value for value in values if value is not None)

    def truth(self, name: str) -> bool | None:
        """Return what a switch says; bare it means true, absent None."""
        if name not in self._values:
            return None
        value = self._values[name][0]
        if value is not None and value.lower() not in ("true", "false"):
            raise InvalidParameter(f"expecting boolean value for flag {name}, not: {quoted(value)}")
        return value is None or value.lower() == "true"


def _suggestion(name: str, known: tuple[str, ...]) -> str:
    nearest = difflib.get_close_matches(name[:40], known, n=1)
    if nearest:
        return f" (did you mean --{nearest[0]}?)"
    return f" (known are --{', --'.join(known)})" if known else " (no flags are known here)"


def parse_run_mount(text: str) -> RunMount:
    """Read ``type=cache,target=/x,…``; a kind that is not said is bind."""
    options = [part.partition("=") for part in _split_csv(text)]
    kind = next((value for name, _, value in options if name.lower() == "type"), "bind").lower()
    if kind not in _KINDS:
        raise InvalidParameter(f"unsupported mount type {quoted(kind)}: use {', '.join(_KINDS)}")
    fields: dict[str, object] = {"kind": kind}
    for name, equals, value in options:
        field, read = _mount_option(name.strip().lower(), value if equals else None, kind)
        if field in fields and field != "kind":
            raise InvalidParameter(f"mount option {quoted(name)} is given twice")
        fields[field] = read
    _check_mount(kind, fields)
    return RunMount(**fields)  # type: ignore[arg-type]  # _mount_option pairs each field with a value of its type


def _split_csv(text: str) -> list[str]:
    """Split at commas; a part may stand in double quotes."""
    if '"' not in text:
        return text.split(",")
    return [part.replace('"', "") for part in re.findall(r'(?:"[^"]*"|[^",]|")+', text)]


def _mount_option(name: str, value: str | None, kind: str) -> tuple[str, object]:
    if name in _READONLY:
        return "is_readonly", _truth(name, value) ^ _READONLY[name]
    if name == "required":
        return "is_required", _truth(name, value)
    field = _FIELDS.get(name)
    if field is None:
        raise InvalidParameter(f"unexpected mount option {quoted(name)} for type {kind}")
    if value is None:
        raise InvalidParameter(f"mount option {quoted(name)} must be name=value")
    return field, _mount_value(name, value, kind)


def _mount_value(name: str, value: str, kind: str) -> object:
    read: object = value
    if name == "type":
        read = kind
    elif name in ("uid", "gid"):
        read = _number(name, value, 10)
    elif name == "mode":
        read = _number(name, value, 8)
    elif name == "size":
        read = _size(value)
    elif name in ("sharing", "from"):
        read = _checked_text(name, value)
    return read


def _checked_text(name: str, value: str) -> str:
    if name == "sharing" and value.lower() not in _SHARING:
        raise InvalidParameter(f"unsupported sharing value {quoted(value)}: use {', '.join(_SHARING)}")
    if name == "from" and "$" in value:
        raise InvalidParameter(f"variables are not expanded in from={quoted(value)}: name a stage FROM ${{…}} and use its name")
    return value.lower() if name == "sharing" else value


def _check_mount(kind: str, fields: Mapping[str, object]) -> None:
    allowed = {
        "bind": {"source", "target", "from_", "is_readonly"},
        "cache": {"source", "target", "from_", "id_", "sharing", "mode", "uid", "gid", "is_readonly"},
        "tmpfs": {"target", "size_bytes"},
        "secret": {"source", "target", "id_", "env", "mode", "uid", "gid", "is_required"},
        "ssh": {"target", "id_", "mode", "uid", "gid", "is_required"},
    }[kind]
    wrong = sorted(set(fields) - allowed - {"kind"})
    if wrong:
        raise InvalidParameter(f"mount option {quoted(wrong[0].rstrip('_'))} is not allowed for type {kind}")
    if kind in ("bind", "cache", "tmpfs") and not fields.get("target"):
        raise InvalidParameter(f"a mount of type {kind} needs target=/path")


def _truth(name: str, value: str | None) -> bool:
    if value is None:
        return True
    if value.lower() not in _TRUTHS:
        raise InvalidParameter(f"mount option {quoted(name)} is true or false, not {quoted(value)}")
    return _TRUTHS[value.lower()]


def _number(name: str, value: str, base: int) -> int:
    if re.fullmatch(r"[0-7]{1,5}" if base == 8 else r"[0-9]{1,10}", value) is None:
        raise InvalidParameter(f"mount option {name}={quoted(value)} is not a number of base {base}")
    return int(value, base)


def _size(value: str) -> int:
    match = re.fullmatch(r"([0-9]{1,12})([a-zA-Z]{0,2})", value)
    unit = _UNITS.get(match[2].lower()) if match else None
    if match is None or unit is None:
        raise InvalidParameter(f"mount option size={quoted(value)} is not a size: write 64m")
    return int(match[1]) * unit
