"""The actions on labs. Each may be run twice: what a job made is found again by its label."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from docker import APIClient
from docker.errors import APIError, NotFound

from engine.agent.client import JOB_LABEL, LAB_LABEL

_STOP_SECONDS = 5
_NANO = 10**9


def start(client: APIClient, *, job_id: int, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Create the lab's container unless it exists, and start it unless it runs."""
    container_id = find_container(client, parameters["lab"]) or _create(client, job_id=job_id, parameters=parameters)
    client.start(container_id)
    started_at = client.inspect_container(container_id)["State"]["StartedAt"]
    return {"container_id": container_id, "observed_at_ns": parse_time_ns(started_at)}


def stop(client: APIClient, *, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Stop the lab's container; one that is gone or stopped is as it should be."""
    container_id = find_container(client, parameters["lab"])
    if container_id is None:
        return {"container_id": "", "observed_at_ns": 0}
    try:
        client.stop(container_id, timeout=_STOP_SECONDS)
        finished_at = client.inspect_container(container_id)["State"]["FinishedAt"]
    except NotFound:
        return {"container_id": "", "observed_at_ns": 0}
    return {"container_id": container_id, "observed_at_ns": parse_time_ns(finished_at)}


def remove(client: APIClient, *, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Remove the lab's container, running or not; one that is gone is as it should be."""
    container_id = find_container(client, parameters["lab"])
    if container_id is not None:
        try:
            client.remove_container(container_id, v=True, force=True)
        except NotFound:
            return {}
        except APIError as error:
            if error.status_code != 409 or find_container(client, parameters["lab"]) is not None:
                raise
    return {}


def find_container(client: APIClient, lab_id: str) -> str | None:
    found = client.containers(all=True, filters={"label": [f"{LAB_LABEL}={lab_id}"]})
    return str(found[0]["Id"]) if found else None


def _create(client: APIClient, *, job_id: int, parameters: Mapping[str, Any]) -> str:
    memory_bytes = int(parameters["memory_bytes"])
    host_config = client.create_host_config(
        nano_cpus=int(float(parameters["cpus"]) * _NANO),
        mem_limit=memory_bytes,
        memswap_limit=memory_bytes,
        pids_limit=int(parameters["pids"]),
    )
    if parameters.get("has_docker"):
        host_config["Atelier"] = {"DockerSocket": True}
    lab_id = str(parameters["lab"])
    created = client.create_container(
        image=parameters["image"],
        command=list(parameters.get("command") or []) or None,
        name=f"lab-{parameters['hostname']}-{lab_id[:8]}",
        hostname=str(parameters["hostname"])[:63],
        labels={LAB_LABEL: lab_id, JOB_LABEL: str(job_id)},
        host_config=host_config,
    )
    return str(created["Id"])


def parse_time_ns(text: str) -> int:
    """Return nanoseconds since 1970 of an RFC 3339 time in UTC; 0 for Docker's "never", which is the year 1."""
    whole, _, fraction = text.removesuffix("Z").partition(".")
    moment = datetime.strptime(whole, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)
    if moment.year < 1970:
        return 0
    return int(moment.timestamp()) * _NANO + int(fraction[:9].ljust(9, "0"))
