"""Who takes what is short: a tenant's own containers, those that use most of a resource first, for whoever was refused."""

import logging
from typing import Any

from docker import APIClient
from docker.errors import APIError
from requests.exceptions import RequestException

from engine.agent.client import LAB_LABEL

_log = logging.getLogger(__name__)

_MOST_TAKERS = 5
_MOST_ASKED = 30  # each answer costs the engine some reads of the kernel's files
_MEASURED = frozenset({"memory", "swap", "pids"})
_COUNTED = frozenset({"running", "cpus", "ports", "containers"})


def list_takers(client: APIClient, resource: str) -> list[dict[str, Any]]:
    """Return up to five of ``{"id", "name", "lab", "used"}``; empty where stopping or removing containers would not help.

    It is advice only: where the engine does not answer there is none.
    """
    if resource not in _MEASURED | _COUNTED:
        return []
    try:
        found = [_taker(client, container, resource) for container in _candidates(client, resource)]
    except (APIError, RequestException) as error:
        _log.info("no advice on %s: %s", resource, error)
        return []
    return sorted(found, key=lambda taker: -taker["used"])[:_MOST_TAKERS]


def _candidates(client: APIClient, resource: str) -> list[dict[str, Any]]:
    """Return what counts for the resource; of containers as such, those that are not running are missed least."""
    containers = client.containers(all=resource == "containers")
    return sorted(containers, key=lambda container: container["State"] == "running")[:_MOST_ASKED]


def _taker(client: APIClient, container: dict[str, Any], resource: str) -> dict[str, Any]:
    return {
        "id": str(container["Id"]),
        "name": str(container["Names"][0]).lstrip("/"),
        "lab": str((container.get("Labels") or {}).get(LAB_LABEL, "")),
        "used": _used(client, str(container["Id"]), resource) if resource in _MEASURED else 0,
    }


def _used(client: APIClient, container_id: str, resource: str) -> int:
    try:
        stats = client.stats(container_id, stream=False, one_shot=True)
    except APIError:
        return 0  # it ended meanwhile
    if resource == "pids":
        return int((stats.get("pids_stats") or {}).get("current") or 0)
    return read_memory(stats.get("memory_stats") or {})


def read_memory(stats: dict[str, Any]) -> int:
    """Return memory without the file cache that the kernel takes back when it needs to, as ``docker stats`` shows it."""
    details = stats.get("stats") or {}
    cache = details.get("inactive_file", details.get("total_inactive_file", 0))
    return max(0, int(stats.get("usage") or 0) - int(cache or 0))
