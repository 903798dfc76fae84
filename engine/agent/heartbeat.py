"""One thread that says of every running job, again and again, that it runs."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

PERIOD_SECONDS = 10.0


class Heartbeat:
    """``beating(beat)`` calls ``beat`` every ten seconds while its block runs."""

    def __init__(self, period_seconds: float = PERIOD_SECONDS) -> None:
        self._period_seconds = period_seconds
        self._lock = threading.Lock()
        self._beats: set[Callable[[], None]] = set()
        self._thread: threading.Thread | None = None

    @contextmanager
    def beating(self, beat: Callable[[], None]) -> Iterator[None]:
        with self._lock:
            self._beats.add(beat)
            self._ensure_thread()
        try:
            yield
        finally:
            with self._lock:
                self._beats.discard(beat)

    def _ensure_thread(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        pause = threading.Event()
        while not pause.wait(self._period_seconds):
            with self._lock:
                beats = list(self._beats)
            for beat in beats:
                beat()
