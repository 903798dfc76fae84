"""Devices of the host for a container: Docker's ways to write them, and the rules of a cgroup that let them be opened. Pure."""

import re
from collections.abc import Iterable, Sequence

from engine.core.containers import Device
from engine.core.launch import DeviceRule, DeviceSpec
from engine.errors import InvalidParameter

_ACCESS = re.compile(r"(?!.*(.).*\1)[rwm]{1,3}")
_RULE = re.compile(r"([acb]) (\d{1,7}|\*):(\d{1,7}|\*) ([rwm]{1,3})", re.ASCII)
_ANY = -1
_MOST = 2**20 - 1  # numbers of devices have 12 and 20 bits


def parse_device(source: str, target: str, access: str) -> Device:
    """Return a device as a record; empty texts take what Docker takes. Raises InvalidParameter."""
    target = target or source
    for path in (source, target):
        if not path.startswith("/") or ".." in path.split("/"):
            raise InvalidParameter(f"invalid device path {path[:120]!r}: use an absolute path")
    if _ACCESS.fullmatch(access or "rwm") is None:
        raise InvalidParameter(f"invalid device mode {access[:40]!r}: use some of r, w and m")
    return Device(source, target, access or "rwm")


def parse_device_rule(text: str) -> DeviceRule:
    """Read ``c 10:* rwm``. Raises InvalidParameter."""
    match = _RULE.fullmatch(text)
    if match is None or any(number != "*" and int(number) > _MOST for number in match.groups()[1:3]):
        raise InvalidParameter(f"invalid device cgroup rule {text[:80]!r}: use for example 'c 10:* rwm'")
    kind, major, minor, access = match.groups()
    return DeviceRule(kind=kind, major=_number(major), minor=_number(minor), access=access)


def device_rules(devices: Iterable[tuple[DeviceSpec, str]], texts: Iterable[str]) -> list[DeviceRule]:
    """Return the rules that nodes with their access and written rules amount to."""
    own = [DeviceRule(kind=node["kind"], major=node["major"], minor=node["minor"], access=access) for node, access in devices]
    return [*own, *map(parse_device_rule, texts)]


def format_device_rule(rule: DeviceRule) -> str:
    """Return a rule as devices.allow of cgroup version 1 takes it."""
    return f"{rule['kind']} {_text(rule['major'])}:{_text(rule['minor'])} {rule['access']}"


def formatted(rules: Sequence[DeviceRule]) -> tuple[str, ...]:
    """Return rules as texts, each once."""
    return tuple(dict.fromkeys(map(format_device_rule, rules)))


def _number(text: str) -> int:
    return _ANY if text == "*" else int(text)


def _text(number: int) -> str:
    return "*" if number == _ANY else str(number)
