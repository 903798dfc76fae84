"""The event loop of the resolver's process: sockets and timers, in one thread, since a network namespace belongs to a thread.

A bug in the handling of one socket must not end the answers for all: it is written to standard error, and the loop goes on.
"""

import heapq
import selectors
import sys
import time
from collections.abc import Callable
from itertools import count
from typing import Protocol

_MOST_TOLD = 100  # whoever finds a query that fails can ask it a thousand times a second, and the file is on the host's disk
_failures = count()
READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


class HasDescriptor(Protocol):
    def fileno(self) -> int: ...


class Timer:
    """Something to be done later, unless it is cancelled before."""

    def __init__(self, handler: Callable[[], None]) -> None:
        self._handler: Callable[[], None] | None = handler

    def cancel(self) -> None:
        self._handler = None

    def fire(self) -> None:
        handler, self._handler = self._handler, None
        if handler is not None:
            _guarded(handler)


class Loop:
    """A socket must be removed before it is closed."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._timers: list[tuple[float, int, Timer]] = []
        self._numbers = count()
        self._is_running = True

    def watch(self, source: HasDescriptor, events: int, handler: Callable[[], None]) -> None:
        """Call the handler whenever the socket is ready; in place of what was watched of it."""
        if source.fileno() in self._selector.get_map():
            self._selector.modify(source, events, handler)
        else:
            self._selector.register(source, events, handler)

    def unwatch(self, source: HasDescriptor) -> None:
        """Nothing for a socket that is not watched."""
        if source.fileno() >= 0 and source.fileno() in self._selector.get_map():
            self._selector.unregister(source)

    def later(self, seconds: float, handler: Callable[[], None]) -> Timer:
        timer = Timer(handler)
        heapq.heappush(self._timers, (time.monotonic() + seconds, next(self._numbers), timer))
        return timer

    def stop(self) -> None:
        self._is_running = False

    def run(self) -> None:
        """Handle events until ``stop``."""
        while self._is_running:
            for key, _ in self._selector.select(self._timeout_seconds()):
                if self._selector.get_map().get(key.fd) is key:  # may have gone by an event of the same round
                    _guarded(key.data)
            self._fire_timers()

    def _timeout_seconds(self) -> float | None:
        return max(0.0, self._timers[0][0] - time.monotonic()) if self._timers else None

    def _fire_timers(self) -> None:
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            heapq.heappop(self._timers)[2].fire()


def _guarded(handler: Callable[[], None]) -> None:
    try:
        handler()
    except Exception:
        if next(_failures) < _MOST_TOLD:
            sys.excepthook(*sys.exc_info())
