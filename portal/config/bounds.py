"""What Daphne takes from a browser before the application hears of it. Owns the bound on the body of a request.

Daphne hands a request over when its body is there, which it keeps on disk: a middleware would come too late to refuse it.
"""

from typing import Any

from daphne import http_protocol
from daphne.http_protocol import WebRequest

MOST_BODY_BYTES = 4 * 2**20  # forms only; nothing is uploaded
_REFUSAL = b"HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class BoundedRequest(WebRequest):  # type: ignore[misc]  # Daphne has no types
    """Refuses a body by its announced length, or when it has grown too long, and drops the connection."""

    _received = 0
    _is_refused = False

    def gotLength(self, length: int | None) -> None:  # noqa: N802 - Twisted's name
        super().gotLength(length)
        self._check(length or 0)

    def handleContentChunk(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        self._received += len(data)
        self._check(self._received)
        if not self._is_refused:
            super().handleContentChunk(data)

    def process(self) -> Any:
        """What was refused is no request, even when all of it has come."""
        return None if self._is_refused else super().process()

    def _check(self, length: int) -> None:
        if length > MOST_BODY_BYTES and not self._is_refused:
            self._is_refused = True
            self.channel.transport.write(_REFUSAL)
            self.channel.loseConnection()


def bound_requests() -> None:
    """Let Daphne make such requests. Its factory names the class, and offers no other way."""
    http_protocol.WebRequest = BoundedRequest
