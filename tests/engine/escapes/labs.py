"""A lab with its tenant's docker socket, as a student has it, beside another tenant who has something to lose."""

import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from tests.engine.daemon import Answer, EngineDaemon, running_engine, wait_until
from tests.engine.escapes.cells import ADA, BOB

WITH_SOCKET: dict[str, Any] = {"HostConfig": {"Atelier": {"DockerSocket": True}}}


class Lab:
    """Ada's lab, and what she does from it."""

    def __init__(self, engine: EngineDaemon) -> None:
        self.engine = engine
        self.container_id = engine.run("sleep", "6000", tenant=ADA, name="lab", **WITH_SOCKET)

    def ask(self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None) -> Answer:
        """One request on the socket that the lab has."""
        return self.engine.request(method, path, body, headers=headers, through=self.engine.socket_of(ADA))

    def shell(self, script: str, container: str = "lab") -> str:
        """What a line of shell in one of Ada's containers prints, errors included."""
        environment = {**os.environ, "DOCKER_HOST": f"unix://{self.engine.socket_of(ADA)}"}
        command = ["docker", "exec", container, "sh", "-c", script]
        return subprocess.run(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False
        ).stdout

    def raw(self, sent: bytes) -> bytes:
        """Send bytes, and return all that comes until the connection is closed."""
        with self.connection() as connection:
            connection.sendall(sent)
            received = b""
            with suppress(ConnectionResetError):
                while data := connection.recv(65536):
                    received += data
            return received

    @contextmanager
    def connection(self) -> Iterator[socket.socket]:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(20)
            wait_until(lambda: self._is_connected(connection), "a place in the queue of connections")
            yield connection

    def _is_connected(self, connection: socket.socket) -> bool:
        try:
            connection.connect(str(self.engine.socket_of(ADA)))
        except BlockingIOError:
            return False
        return True


@contextmanager
def labs_engine() -> Iterator[EngineDaemon]:
    """One engine with both tenants for a file of tests."""
    with running_engine() as engine:
        engine.import_busybox()
        for tenant in (ADA, BOB):
            assert engine.request("PUT", f"/tenants/{tenant}", {}).status == 200
        yield engine


@contextmanager
def slowest_answer(engine: EngineDaemon) -> Iterator[Callable[[], float]]:
    """How long the neighbour's worst ``docker ps`` took while the block ran, in seconds; at least one is asked for."""
    waits: list[float] = []
    is_over = threading.Event()

    def look() -> None:
        while not waits or not is_over.is_set():
            began = time.monotonic()
            assert engine.request("GET", "/containers/json?all=1", through=engine.socket_of(BOB)).status == 200
            waits.append(time.monotonic() - began)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield lambda: max(waits)
    finally:
        is_over.set()
        thread.join()
