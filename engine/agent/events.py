"""Follows the engine's events about labs for ever and passes them on; after each gap a survey tells what was missed."""

import logging
import time
from typing import Any

from docker import APIClient
from docker.errors import APIError
from requests.exceptions import RequestException

from engine.agent.client import LAB_LABEL, open_client
from engine.agent.reports import Reporter
from engine.agent.survey import survey

_log = logging.getLogger(__name__)

_SHORTEST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 5.0
_WANTED = ("start", "die", "destroy", "pause", "unpause", "oom")


def follow_events(engine: str, reporter: Reporter) -> None:
    """Run in a thread of its own. Comes back to an engine that went away, patiently."""
    pause_seconds = _SHORTEST_PAUSE_SECONDS
    while True:
        try:
            with open_client(engine) as client:
                events = open_events(client)
                pause_seconds = _SHORTEST_PAUSE_SECONDS
                survey(engine, reporter)
                _pass_on(events, reporter)
        except (RequestException, APIError, OSError, ValueError) as error:
            _log.info("no events from the engine: %s", error)
        time.sleep(pause_seconds)
        pause_seconds = min(_LONGEST_PAUSE_SECONDS, pause_seconds * 2)


def open_events(client: APIClient) -> Any:
    """Begin to listen; what happens from now on is not missed."""
    filters = {"type": ["container"], "event": list(_WANTED), "label": [LAB_LABEL]}
    return client.events(decode=True, filters=filters)


def _pass_on(events: Any, reporter: Reporter) -> None:
    killed_for_memory: set[str] = set()
    for event in events:
        container_id = event["Actor"]["ID"]
        if event["Action"] == "oom":
            killed_for_memory.add(container_id)
            continue
        reporter.send("event", read_event(event, oom=container_id in killed_for_memory))
        killed_for_memory.discard(container_id)


def read_event(event: dict[str, Any], *, oom: bool) -> dict[str, Any]:
    """Return the message of an event of the Docker API."""
    attributes = event["Actor"].get("Attributes", {})
    return {
        "action": event["Action"],
        "lab": attributes.get(LAB_LABEL, ""),
        "tenant": (event.get("Atelier") or {}).get("Tenant", ""),
        "container_id": event["Actor"]["ID"],
        "exit_code": attributes.get("exitCode"),
        "oom": oom,
        "observed_at_ns": int(event["timeNano"]),
    }
