"""Writes hosts."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils import timezone

from portal.hosts.models import Host


def ensure_host(name: str) -> Host:
    return Host.objects.get_or_create(name=name)[0]


def note_report(*, host_name: str, message: dict[str, Any]) -> None:
    """Remember that a host lives, and the version of its engine where the message says it."""
    changes: dict[str, Any] = {"seen_at": timezone.now()}
    if message.get("engine_version"):
        changes["engine_version"] = str(message["engine_version"])[:40]
    with transaction.atomic():
        Host.objects.filter(name=host_name).update(**changes)


def note_capacity(host: Host, capacity: Mapping[str, Any]) -> None:
    """Remember how large a host is; what it does not tell is unknown."""
    Host.objects.filter(pk=host.pk).update(
        cpus=capacity.get("cpus"),
        memory_bytes=capacity.get("memory"),
        disk_bytes=capacity.get("disk"),
        pids=capacity.get("pids"),
    )


def survey_queues() -> list[str]:
    """Return the queues of all hosts, to ask each what runs there."""
    return [host.queue for host in Host.objects.all()]
