"""inotify(7): tells of changes to files without looking at them again and again."""

import os
import struct
from typing import NamedTuple

from engine.linux.libc import call

IN_MODIFY = 0x2
IN_CREATE = 0x100
IN_DELETE = 0x200
IN_DELETE_SELF = 0x400
IN_MOVE_SELF = 0x800
IN_Q_OVERFLOW = 0x4000
IN_IGNORED = 0x8000
IN_ONLYDIR = 0x1000000

_EVENT = struct.Struct("iIII")
_BUFFER_BYTES = 64 * 1024


class Event(NamedTuple):
    """``wd`` is the watch, -1 when the queue overflowed and events are lost."""

    wd: int
    mask: int


def inotify_init() -> int:
    """A non-blocking, close-on-exec inotify descriptor."""
    return call("inotify_init1", os.O_NONBLOCK | os.O_CLOEXEC, subject="inotify")


def inotify_add_watch(fd: int, path: str, mask: int) -> int:
    return call("inotify_add_watch", fd, os.fsencode(path), mask, subject=path)


def inotify_rm_watch(fd: int, wd: int) -> None:
    call("inotify_rm_watch", fd, wd, subject=f"watch {wd}")


def read_events(fd: int) -> list[Event]:
    """All events that fit one read; none when there are none."""
    try:
        data = os.read(fd, _BUFFER_BYTES)
    except BlockingIOError:
        return []
    events, offset = [], 0
    while offset < len(data):
        wd, mask, _, name_bytes = _EVENT.unpack_from(data, offset)
        events.append(Event(wd, mask))
        offset += _EVENT.size + name_bytes
    return events
