"""Takes what engines count for each tenant and keeps it by the hour."""

from datetime import UTC, datetime
from typing import Any

from django.db import transaction

from portal.accounts.models import User
from portal.hosts.models import Host
from portal.teams.models import Team
from portal.usage.metering import Reading, Used, by_hour, read_view, used_between
from portal.usage.models import LastReading, UsageHour

# Engines also tell it after each change of a quota, of which a class has forty at once.
_SHORTEST_NS = 20 * 10**9


@transaction.atomic
def take_usage(host_name: str, message: dict[str, Any]) -> None:
    """Apply ``{"observed_at_ns", "tenants": [view of each]}``."""
    host = Host.objects.select_for_update().filter(name=host_name).first()
    if host is None:
        return
    at_ns = int(message.get("observed_at_ns", 0))
    last = {row.tenant: row for row in LastReading.objects.filter(host=host)}
    people = _People()
    for view in message.get("tenants") or []:
        name = str(view.get("name", ""))
        row = last.get(name)
        if (row is None or at_ns >= row.at_ns + _SHORTEST_NS) and people.knows(name):
            _take_view(host, people, name, row, read_view(view, datetime.fromtimestamp(at_ns / 10**9, tz=UTC)))


class _People:
    """Finds teams and users by the name of a tenant, with two look-ups for a whole message."""

    def __init__(self) -> None:
        self._teams = dict(Team.objects.values_list("slug", "pk"))
        self._users = dict(User.objects.values_list("username", "pk"))

    def knows(self, tenant: str) -> bool:
        slug, slash, username = tenant.partition("/")
        return slug in self._teams and (not slash or username in self._users)

    def ids(self, tenant: str) -> dict[str, int | None]:
        slug, _slash, username = tenant.partition("/")
        return {"team_id": self._teams[slug], "user_id": self._users.get(username)}


def _take_view(host: Host, people: _People, name: str, row: LastReading | None, reading: Reading) -> None:
    before = Reading.from_json(row.reading) if row else None
    used = used_between(before, reading)
    if not used.is_nothing:
        for hour, part in by_hour(used, before.at if before else reading.at, reading.at).items():
            _add(host, people, name, hour, part)
    LastReading.objects.update_or_create(
        host=host, tenant=name, defaults={"at_ns": int(reading.at.timestamp() * 10**9), "reading": reading.to_json()}
    )


def _add(host: Host, people: _People, name: str, hour: datetime, used: Used) -> None:
    """Add to the hour's row. The host's row is locked, so nobody else adds to it now."""
    row = UsageHour.objects.filter(host=host, tenant=name, hour=hour).first()
    if row is None:
        row = UsageHour(host=host, tenant=name, hour=hour, **people.ids(name))
    row.cpu_seconds += used.cpu_seconds
    row.memory_byte_seconds += used.memory_byte_seconds
    row.disk_byte_seconds += used.disk_byte_seconds
    row.peak_memory_bytes = max(row.peak_memory_bytes, used.peak_memory_bytes)
    row.refusals += used.refusals
    row.save()
