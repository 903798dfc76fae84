"""Imports a root file system as an image, and sees to it that a failed import leaves none."""

import contextlib
import json
from collections.abc import Iterable
from typing import Any

from docker import APIClient
from docker.errors import APIError

from engine.agent.failures import ActionFailed


def import_root(client: APIClient, root: Iterable[bytes] | bytes, reference: str, *, changes: list[str]) -> dict[str, Any]:
    """Import a tar of a root file system as ``reference`` and return the image's id. Raises what ``root`` raises."""
    repository, _, tag = reference.rpartition(":")
    answer = client.import_image_from_data(root, repository=repository, tag=tag, changes=changes)
    return {"image_id": read_answer(answer)}


def read_answer(answer: str) -> str:
    """Return the id in the last line of an import's stream of JSON; raises ActionFailed for an error in it."""
    image_id = ""
    for line in answer.splitlines():
        message = json.loads(line)
        if "error" in message:
            raise ActionFailed("refused", str(message["error"]))
        image_id = str(message.get("status", image_id))
    return image_id


def remove_image(client: APIClient, reference: str) -> None:
    with contextlib.suppress(APIError):
        client.remove_image(reference, force=True)
