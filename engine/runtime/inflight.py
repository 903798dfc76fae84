"""Which frame the supervisor is writing at this moment, kept in memory and a pipe that outlive it.

Output is copied out of its pipe, written, and only then taken out, so that a supervisor that is killed in between loses
nothing. What is taken out goes through a pipe that the daemon holds too: its fill tells the successor how far the last frame
was taken, byte by byte. Part of the supervisor: standard library and no typing at run time.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
import termios

from engine.linux import pipe

TYPE_CHECKING = False
if TYPE_CHECKING:
    Written = tuple[str, int, int, int]

_CELL = struct.Struct("<?BIQ96s")  # is active, stream, length, mark before the frame, id of the process


class Inflight:
    """One is enough: the supervisor has one thread, so at most one frame is between log and pipe."""

    def __init__(self, inherited: dict[str, int] | None = None) -> None:
        fds = inherited or _open()
        self._null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        self._memfd, self._drain, self._sink = fds["cell"], fds["drain"], fds["sink"]
        self._memory = mmap.mmap(self._memfd, mmap.PAGESIZE)

    def fds(self) -> dict[str, int]:
        """What the daemon keeps for a successor."""
        return {"cell": self._memfd, "drain": self._drain}

    def all_fds(self) -> dict[str, int]:
        """What this supervisor keeps when it becomes another version of itself."""
        return {**self.fds(), "sink": self._sink}

    def enter(self, process_id: str, stream: int, length: int, position: int) -> None:
        """About to write this frame."""
        _CELL.pack_into(self._memory, 0, False, stream, length, position, process_id.encode())
        self._memory[0] = 1

    def take(self, fd: int, length: int) -> None:
        """The frame is written: take its bytes out of the pipe. A container can have read some of them back out of it."""
        moved = pipe.move(fd, self._sink, length)
        self._memory[0] = 0
        pipe.move(self._drain, self._null, moved)


def _open() -> dict[str, int]:
    memfd = os.memfd_create("inflight", os.MFD_CLOEXEC)
    os.ftruncate(memfd, mmap.PAGESIZE)
    drain, sink = os.pipe2(os.O_CLOEXEC)
    pipe.grow(sink, pipe.LARGE_BYTES)
    return {"cell": memfd, "drain": drain, "sink": sink}


def read_inflight(fds: dict[str, int]) -> Written | None:
    """Process id, stream, position after the frame and bytes still to be taken, as a dead supervisor left them.

    None when it was writing nothing.
    """
    is_active, stream, length, position, process_id = _CELL.unpack(os.pread(fds["cell"], _CELL.size, 0))
    if not is_active:
        return None
    (taken,) = struct.unpack("i", fcntl.ioctl(fds["drain"], termios.FIONREAD, bytes(4)))
    return process_id.rstrip(b"\0").decode(), stream, position, length - taken
