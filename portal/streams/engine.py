"""The engine as a stream's tenant: a client of its socket that always says for whom it asks."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from aiodocker import Docker
from aiodocker.exceptions import DockerError
from aiodocker.execs import Exec
from aiodocker.stream import Stream
from django.conf import settings
from yarl import URL

_API_VERSION = "v1.47"
_UNREACHABLE = 900


class EngineAway(Exception):
    """The engine does not answer at the moment."""


@asynccontextmanager
async def open_engine(tenant: str) -> AsyncIterator[Docker]:
    """Yield a client that acts as ``tenant``; the empty one is the administrators'.

    Raises EngineAway where the socket does not answer or the connection breaks.
    """
    connector = aiohttp.UnixConnector(settings.ENGINE_SOCKET)
    headers = {"Atelier-Tenant": tenant} if tenant else {}  # an empty header is refused
    try:
        async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
            yield Docker(url="unix://engine", connector=connector, session=session, api_version=_API_VERSION)
    except (aiohttp.ClientError, OSError) as error:
        raise EngineAway(str(error)) from error
    except DockerError as error:
        if error.status == _UNREACHABLE:
            raise EngineAway(error.message) from error
        raise


def join_exec(docker: Docker, exec_id: str) -> Stream:
    """Return the raw stream of a running tty exec: its last output again, then live, and our input."""

    async def where() -> tuple[URL, None, bool]:
        return URL(f"exec/{exec_id}/attach").with_query(stdin=1, replay=1), None, True

    return Stream(docker, where)


async def inspect_exec(docker: Docker, exec_id: str) -> dict[str, Any] | None:
    """Return the exec as the engine tells it, or None if it is not there any more."""
    try:
        return await Exec(docker, exec_id).inspect()
    except DockerError as error:
        if error.status == 404:
            return None
        raise


async def create_shell(docker: Docker, container_id: str, command: list[str]) -> str:
    """Create ``command`` on a new terminal of the container and return the exec's id; nothing runs yet."""
    container = docker.containers.container(container_id)
    created = await container.exec(command, stdin=True, tty=True, environment={"TERM": "xterm-256color"})
    return created.id


async def start_shell(docker: Docker, exec_id: str) -> None:
    """Start a created exec with nobody attached: who looks at it joins."""
    await Exec(docker, exec_id, tty=True).start(detach=True)


async def resize_exec(docker: Docker, exec_id: str, *, rows: int, columns: int) -> None:
    await Exec(docker, exec_id, tty=True).resize(h=rows, w=columns)


@asynccontextmanager
async def open_log(tenant: str, container_id: str, *, has_times: bool, tail: int) -> AsyncIterator[aiohttp.StreamReader]:
    """Yield the container's output from its last ``tail`` lines on, as multiplexed frames, until it ends.

    Not through the client's own log reader: that one gives up which of the two streams a piece came from.
    """
    query = {"follow": 1, "stdout": 1, "stderr": 1, "timestamps": int(has_times), "tail": tail}
    async with (
        open_engine(tenant) as docker,
        docker._query(f"containers/{container_id}/logs", params=query, timeout=aiohttp.ClientTimeout()) as response,
    ):
        yield response.content
