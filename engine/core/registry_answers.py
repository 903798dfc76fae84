"""What a registry says beside content: challenges, errors, when to come again. Pure, and trusts none of it.

Forms: Distribution API specification ("Errors"), RFC 9110 for headers, RFC 6750 and the token specification for challenges.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime

_MOST_CHARACTERS = 300
_MOST_ERRORS = 5
_MOST_CHALLENGE = 4096
_PARAMETER = re.compile(r'[\s,]*([A-Za-z0-9_-]{1,64})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')
_SCHEME = re.compile(r"\s*([A-Za-z][A-Za-z0-9-]{0,31})(?:\s+|$)")


def shown(text: str, most: int = _MOST_CHARACTERS) -> str:
    """Make someone else's text fit for a message or a log: one line, nothing that moves a terminal's cursor, not too long."""
    cut = text if len(text) <= most else f"{text[:most]}…"
    return "".join(mark if mark.isprintable() else "?" for mark in cut).strip()


@dataclass(frozen=True, slots=True)
class Challenge:
    """How a registry wants to be signed in at: ``scheme`` is lower case, ``parameters`` have lower-case names."""

    scheme: str
    parameters: Mapping[str, str]


def parse_challenge(headers: Iterable[str]) -> Challenge | None:
    """Choose among ``WWW-Authenticate`` headers: bearer that says where tokens are, then basic; None where there is neither."""
    found = {challenge.scheme: challenge for challenge in map(_one_challenge, headers) if challenge is not None}
    bearer = found.get("bearer")
    return bearer if bearer is not None and bearer.parameters.get("realm") else found.get("basic")


def _one_challenge(header: str) -> Challenge | None:
    text = header[:_MOST_CHALLENGE]
    match = _SCHEME.match(text)
    if match is None:
        return None
    values = {
        name.lower(): re.sub(r"\\(.)", r"\1", quoted) if quoted else plain
        for name, quoted, plain in _PARAMETER.findall(text, match.end())
    }
    return Challenge(match[1].lower(), values)


@dataclass(frozen=True, slots=True)
class RegistryErrors:
    """The errors of one answer: codes as DENIED, and a text for people."""

    codes: frozenset[str]
    text: str


def parse_errors(raw: bytes, *, status: int) -> RegistryErrors:
    """Read the body of a refusal; one that is none of the specification's is told by its status alone."""
    try:
        document = json.loads(raw)
        entries = document.get("errors") or [{"code": "", "message": document.get("details") or document.get("message")}]
        pairs = [(_word(entry, "code"), _word(entry, "message")) for entry in entries[:_MOST_ERRORS]]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        pairs = []
    told = [": ".join(part for part in (code.lower().replace("_", " "), message) if part) for code, message in pairs]
    text = shown("; ".join(part for part in told if part)) or f"status {status}"
    return RegistryErrors(frozenset(code for code, _ in pairs), text)


def _word(entry: Mapping[str, object], key: str) -> str:
    value = entry.get(key)
    return shown(value, _MOST_CHARACTERS) if isinstance(value, str) else ""


def parse_retry_after(text: str, *, now: datetime) -> float | None:
    """Return the seconds that ``Retry-After`` asks for, given as seconds or as a date; None where it is neither."""
    text = text.strip()
    if text.isascii() and text.isdigit() and len(text) <= 9:
        return float(text)
    try:
        return max((parsedate_to_datetime(text[:60]) - now).total_seconds(), 0.0)
    except (ValueError, TypeError, OverflowError):
        return None


def parse_content_range(text: str) -> int | None:
    """Return the first byte's place of ``Content-Range: bytes 5-9/10``; None where it is something else."""
    match = re.fullmatch(r"bytes ([0-9]{1,18})-[0-9]{1,18}/(?:[0-9]{1,18}|\*)", text.strip())
    return int(match[1]) if match else None


def parse_next_link(headers: Iterable[str]) -> str:
    """Return the address of the next page (RFC 8288), empty where this is the last."""
    for header in headers:
        for match in re.finditer(r'<([^<>]{1,2000})>\s*;\s*rel="?next"?', header[:8192]):
            return match[1]
    return ""
