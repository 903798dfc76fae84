"""The daemon as the supervisor sees it: at most one connection, and what is still to be sent on it.

Owns the connected socket. A daemon that does not read holds nothing up: messages wait here, and when too many wait it is cut
off; it learns everything anew when it connects again. Part of the supervisor: standard library and no typing at run time.
"""

from __future__ import annotations

import os

from engine.linux import packets
from engine.runtime import reactor as events

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from engine.linux.packets import Body
    from engine.runtime.reactor import Reactor

_MAX_WAITING = 10_000


class Peer:
    """``on_message`` gets requests and their descriptors, ``on_gone`` is called once when the daemon has left."""

    def __init__(
        self,
        sock: socket.socket,
        *,
        reactor: Reactor,
        on_message: Callable[[Body, dict[str, int]], None],
        on_gone: Callable[[], None],
    ) -> None:
        self._sock = sock
        self._reactor = reactor
        self._on_message = on_message
        self._on_gone = on_gone
        self._waiting: list[tuple[Body, dict[str, int]]] = []
        sock.setblocking(False)
        reactor.add(sock.fileno(), events.IN, self._on_ready)

    @property
    def fd(self) -> int:
        """The socket's descriptor, -1 when it is closed."""
        return self._sock.fileno()

    @property
    def is_behind(self) -> bool:
        """Whether messages wait for the daemon to read."""
        return bool(self._waiting)

    def send(self, body: Body, fds: dict[str, int] | None = None) -> None:
        """Send now or as soon as the daemon reads; descriptors stay the caller's."""
        if self._sock.fileno() < 0:
            return
        if self._waiting or not self._try_send(body, fds or {}):
            self._wait(body, {name: os.dup(fd) for name, fd in (fds or {}).items() if fd >= 0})

    def close(self) -> None:
        """Hang up, without calling ``on_gone``."""
        if self._sock.fileno() >= 0:
            self._reactor.remove(self._sock.fileno())
            self._sock.close()
        while self._waiting:
            _close_all(self._waiting.pop()[1])

    def _on_ready(self, mask: int) -> None:
        if mask & events.OUT:
            self._flush()
        if mask & ~events.OUT:
            self._receive()

    def _receive(self) -> None:
        try:
            body, fds = packets.receive(self._sock)
        except BlockingIOError:
            return
        except packets.EndOfStream:
            self._leave()
            return
        self._on_message(body, fds)

    def _try_send(self, body: Body, fds: dict[str, int]) -> bool:
        try:
            packets.send(self._sock, body, fds)
        except BlockingIOError:
            return False
        except packets.EndOfStream:
            return True  # reading will tell
        return True

    def _wait(self, body: Body, fds: dict[str, int]) -> None:
        self._waiting.append((body, fds))
        self._reactor.modify(self._sock.fileno(), events.IN | events.OUT)
        if len(self._waiting) > _MAX_WAITING:
            self._leave()

    def _flush(self) -> None:
        while self._waiting and self._try_send(*self._waiting[0]):
            _close_all(self._waiting.pop(0)[1])
        if not self._waiting:
            self._reactor.modify(self._sock.fileno(), events.IN)

    def _leave(self) -> None:
        self.close()
        self._on_gone()


def _close_all(fds: dict[str, int]) -> None:
    for fd in fds.values():
        os.close(fd)
