"""One TCP connection of a container to its resolver: a query, its answer, the next query (RFC 7766).

Bounded: one query at a time is read, none while an answer waits to be taken, and who is slow is left.
"""

import socket
from collections.abc import Callable

from engine.network.names_codec import LONGEST_QUERY_BYTES
from engine.network.names_loop import READ, WRITE, Loop

_IDLE_SECONDS = 10.0
_LENGTH_BYTES = 2
_READ_BYTES = _LENGTH_BYTES + LONGEST_QUERY_BYTES


class Stream:
    """``on_query`` gets a query and what takes its answer, which may come later."""

    def __init__(
        self,
        connection: socket.socket,
        *,
        loop: Loop,
        on_query: Callable[[bytes, Callable[[bytes], None]], None],
        on_closed: Callable[["Stream"], None],
    ) -> None:
        connection.setblocking(False)
        self._connection = connection
        self._loop = loop
        self._on_query, self._on_closed = on_query, on_closed
        self._received, self._unsent = b"", b""
        self._is_open = True
        self._timer = loop.later(_IDLE_SECONDS, self.close)
        loop.watch(connection, READ, self._on_readable)

    def close(self) -> None:
        if self._is_open:
            self._is_open = False
            self._timer.cancel()
            self._loop.unwatch(self._connection)
            self._connection.close()
            self._on_closed(self)

    def _on_readable(self) -> None:
        try:
            data = self._connection.recv(_READ_BYTES - len(self._received))
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            return
        self._received += data
        self._take_query()

    def _take_query(self) -> None:
        length = int.from_bytes(self._received[:_LENGTH_BYTES], "big")
        if len(self._received) >= _LENGTH_BYTES and not 0 < length <= LONGEST_QUERY_BYTES:
            self.close()
            return
        end = _LENGTH_BYTES + length
        if len(self._received) < max(end, _LENGTH_BYTES + 1):
            return
        query, self._received = self._received[_LENGTH_BYTES:end], self._received[end:]
        self._loop.unwatch(self._connection)
        self._on_query(query, self._answer)

    def _answer(self, answer: bytes) -> None:
        if self._is_open:
            self._unsent = len(answer).to_bytes(_LENGTH_BYTES, "big") + answer
            self._timer.cancel()
            self._timer = self._loop.later(_IDLE_SECONDS, self.close)
            self._send()

    def _send(self) -> None:
        try:
            self._unsent = self._unsent[self._connection.send(self._unsent) :]
        except BlockingIOError:
            pass
        except OSError:
            self.close()
            return
        if self._unsent:
            self._loop.watch(self._connection, WRITE, self._send)
        else:
            # By way of the loop, also for a query that is there already: others have their turn in between.
            self._loop.watch(self._connection, READ, self._on_readable)
            if self._received:
                self._loop.later(0, self._take_next)

    def _take_next(self) -> None:
        if self._is_open and not self._unsent:
            self._take_query()
