"""Removal in idle time: a folder is renamed away at once and taken apart later by one thread.

Deleting a large tree keeps an ext4 journal busy for seconds, and whoever asked should not wait for it; nor should the next
request, so the thread waits for a pause before it begins. What a daemon leaves behind in the trash the next one removes.
"""

import contextlib
import logging
import os
import secrets
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.storage.disk import Disk

_log = logging.getLogger(__name__)
_NICEST = 19
_PAUSE_SECONDS = 0.3  # without anything new, before the thread begins
_LONGEST_WAIT_SECONDS = 3.0
_MOST_WAITING = 256  # then it waits no more: the disk could fill meanwhile


class Trash:
    """A folder on the same filesystem as all that is thrown into it.

    Areas in it, or in a folder in it, are removed as their disk does it. Where that is one call for a whole tree nobody waits for
    a pause: the space is somebody's quota.
    """

    def __init__(self, path: Path, disk: "Disk | None" = None) -> None:
        self._path = path
        self._disk = disk if disk is not None and disk.kind != "none" else None
        self._waits = disk is None or disk.kind != "btrfs"
        self._lock = threading.Lock()
        self._waiting: list[str] = []
        self._worker: threading.Thread | None = None
        self._arrival = threading.Event()
        self._current = ""
        self._is_urgent = False
        self._is_closed = False
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._enqueue(os.listdir(path))  # noqa: PTH208 - names are what the worker wants

    def discard(self, path: Path) -> None:
        """Make a file or folder vanish from its place; a missing one is fine. Raises OSError if it cannot be moved."""
        name = secrets.token_hex(8)
        try:
            path.rename(self._path / name)
        except FileNotFoundError:
            return
        self._enqueue([name])

    def empty(self) -> None:
        """Wait until all that was thrown away so far is gone."""
        self._is_urgent = True
        self._arrival.set()
        while (worker := self._worker) is not None:
            worker.join()
        self._is_urgent = False

    def hasten(self) -> frozenset[str]:
        """Return names for what was thrown away and is still there; it is removed without a pause now."""
        with self._lock:
            left = frozenset((*self._waiting, self._current)) - {""}
            self._is_urgent = self._is_urgent or bool(left)
        if left:
            self._arrival.set()
        return left

    def close(self) -> None:
        """Remove nothing more, and return when nothing is being removed, or soon. What is left waits for the next engine."""
        with self._lock:
            self._is_closed = True
            worker = self._worker
        self._arrival.set()
        if worker is not None:
            worker.join(_LONGEST_WAIT_SECONDS)  # a folder of a million files is one step

    def _enqueue(self, names: list[str]) -> None:
        with self._lock:
            self._waiting.extend(names)
            self._arrival.set()
            if self._waiting and self._worker is None and not self._is_closed:
                self._worker = threading.Thread(target=self._work, name="trash", daemon=True)
                self._worker.start()

    def _work(self) -> None:
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICEST)
        self._wait_for_pause()
        while (name := self._next()) is not None:
            self._remove(name)
            if self._arrival.is_set():
                self._wait_for_pause()

    def _wait_for_pause(self) -> None:
        """Return when nothing new has come for a moment, or when that would be too much or too long to wait."""
        deadline = time.monotonic() + _LONGEST_WAIT_SECONDS
        while self._waits and not self._hurries() and len(self._waiting) < _MOST_WAITING and time.monotonic() < deadline:
            self._arrival.clear()
            if self._hurries():  # said between look and clear
                return
            if not self._arrival.wait(_PAUSE_SECONDS):
                return

    def _hurries(self) -> bool:
        return self._is_urgent or self._is_closed

    def _next(self) -> str | None:
        with self._lock:
            if self._waiting and not self._is_closed:
                self._current = self._waiting.pop()
                return self._current
            self._current = ""
            self._is_urgent = False
            self._worker = None
            return None

    def _remove(self, name: str) -> None:
        try:
            if self._remove_areas(self._path / name):
                return
            folder = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                remove_tree(folder, name, goes_on=lambda: not self._is_closed)
            finally:
                os.close(folder)
        except OSError as error:
            _log.warning("cannot remove %s: %s; the next start of the engine tries again", self._path / name, error)

    def _remove_areas(self, path: Path) -> bool:
        """Remove the areas there; whether nothing is left. What lies deeper than one folder is none of the engine's making."""
        if self._disk is None or not path.is_dir() or path.is_symlink():
            return False
        if self._disk.is_area(path):
            self._disk.remove_area(path)
            return True
        for child in list(path.iterdir()):
            if child.is_dir() and not child.is_symlink() and self._disk.is_area(child):
                self._disk.remove_area(child)
        return False


def remove_tree(folder: int, name: str, *, goes_on: Callable[[], bool] = lambda: True) -> None:
    """Remove a file or tree, however deep: each folder inside is first moved up beside its parent.

    A container may nest folders deeper than a path or a call stack can be long, so nothing here recurses or joins paths.
    When it is not to go on, what is left lies beside the tree, under other names.
    """
    waiting = [name]
    while waiting and goes_on():
        current = waiting.pop()
        if _is_folder(folder, current):
            waiting.extend(_flatten(folder, current))
            os.rmdir(current, dir_fd=folder)
        else:
            os.unlink(current, dir_fd=folder)


def _is_folder(folder: int, name: str) -> bool:
    return stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)


def _flatten(folder: int, name: str) -> list[str]:
    """Empty one folder: unlink what is no folder, move the others up; return their new names."""
    moved = []
    descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        with os.scandir(descriptor) as entries:
            children = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
        for child, is_folder in children:
            if is_folder:
                moved.append(secrets.token_hex(8))
                os.rename(child, moved[-1], src_dir_fd=descriptor, dst_dir_fd=folder)
            else:
                os.unlink(child, dir_fd=descriptor)
    finally:
        os.close(descriptor)
    return moved
