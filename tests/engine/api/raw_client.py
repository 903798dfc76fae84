"""A client that speaks on the bare socket, for what HTTP libraries hide."""

import socket
from types import TracebackType
from typing import Self

from tests.engine.daemon import EngineDaemon


class RawClient:
    """One connection."""

    def __init__(self, engine: EngineDaemon) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(15)
        self.socket.connect(str(engine.socket_path))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.socket.close()

    def post(self, path: str, *, body: bytes = b"", upgrade: bool = False, early: bytes = b"") -> None:
        """Send a POST, with ``early`` right behind it in the same write."""
        head = f"POST {path} HTTP/1.1\r\nHost: engine\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        head += "Connection: Upgrade\r\nUpgrade: tcp\r\n" if upgrade else ""
        self.socket.sendall(head.encode() + b"\r\n" + body + early)

    def head(self) -> bytes:
        """Read the head of the answer, and no byte more."""
        received = b""
        while not received.endswith(b"\r\n\r\n"):
            byte = self.socket.recv(1)
            assert byte, received
            received += byte
        return received

    def read_until(self, text: bytes) -> bytes:
        """Read until ``text`` was seen."""
        received = b""
        while text not in received:
            data = self.socket.recv(4096)
            assert data, received
            received += data
        return received

    def rest(self) -> bytes:
        """Read to the end."""
        received = b""
        while data := self.socket.recv(65_536):
            received += data
        return received

    def half_close(self) -> None:
        """Send no more, go on reading."""
        self.socket.shutdown(socket.SHUT_WR)
