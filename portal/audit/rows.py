"""Entries of the audit log as the page shows them: finished values."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from portal.audit.models import AuditEntry
from portal.audit.words import action_words, field_words, subject_words, value_words


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow:
    """``label`` is the action in words. ``changes``: (what, before, after); ``facts``: (what, value) of all else."""

    at: datetime
    actor: str
    action: str
    label: str
    subject: str
    address: str
    changes: list[tuple[str, str, str]]
    facts: list[tuple[str, str]]


def audit_row(entry: AuditEntry) -> AuditRow:
    return AuditRow(
        at=entry.at,
        actor=entry.actor_name,
        action=entry.action,
        label=action_words(entry.action),
        subject=subject_words(entry.subject),
        address=entry.address or "",
        changes=_changes(entry.before, entry.after, str(entry.detail.get("resource", ""))),
        facts=[(field_words(name), value_words(name, value)) for name, value in entry.detail.items()],
    )


def _changes(before: Any, after: Any, resource: str) -> list[tuple[str, str, str]]:
    """``resource`` is what an entry's ``amount`` is of."""
    if before is None and after is None:
        return []
    if not isinstance(before or {}, dict) or not isinstance(after or {}, dict):
        return [("", value_words("", before), value_words("", after))]
    old, new = before or {}, after or {}
    return [
        (_name(name, resource), _side(name, old, resource), _side(name, new, resource)) for name in dict.fromkeys([*old, *new])
    ]


def _name(name: str, resource: str) -> str:
    return field_words(resource if name == "amount" and resource else name)


def _side(name: str, values: dict[str, Any], resource: str) -> str:
    return value_words(resource if name == "amount" else name, values[name]) if name in values else ""
