"""Reads the audit log, for administrators only."""

from django.db.models import Q, QuerySet

from portal.audit.models import AuditEntry


def find_entries(*, action: str = "", subject: str = "", person: str = "") -> QuerySet[AuditEntry]:
    """Return the entries of an action, whose subject contains words, and that a person did or that are about them."""
    entries = AuditEntry.objects.all()
    if action:
        entries = entries.filter(action=action)
    if subject:
        entries = entries.filter(subject__icontains=subject)
    if person:
        about = Q(subject__endswith=f"/{person}") | Q(detail__user=person)
        entries = entries.filter(Q(actor_name=person) | about)
    return entries


def known_actions() -> list[str]:
    """Return all actions that the log has entries of."""
    return list(AuditEntry.objects.order_by("action").values_list("action", flat=True).distinct())
