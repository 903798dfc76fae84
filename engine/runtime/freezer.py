"""Freezing a container's processes and letting them go on. Blocking: for a thread of the daemon.

Owns waiting until all of them stand still; which files do it is told by the plan.
"""

import contextlib
import errno
import os
import select
import time
from collections.abc import Sequence

from engine.core.freezers import Freezer, is_frozen_text

PATIENCE_SECONDS = 10.0
_FIRST_PAUSE_SECONDS = 0.001
_LONGEST_PAUSE_SECONDS = 0.1
_STATE_BYTES = 4096


def freeze(freezers: Sequence[Freezer], *, patience_seconds: float = PATIENCE_SECONDS) -> None:
    """Return when all processes stand still. Raises TimeoutError, with all of them going on, and OSError."""
    freezer = _usable(freezers)
    _write(freezer.control, freezer.freeze)
    try:
        _wait_until_frozen(freezer, time.monotonic() + patience_seconds)
    except BaseException:
        thaw(freezers)
        raise


def thaw(freezers: Sequence[Freezer]) -> None:
    """Let all processes go on; a container that is gone needs none of it. Raises OSError."""
    for freezer in freezers:
        try:
            _write(freezer.control, freezer.thaw)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENODEV):
                raise


def is_frozen(freezers: Sequence[Freezer]) -> bool:
    """Whether a container stands still; False for one that is gone."""
    for freezer in freezers:
        with contextlib.suppress(OSError), open(freezer.state) as file:
            if is_frozen_text(file.read()):
                return True
    return False


def _usable(freezers: Sequence[Freezer]) -> Freezer:
    for freezer in freezers:
        if os.path.exists(freezer.control):
            return freezer
    raise FileNotFoundError(2, "no freezer is mounted on this host")


def _write(path: str, value: str) -> None:
    with open(path, "wb", buffering=0) as file:
        file.write(value.encode())


def _wait_until_frozen(freezer: Freezer, deadline: float) -> None:
    """Version 2 wakes us by POLLPRI; version 1 has to be asked again, and takes the wish anew for processes born meanwhile."""
    pause = _FIRST_PAUSE_SECONDS
    fd = os.open(freezer.state, os.O_RDONLY | os.O_CLOEXEC)
    try:
        poll = select.poll()
        poll.register(fd, select.POLLPRI)
        while not is_frozen_text(os.pread(fd, _STATE_BYTES, 0).decode()):
            if time.monotonic() > deadline:
                raise TimeoutError("a process does not stand still: it is probably waiting for a disk or device")
            if freezer.is_told:
                poll.poll(1000 * _LONGEST_PAUSE_SECONDS)
            else:
                time.sleep(pause)
                _write(freezer.control, freezer.freeze)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
    finally:
        os.close(fd)
