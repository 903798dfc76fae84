"""Reads hosts."""

from portal.hosts.models import Host


def host_for_new_lab() -> Host | None:
    """Return the host that takes the next lab: the first one that is enabled."""
    return Host.objects.filter(is_enabled=True).order_by("pk").first()
