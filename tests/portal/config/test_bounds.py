"""What the web server takes before the application hears of it."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from portal.config.bounds import MOST_BODY_BYTES
from tests.engine.daemon import wait_until

POST = b"POST /accounts/login/ HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
CHUNK = 65_536


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Daphne's port. It is asked for nothing that needs a database."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    folder = tmp_path_factory.mktemp("web")
    environment = {**os.environ, "ATELIER_DATA": str(folder), "DJANGO_SETTINGS_MODULE": "portal.config.settings"}
    command = [sys.executable, "-m", "daphne", "-b", "127.0.0.1", "-p", str(port), "portal.config.asgi:application"]
    with (folder / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log, env=environment) as process:
        try:
            wait_until(lambda: _answers(port), "Daphne to listen", hint=(folder / "log").read_text)
            yield port
        finally:
            process.terminate()


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _status(port: int, head: bytes, pieces: list[bytes]) -> bytes:
    """Send until the server has had enough; return its status."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.sendall(head)
        try:
            for piece in pieces:
                client.sendall(piece)
                if _has_answer(client):
                    break
            return client.recv(4096).split()[1]
        except (ConnectionResetError, BrokenPipeError):
            return b"dropped"


def _has_answer(client: socket.socket) -> bool:
    client.setblocking(False)
    try:
        return bool(client.recv(1, socket.MSG_PEEK))
    except BlockingIOError:
        return False
    finally:
        client.settimeout(20)


def test_a_body_that_says_it_is_too_long_is_refused_before_it_comes(server: int) -> None:
    assert _status(server, POST + b"Content-Length: %d\r\n\r\n" % (MOST_BODY_BYTES + 1), []) == b"413"
    assert _status(server, POST + b"Content-Length: 2\r\n\r\n", [b"a="]) != b"413"


def test_a_body_that_does_not_say_its_length_is_cut_off_at_the_bound(server: int) -> None:
    head = POST + b"Transfer-Encoding: chunked\r\n\r\n"
    chunk = b"%x\r\n" % CHUNK + b"x" * CHUNK + b"\r\n"
    assert _status(server, head, [chunk] * (MOST_BODY_BYTES // CHUNK - 1) + [b"0\r\n\r\n"]) not in (b"413", b"dropped")
    assert _status(server, head, [chunk] * (4 * MOST_BODY_BYTES // CHUNK)) in (b"413", b"dropped")


def test_all_of_a_body_that_is_too_long_does_not_make_it_a_request(server: int) -> None:
    whole = b"x" * (MOST_BODY_BYTES + 1)
    assert _status(server, POST + b"Content-Length: %d\r\n\r\n" % len(whole), [whole]) in (b"413", b"dropped")
