"""Which frame the supervisor is writing at this moment, in memory that outlives it.

Output is copied out of its pipe, written, and only then taken out, so a supervisor that is killed in between loses nothing; its
successor must tell whether the last frame has been taken out already. The daemon keeps the descriptor for it. Part of the
supervisor: standard library and no typing at run time.
"""

from __future__ import annotations

import mmap
import os
import struct

_CELL = struct.Struct("<?BIQ96s")  # is active, stream, length, position before the frame, id of the process


class InflightCell:
    """One is enough: the supervisor has one thread, so at most one frame is between log and pipe."""

    def __init__(self) -> None:
        self.fd = os.memfd_create("inflight", os.MFD_CLOEXEC)
        os.ftruncate(self.fd, mmap.PAGESIZE)
        self._memory = mmap.mmap(self.fd, mmap.PAGESIZE)

    def enter(self, process_id: str, stream: int, length: int, position: int) -> None:
        """About to write this frame."""
        _CELL.pack_into(self._memory, 0, False, stream, length, position, process_id.encode())
        self._memory[0] = 1

    def leave(self) -> None:
        """Its bytes are out of the pipe."""
        self._memory[0] = 0


def read_cell(fd: int) -> tuple[str, int, int, int] | None:
    """Process id, stream, length and position of the frame that a dead supervisor was writing; None when it wrote none."""
    is_active, stream, length, position, process_id = _CELL.unpack(os.pread(fd, _CELL.size, 0))
    return (process_id.rstrip(b"\0").decode(), stream, length, position) if is_active else None
