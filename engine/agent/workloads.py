"""The actions on containers, images, volumes and networks of a tenant. Each may be run twice: what is so already is as asked."""

import contextlib
from collections.abc import Callable, Mapping
from typing import Any

from docker import APIClient
from docker.errors import APIError, NotFound

from engine.agent.failures import ActionFailed
from engine.agent.labs import parse_time_ns

_STOP_SECONDS = 10
_CONFLICT = 409
_FORBIDDEN = 403  # Docker's answer for a network with active endpoints
_UNTAGGED = "<none>:<none>"


def stop_container(client: APIClient, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Stop a container; one that is gone or stopped is as it should be."""
    with contextlib.suppress(NotFound):
        client.stop(str(parameters["id"]), timeout=_STOP_SECONDS)
    return {}


def stop_all(client: APIClient, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Stop all that the tenant had running when somebody looked at it (``before_ns``); returns the names of what was ``stopped``.

    What was started since, such as a lab, goes on. One that starts itself again and again counts by its first start.
    """
    stopped = []
    for container in client.containers():
        container_id = str(container["Id"])
        with contextlib.suppress(NotFound):
            if _runs_since(client, container_id, int(parameters["before_ns"])):
                client.stop(container_id, timeout=_STOP_SECONDS)
                stopped.append(str(container["Names"][0]).lstrip("/"))
    return {"stopped": stopped}


def start_container(client: APIClient, parameters: Mapping[str, Any]) -> dict[str, Any]:
    client.start(str(parameters["id"]))
    return {}


def remove_container(client: APIClient, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Remove a container with its nameless volumes, running or not."""
    container_id = str(parameters["id"])
    try:
        client.remove_container(container_id, v=True, force=True)
    except NotFound:
        return {}
    except APIError as error:
        # Somebody else is removing it: that is as asked, once it is through.
        if error.status_code != _CONFLICT or _is_there(client, container_id):
            raise
    return {}


def remove_image(client: APIClient, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Take all names from an image, with the last of which it goes. Raises ActionFailed while something uses it."""
    image_id = str(parameters["id"])
    inspect: Callable[[str], dict[str, Any]] = client.inspect_image  # which has no types
    try:
        names = [name for name in inspect(image_id)["RepoTags"] or () if name != _UNTAGGED]
        for name in names or [image_id]:
            client.remove_image(name)
    except NotFound:
        return {}
    except APIError as error:
        raise _in_use(error) from error
    return {}


def remove_volume(client: APIClient, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Remove a volume with what is in it. Raises ActionFailed while something uses it."""
    try:
        client.remove_volume(str(parameters["id"]))
    except NotFound:
        return {}
    except APIError as error:
        raise _in_use(error) from error
    return {}


def remove_network(client: APIClient, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Remove a network. Raises ActionFailed while something is attached to it."""
    try:
        client.remove_network(str(parameters["id"]))
    except NotFound:
        return {}
    except APIError as error:
        raise _in_use(error, statuses=(_CONFLICT, _FORBIDDEN)) from error
    return {}


def _runs_since(client: APIClient, container_id: str, before_ns: int) -> bool:
    inspected = client.inspect_container(container_id)
    return bool(inspected["RestartCount"]) or parse_time_ns(inspected["State"]["StartedAt"]) < before_ns


def _is_there(client: APIClient, container_id: str) -> bool:
    try:
        client.inspect_container(container_id)
    except NotFound:
        return False
    return True


def _in_use(error: APIError, *, statuses: tuple[int, ...] = (_CONFLICT,)) -> Exception:
    """Return what to raise: these answers to a removal always mean that something uses the object."""
    return ActionFailed("in_use", str(error.explanation or error)) if error.status_code in statuses else error
