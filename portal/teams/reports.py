"""Takes what a host's agent tells of its tenants: what is used, what is held, and how large the host is."""

from typing import Any

from django.db import transaction

from portal.hosts.models import Host
from portal.hosts.services import note_capacity
from portal.teams.models import TenantOnHost
from portal.teams.pushes import sync_host


@transaction.atomic
def take_usage(host_name: str, message: dict[str, Any]) -> None:
    """Keep ``{"observed_at_ns", "capacity", "tenants": [...]}`` and tell the host again what it holds otherwise than it shall."""
    host = Host.objects.filter(name=host_name).first()
    if host is None:
        return
    note_capacity(host, message.get("capacity") or {})
    reported = {str(view["name"]): view for view in message.get("tenants") or []}
    for row in TenantOnHost.objects.filter(host=host, tenant__in=reported):
        TenantOnHost.objects.filter(pk=row.pk).update(report=_kept(reported[row.tenant]))
    if host.is_enabled:
        sync_host(host, reported, int(message.get("observed_at_ns", 0)))


def _kept(view: dict[str, Any]) -> dict[str, Any]:
    return {name: view.get(name) for name in ("usage", "peak", "over", "refusals")}
