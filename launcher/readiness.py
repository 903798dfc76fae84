"""How to see that a part is ready. Each check is one quick attempt, made again until it succeeds."""

import socket
from pathlib import Path

from launcher.console import LauncherError
from launcher.unix_http import request

ATTEMPT_SECONDS = 0.5


def redis_answers(path: Path) -> bool:
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(ATTEMPT_SECONDS)
            connection.connect(str(path))
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith(b"+PONG")
    except OSError:
        return False


def engine_answers(path: Path) -> bool:
    try:
        request(path, "GET", "/_ping", timeout_seconds=ATTEMPT_SECONDS)
    except (OSError, LauncherError):
        return False
    return True


def port_answers(address: str, port: int) -> bool:
    try:
        with socket.create_connection((address, port), timeout=ATTEMPT_SECONDS):
            return True
    except OSError:
        return False


def log_says(log: Path, offset: int, text: bytes) -> bool:
    """Whether ``text`` was written after ``offset``: Celery's programs answer nowhere, but say when they are ready."""
    try:
        with log.open("rb") as file:
            file.seek(offset)
            return text in file.read()
    except OSError:
        return False
