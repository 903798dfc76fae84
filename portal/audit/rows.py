"""Entries of the audit log as the page shows them: finished values."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from portal.audit.models import AuditEntry
from portal.common.units import format_amount


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow:
    """``changes``: (what, before, after) each; ``facts``: (what, value) of everything else that was noted."""

    at: datetime
    actor: str
    action: str
    subject: str
    address: str
    changes: list[tuple[str, str, str]]
    facts: list[tuple[str, str]]


def audit_row(entry: AuditEntry) -> AuditRow:
    return AuditRow(
        at=entry.at,
        actor=entry.actor_name,
        action=entry.action,
        subject=entry.subject,
        address=entry.address or "",
        changes=_changes(entry.before, entry.after, str(entry.detail.get("resource", ""))),
        facts=[(name, _text(name, value)) for name, value in entry.detail.items()],
    )


def _changes(before: Any, after: Any, resource: str) -> list[tuple[str, str, str]]:
    """``resource`` is what an entry's ``amount`` is of."""
    if before is None and after is None:
        return []
    if not isinstance(before or {}, dict) or not isinstance(after or {}, dict):
        return [("", _text("", before), _text("", after))]
    old, new = before or {}, after or {}
    return [(name, _side(name, old, resource), _side(name, new, resource)) for name in dict.fromkeys([*old, *new])]


def _side(name: str, values: dict[str, Any], resource: str) -> str:
    return _text(resource if name == "amount" else name, values[name]) if name in values else ""


def _text(name: str, value: Any) -> str:
    if value is None:
        return _("no limit")
    if isinstance(value, int | float) and not isinstance(value, bool):
        return format_amount(name, value)
    if isinstance(value, dict):
        return ", ".join(f"{part}: {_text(part, held)}" for part, held in sorted(value.items()))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
