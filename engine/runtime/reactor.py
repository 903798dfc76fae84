"""The supervisor's event loop: descriptors and timers, nothing else.

It has one thread and blocks nowhere else, so that clone3 and setns are safe. A bug in the handling of one descriptor must not
end the processes of all: it is written to standard error, and the loop goes on. Standard library and no typing at run time.
"""

from __future__ import annotations

import select
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Handler = Callable[[int], object]

IN, OUT, HUP = select.EPOLLIN, select.EPOLLOUT, select.EPOLLHUP


class Reactor:
    """Handlers get the event mask. A descriptor must be removed before it is closed."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._handlers: dict[int, Handler] = {}
        self._timers: list[tuple[float, Callable[[], None]]] = []
        self._is_running = True

    def add(self, fd: int, events: int, handler: Handler) -> None:
        self._epoll.register(fd, events)
        self._handlers[fd] = handler

    def modify(self, fd: int, events: int) -> None:
        self._epoll.modify(fd, events)

    def remove(self, fd: int) -> None:
        """No-op for a descriptor that is not watched."""
        if self._handlers.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    def later(self, seconds: float, handler: Callable[[], None]) -> None:
        self._timers.append((time.monotonic() + seconds, handler))

    def stop(self) -> None:
        self._is_running = False

    def run(self) -> None:
        """Handle events until ``stop``."""
        while self._is_running:
            for fd, events in self._epoll.poll(self._timeout_seconds()):
                handler = self._handlers.get(fd)  # may have been removed by an event of the same round
                if handler is not None:
                    _guarded(handler, events)
            self._run_timers()

    def _timeout_seconds(self) -> float:
        if not self._timers:
            return -1
        return max(0.0, min(due for due, _ in self._timers) - time.monotonic())

    def _run_timers(self) -> None:
        if not self._timers:
            return
        now = time.monotonic()
        due = [handler for at, handler in self._timers if at <= now]
        self._timers = [timer for timer in self._timers if timer[0] > now]
        for handler in due:
            _guarded(handler)


def _guarded(handler: Callable[..., object], *arguments: object) -> None:
    try:
        handler(*arguments)
    except Exception:
        sys.excepthook(*sys.exc_info())
