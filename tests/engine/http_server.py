"""HTTP servers of the tests' own, each on a free port for as long as a block lasts. Knows nothing of what they answer."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from typing import TypeVar


class Server(ThreadingHTTPServer):
    """A thread for each connection, for none of which the end waits. ``address`` is where it listens."""

    daemon_threads = True
    block_on_close = False

    @property
    def address(self) -> str:
        return f"{self.server_address[0]!s}:{self.server_port}"

    def handle_error(self, *_: object) -> None:
        """Clients hang up whenever they like."""


S = TypeVar("S", bound=Server)


@contextmanager
def running(server: S) -> Iterator[S]:
    """Serve from a thread."""
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
