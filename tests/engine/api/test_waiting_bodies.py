"""Bodies of requests whose work waits for its turn stay with their clients: there may be many who wait."""

import socket
import tarfile
from contextlib import ExitStack

import pytest

from engine.service import builds, slow_work
from tests.engine.daemon import EngineDaemon

pytestmark = pytest.mark.requires_root

MALLORY = "waiters/mallory"
ROUTES = {
    "build": ("/build", builds.AT_ONCE),
    "load": ("/images/load", slow_work.AT_ONCE),
    "import": ("/images/create?fromSrc=-&repo=x", slow_work.AT_ONCE),
}
_SILENCE_SECONDS = 1.0


def begin(stack: ExitStack, engine: EngineDaemon, path: str) -> socket.socket:
    """Begin to send an archive with a very large file."""
    client = stack.enter_context(socket.socket(socket.AF_UNIX))
    client.connect(str(engine.socket_path))
    client.settimeout(_SILENCE_SECONDS)
    lines = ["Host: engine", f"Atelier-Tenant: {MALLORY}", "Content-Type: application/x-tar", f"Content-Length: {9 << 30}"]
    client.sendall("\r\n".join([f"POST {path} HTTP/1.1", *lines, "", ""]).encode())
    member = tarfile.TarInfo("file")
    member.size = 8 << 30
    client.sendall(member.tobuf())
    return client


def taken(client: socket.socket, most: int) -> int:
    """How much the engine takes before it stops."""
    sent = 0
    try:
        while sent < most:
            sent += client.send(bytes(64 << 10))
    except TimeoutError:
        pass
    return sent


@pytest.mark.parametrize(("path", "at_once"), ROUTES.values(), ids=ROUTES)
def test_a_body_that_nobody_reads_yet_is_not_taken(engine: EngineDaemon, path: str, at_once: int) -> None:
    with ExitStack() as stack:
        for client in [begin(stack, engine, path) for _ in range(at_once)]:
            assert taken(client, 4 << 20) >= 4 << 20  # its turn has come
        assert taken(begin(stack, engine, path), 4 << 20) < 3 << 19
