"""Pipes: their size, and copying what they hold without taking it out (pipe(7), tee(2), splice(2))."""

import contextlib
import fcntl
import os
import struct
import termios

from engine.linux.libc import call

LARGE_BYTES = 1024 * 1024  # what a process may have without CAP_SYS_RESOURCE, by default

_SPLICE_F_NONBLOCK = 0x2


def tee(source: int, target: int, length: int) -> int:
    """Copy up to ``length`` bytes between pipes, leaving them in ``source``. 0 at its end; BlockingIOError when it is empty."""
    return call("tee", source, target, length, _SPLICE_F_NONBLOCK, subject="tee")


def move(source: int, target: int, length: int) -> int:
    """Move up to ``length`` bytes out of a pipe without copying them; answers how many were there, which may be fewer."""
    moved = 0
    with contextlib.suppress(BlockingIOError):
        while moved < length and (count := os.splice(source, target, length - moved, flags=_SPLICE_F_NONBLOCK)):
            moved += count
    return moved


def held_bytes(fd: int) -> int:
    """How many bytes wait in a pipe to be read."""
    (held,) = struct.unpack("i", fcntl.ioctl(fd, termios.FIONREAD, bytes(4)))
    return int(held)


def grow(fd: int, size_bytes: int) -> None:
    """Enlarge a pipe's buffer where the host allows it; a smaller one works as well."""
    with contextlib.suppress(OSError):
        fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, size_bytes)
