"""Writes the audit log."""

from typing import Any

from portal.accounts.models import User
from portal.audit.models import AuditEntry


def record(*, actor: User | None, action: str, subject: str, **detail: Any) -> None:
    """Note that ``actor`` (None: the portal itself) did ``action`` to ``subject``, such as ``lab.stop`` to ``lab:<uuid>``."""
    AuditEntry.objects.create(
        actor=actor, actor_name=actor.username if actor else "", action=action, subject=subject, detail=detail
    )
