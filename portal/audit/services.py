"""Writes the audit log."""

from typing import Any

from portal.accounts.models import User
from portal.audit.models import AuditEntry
from portal.audit.origin import acting_address


def record(*, actor: User | None, action: str, subject: str, before: Any = None, after: Any = None, **detail: Any) -> None:
    """Note that ``actor`` (None: the portal itself) did ``action`` to ``subject``, such as ``lab.stop`` to ``lab:<uuid>``.

    ``before`` and ``after`` are what was changed, as JSON; from where it was asked is known from the request.
    """
    AuditEntry.objects.create(
        actor=actor,
        actor_name=actor.username if actor else "",
        action=action,
        subject=subject[:120],
        before=before,
        after=after,
        address=acting_address(),
        detail=detail,
    )
