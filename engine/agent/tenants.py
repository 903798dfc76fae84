"""The actions on tenants: give the engine their limits and rules, or have it forget them. Each may be run twice.

A message may come late, after a newer one: the newest revision wins, and an older one is left out.
"""

import re
import threading
import time
from collections.abc import Collection, Container, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

from docker import APIClient
from docker.errors import APIError, create_api_error_from_http_exception
from requests import HTTPError, Response

from engine.agent.client import API_VERSION

_TIMEOUT_SECONDS = 60
_NOT_FOUND = 404

# How the engine names the limit that it cannot keep on this host, or does not take.
_UNHELD = re.compile(r"(?:invalid )?(?:limit (?P<name>[a-z_]+)|(?P<family>io|network|disk) limits)\b")


class Revisions:
    """The newest revision of each tenant that this agent has brought to the engine. Lives in memory, as the ledger does."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._turns: dict[str, threading.Lock] = {}
        self._newest: dict[str, int] = {}

    @contextmanager
    def turn(self, tenant: str, revision: int) -> Iterator[bool]:
        """Wait for the tenant's turn and say whether ``revision`` is still news; what ends well is remembered."""
        with self._lock:
            turn = self._turns.setdefault(tenant, threading.Lock())
        with turn:
            is_news = revision >= self._newest.get(tenant, 0)
            yield is_news
            if is_news:
                self._newest[tenant] = revision

    def newest(self, tenant: str) -> int:
        return self._newest.get(tenant, 0)


REVISIONS = Revisions()


def set_limits(client: APIClient, parameters: Mapping[str, Any], revisions: Revisions = REVISIONS) -> dict[str, Any]:
    """Give the tenant ``limits`` and ``rules`` in place of those before; returns what the engine holds then.

    What cannot be held on this host is named in ``refused`` with the engine's reason: what held before stays, where it still can.
    An older revision is left out: then only ``newest`` is told, the one that holds.
    """
    tenant, revision = str(parameters["tenant"]), int(parameters["revision"])
    with revisions.turn(tenant, revision) as is_news:
        if not is_news:
            return {"revision": revision, "newest": revisions.newest(tenant)}
        view, refused = _put(client, tenant, dict(parameters["limits"]), dict(parameters["rules"]))
        return {
            "revision": revision,
            "limits": view["limits"],
            "rules": view.get("rules") or {},
            "refused": refused,
            "observed_at_ns": time.time_ns(),
        }


def delete_limits(client: APIClient, parameters: Mapping[str, Any], revisions: Revisions = REVISIONS) -> dict[str, Any]:
    """Have the engine forget the tenant's limits; one that has none is as it should be."""
    tenant, revision = str(parameters["tenant"]), int(parameters["revision"])
    with revisions.turn(tenant, revision) as is_news:
        if not is_news:
            return {"revision": revision, "newest": revisions.newest(tenant)}
        response = client.delete(_address(client, tenant), timeout=_TIMEOUT_SECONDS)
        if response.status_code != _NOT_FOUND:
            _check(response)
        return {"revision": revision, "limits": {}, "rules": {}, "refused": {}, "observed_at_ns": time.time_ns()}


def list_tenants(client: APIClient) -> list[dict[str, Any]]:
    """Return the engine's view of all tenants: limits, rules, usage."""
    response = client.get(_address(client), timeout=_TIMEOUT_SECONDS)
    _check(response)
    views: list[dict[str, Any]] = response.json()
    return views


def _put(client: APIClient, tenant: str, limits: dict[str, Any], rules: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Set what can be held; returns the engine's view of the tenant, and why it holds the rest not."""
    refused: dict[str, str] = {}
    before: dict[str, Any] = {}
    while True:
        try:
            response = client.put(_address(client, tenant), json={**limits, "rules": rules}, timeout=_TIMEOUT_SECONDS)
            _check(response)
            view: dict[str, Any] = response.json()
            return view, refused
        except APIError as error:
            unheld = unheld_limits(str(error.explanation), limits)
            if error.status_code not in (400, 503) or not unheld:
                raise
            before = before or _held_limits(client, tenant)
            limits = fall_back(limits, unheld, before=before, tried=refused)
            # The first reason is about what was wanted, a second one about what held before.
            refused = dict.fromkeys(unheld, str(error.explanation)[:300]) | refused


def fall_back(
    limits: Mapping[str, Any], unheld: Collection[str], *, before: Mapping[str, Any], tried: Container[str]
) -> dict[str, Any]:
    """Return ``limits`` with what held ``before`` in place of what is refused, and without that where it was ``tried`` too.

    A refused limit must not become none: whoever had a lower one would have no ceiling at all until somebody looks.
    """
    kept = {name: before[name] for name in unheld if name not in tried and before.get(name) is not None}
    return {name: value for name, value in limits.items() if name not in unheld} | kept


def _held_limits(client: APIClient, tenant: str) -> dict[str, Any]:
    """Return the limits that the engine holds of the tenant now; none of one that it does not know."""
    response = client.get(_address(client, tenant), timeout=_TIMEOUT_SECONDS)
    if response.status_code == _NOT_FOUND:
        return {}
    _check(response)
    limits: dict[str, Any] = response.json()["limits"]
    return limits


def unheld_limits(message: str, limits: Mapping[str, Any]) -> list[str]:
    """Return which of ``limits`` the engine's refusal is about; none where it is about something else."""
    found = _UNHELD.match(message)
    if found is None:
        return []
    family = found["family"]
    return [name for name in limits if (name.startswith(family) if family else name == found["name"])]


def _check(response: Response) -> None:
    """Raise the client library's own APIError for a refusal, as its own calls do."""
    try:
        response.raise_for_status()
    except HTTPError as error:
        create_api_error_from_http_exception(error)


def _address(client: APIClient, tenant: str = "") -> str:
    return f"{client.base_url}/v{API_VERSION}/tenants" + (f"/{quote(tenant)}" if tenant else "")
