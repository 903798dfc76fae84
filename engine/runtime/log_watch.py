"""Wakes the readers of logs when the supervisor has written: one inotify descriptor for the whole daemon.

Owns the watches; reads no log itself.
"""

import asyncio
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

from engine.linux import inotify

# The folder's own end is not told while a reader has a segment open, so the end of segments must be.
_WRITTEN = inotify.IN_MODIFY | inotify.IN_CREATE
_REMOVED = inotify.IN_DELETE | inotify.IN_DELETE_SELF | inotify.IN_MOVE_SELF
_LOOK_AGAIN_SECONDS = 0.1
_MASK = _WRITTEN | _REMOVED | inotify.IN_ONLYDIR


class LogWatcher:
    """Shared by all followers; opened at first use, in the loop that uses it."""

    def __init__(self) -> None:
        self._fd = -1
        self._wakers: dict[int, set[asyncio.Event]] = {}

    def open(self) -> None:
        """Take the descriptor now: later others may have used up what the host has."""
        with suppress(OSError):
            self._ensure_open()

    @property
    def is_idle(self) -> bool:
        """Whether nobody waits for anything."""
        return not self._wakers

    @contextmanager
    def watching(self, directory: str, *further: str) -> Iterator[asyncio.Event]:
        """An event that is set after each change in ``directory`` or those of ``further`` that exist; the waiter clears it.

        Raises FileNotFoundError when the directory is gone.
        """
        waker = asyncio.Event()
        with ExitStack() as watches:
            watches.enter_context(self._watching(directory, waker))
            for one in further:
                with suppress(FileNotFoundError):
                    watches.enter_context(self._watching(one, waker))
            yield waker

    @contextmanager
    def _watching(self, directory: str, waker: asyncio.Event) -> Iterator[None]:
        try:
            self._ensure_open()
            wd = inotify.inotify_add_watch(self._fd, directory, _MASK)  # the same watch for the same directory
        except FileNotFoundError:
            raise
        except OSError:
            # A host has few of these descriptors, and whoever may run a program in a container can take them all.
            with _looking_again(waker):
                yield
            return
        self._wakers.setdefault(wd, set()).add(waker)
        try:
            yield
        finally:
            self._release(wd, waker)

    def close(self) -> None:
        """Stop watching. Followers that wait are woken, and end."""
        if self._fd >= 0:
            asyncio.get_running_loop().remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1
        for waker in self._all_wakers():
            waker.set()

    def _ensure_open(self) -> None:
        if self._fd < 0:
            self._fd = inotify.inotify_init()
            asyncio.get_running_loop().add_reader(self._fd, self._wake)

    def _wake(self) -> None:
        for event in inotify.read_events(self._fd):
            for waker in self._wakers.get(event.wd, ()) if event.wd >= 0 else self._all_wakers():
                waker.set()

    def _all_wakers(self) -> list[asyncio.Event]:
        return [waker for wakers in self._wakers.values() for waker in wakers]

    def _release(self, wd: int, waker: asyncio.Event) -> None:
        wakers = self._wakers[wd]
        wakers.discard(waker)
        if not wakers:
            del self._wakers[wd]
            with suppress(OSError):  # gone by itself together with the directory
                inotify.inotify_rm_watch(self._fd, wd)


@contextmanager
def _looking_again(waker: asyncio.Event) -> Iterator[None]:
    task = asyncio.ensure_future(_wake_regularly(waker))
    try:
        yield
    finally:
        task.cancel()


async def _wake_regularly(waker: asyncio.Event) -> None:
    while True:
        await asyncio.sleep(_LOOK_AGAIN_SECONDS)
        waker.set()
