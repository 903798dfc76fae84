"""The rules of a team and of its members: what they may do beside what they may use. Pure values, in the engine's spelling.

A rule that is absent allows. Of a member the team's and the own rule must both allow, which the engine sees to.
"""

import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Any

from django.utils.translation import gettext as _

from portal.teams.quotas import INHERIT

FLAGS = ("pull", "build", "push", "publish", "outside")
LISTS = ("images", "outside_to")
RULES = ("images", "pull", "build", "push", "publish", "port_range", "outside", "outside_to")
_MOST_ENTRIES = 100

_PATTERN = re.compile(r"[A-Za-z0-9._:/@*?\[\]-]{1,200}")
_RANGE = re.compile(r"(\d{1,5})\s*[-\u2013]\s*(\d{1,5})")
_MOST_PORT = 65_535


class RuleError(ValueError):
    """A text that is no rule; its message is a sentence for whoever wrote it."""


def parse_images(text: str) -> list[str] | None:
    """Read patterns of image references, one a line; None for all. Raises RuleError."""
    return _parse_list(text, _check_pattern)


def parse_destinations(text: str) -> list[str] | None:
    """Read networks and addresses with an optional port, such as ``10.0.0.0/8`` and ``192.0.2.7/32:443``. Raises RuleError."""
    return _parse_list(text, _check_destination)


def parse_port_range(text: str) -> str | None:
    """Read ``20000-29999``; None for any port. Raises RuleError."""
    words = text.strip()
    if not words:
        return None
    found = _RANGE.fullmatch(words)
    if found is None or not 1 <= int(found[1]) <= int(found[2]) <= _MOST_PORT:
        raise RuleError(_("“%(text)s” is no range of ports. Write one like 20000-29999.") % {"text": words[:60]})
    return f"{int(found[1])}-{int(found[2])}"


def without_absent(rules: Mapping[str, Any]) -> dict[str, Any]:
    """Return the rules that say something."""
    return {name: rules[name] for name in RULES if rules.get(name) is not None}


def combine_rules(*, default: Mapping[str, Any], override: Mapping[str, Any]) -> dict[str, Any]:
    """Return what holds for a member: an own rule (also one of "allowed") in place of the one for all members."""
    return without_absent({**default, **override})


def apply_rule_changes(rules: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``rules`` with the changes made; INHERIT takes an own rule away."""
    changed = {**rules, **changes}
    return {name: changed[name] for name in RULES if name in changed and changed[name] is not INHERIT}


def _parse_list(text: str, check: Callable[[str], str]) -> list[str] | None:
    entries = text.replace(",", "\n").split()
    if len(entries) > _MOST_ENTRIES:
        raise RuleError(_("Too many lines: %(count)s. Write at most %(most)s.") % {"count": len(entries), "most": _MOST_ENTRIES})
    return [check(entry) for entry in entries] or None


def _check_pattern(entry: str) -> str:
    if _PATTERN.fullmatch(entry) is None:
        raise RuleError(_("“%(text)s” is no pattern of images. Write one like atelier/*.") % {"text": entry[:60]})
    return entry


def _check_destination(entry: str) -> str:
    network, _colon, port = entry.partition(":")
    try:
        known = ipaddress.IPv4Network(network, strict=False)
        is_port = not _colon or 1 <= int(port) <= _MOST_PORT
    except ValueError:
        is_port = False
    if not is_port:
        text = _("“%(text)s” is no destination. Write one like 10.0.0.0/8 or 192.0.2.7/32:443.")
        raise RuleError(text % {"text": entry[:60]})
    return f"{known}:{int(port)}" if _colon else str(known)
