"""Tells the portal of all labs on this host as they are now."""

import time
from typing import Any

from requests.exceptions import RequestException

from engine.agent.client import LAB_LABEL, open_client
from engine.agent.reports import Reporter


def survey(engine: str, reporter: Reporter) -> None:
    """Send one survey; an engine that does not answer has nothing to say, and the next survey comes."""
    try:
        reporter.send("survey", take_survey(engine))
    except RequestException:
        return


def take_survey(engine: str) -> dict[str, Any]:
    """Return ``{"labs": {uuid: {"container_id", "tenant", "is_running", "is_paused"}},
    "observed_at_ns", "engine_version"}``.

    A paused lab runs: its processes are there, and it goes on where it was.
    """
    # Taken before the list: an event that is later than this is news, whatever the list says.
    observed_at_ns = time.time_ns()
    with open_client(engine) as client:
        containers = client.containers(all=True, filters={"label": [LAB_LABEL]})
        version = client.version(api_version=False)["Version"]
    # Listed newest first: of two with one label the older one stays, which is the one that the lab was made with.
    labs = {container["Labels"][LAB_LABEL]: _look_at(container) for container in containers}
    return {"labs": labs, "observed_at_ns": observed_at_ns, "engine_version": version}


def _look_at(container: dict[str, Any]) -> dict[str, Any]:
    state = container["State"]
    return {
        "container_id": container["Id"],
        "tenant": (container.get("Atelier") or {}).get("Tenant", ""),
        "is_running": state in ("running", "paused"),
        "is_paused": state == "paused",
    }
