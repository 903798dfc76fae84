"""The few requests that the launcher itself sends to the engine's socket."""

import http.client
import json
import socket
from pathlib import Path
from typing import Any, BinaryIO

from launcher.console import LauncherError


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: Path, *, timeout_seconds: float) -> None:
        super().__init__("localhost", timeout=timeout_seconds)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def send_stream(path: Path, target: str, body: BinaryIO, *, timeout_seconds: float) -> str:
    """POST a stream and return the answer's text. Raises OSError when nobody answers, LauncherError for a refusal."""
    connection = UnixConnection(path, timeout_seconds=timeout_seconds)
    try:
        connection.request("POST", target, body, {"Content-Type": "application/octet-stream"})
        response = connection.getresponse()
        text = response.read().decode(errors="replace")
    except http.client.HTTPException as error:
        raise OSError(f"the engine at {path} broke off its answer") from error
    finally:
        connection.close()
    if response.status >= 400:
        raise LauncherError(f"engine: POST {target.partition('?')[0]}: {text.strip()}")
    return text


def request(path: Path, method: str, target: str, *, timeout_seconds: float) -> Any:
    """Return the decoded JSON of the answer, None where it is empty or plain text.

    Raises OSError when nobody answers, LauncherError for a refusal.
    """
    connection = UnixConnection(path, timeout_seconds=timeout_seconds)
    try:
        connection.request(method, target)
        response = connection.getresponse()
        body = response.read()
    except http.client.HTTPException as error:
        raise OSError(f"the engine at {path} broke off its answer") from error
    finally:
        connection.close()
    if response.status >= 400:
        raise LauncherError(f"engine: {method} {target}: {body.decode(errors='replace').strip()}")
    return json.loads(body) if "json" in response.getheader("Content-Type", "") and body else None
