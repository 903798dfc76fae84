"""The form of a log on disk: frames in numbered segments, written by the supervisor and read by the daemon.

Owns layout and names only; standard library and no typing at run time, since the supervisor uses it.

A frame is ``time_ns u64, length u32, stream u8``, the payload, ``length u32`` again so that a reader can walk backward. The upper
bit of ``stream`` tells that the payload goes on with a line begun in an earlier frame of that stream. A segment's name is the
position of its first byte in the whole log, so positions only grow, over segments, restarts and pruning.

What found no room in a log is in its spill, a log of the same form. There each payload begins with the position in the log at
which it would stand, and with how many bytes, itself among them, were lost there so far.
"""

from __future__ import annotations

import os
import struct

HEADER = struct.Struct("<QIB")
TRAILER = struct.Struct("<I")
SPILLED = struct.Struct("<QQ")
OVERHEAD_BYTES = HEADER.size + TRAILER.size
MAX_PAYLOAD_BYTES = 128 * 1024
_LONGEST_BYTES = MAX_PAYLOAD_BYTES + SPILLED.size

STDOUT, STDERR = 1, 2
CONTINUES_LINE = 0x80
LOST = b"[%d bytes of output were lost here: there was no room for the log]\n"

_SUFFIX = ".log"


def segment_name(position: int) -> str:
    """``position`` of its first byte, padded so that names sort as numbers do."""
    return f"{position:020d}{_SUFFIX}"


def segment_positions(directory: str) -> list[int]:
    """The positions at which the segments begin, in order; none for a log that was never written."""
    try:
        names = os.listdir(directory)
    except FileNotFoundError:
        return []
    return sorted(int(name[: -len(_SUFFIX)]) for name in names if name.endswith(_SUFFIX) and name[: -len(_SUFFIX)].isdecimal())


def segment_path(directory: str, position: int) -> str:
    return f"{directory}/{segment_name(position)}"


def sound_length(fd: int) -> int:
    """The length of a segment without a frame that was cut by the death of its writer."""
    size = os.fstat(fd).st_size
    if size == 0 or _ends_whole(fd, size):
        return size
    offset = 0
    while (after := _frame_end(fd, offset, size)) > offset:
        offset = after
    return offset


def first_time(fd: int) -> int:
    """When the first frame of a segment was written; 0 for a segment without any."""
    header = os.pread(fd, HEADER.size, 0)
    return int(HEADER.unpack(header)[0]) if len(header) == HEADER.size else 0


def _ends_whole(fd: int, size: int) -> bool:
    if size < OVERHEAD_BYTES:
        return False
    (length,) = TRAILER.unpack(os.pread(fd, TRAILER.size, size - TRAILER.size))
    start = size - OVERHEAD_BYTES - length
    return 0 < length <= _LONGEST_BYTES and start >= 0 and _frame_end(fd, start, size) == size


def _frame_end(fd: int, offset: int, size: int) -> int:
    """Where the frame at ``offset`` ends; ``offset`` itself when there is no whole and sound frame."""
    header = os.pread(fd, HEADER.size, offset)
    if len(header) < HEADER.size:
        return offset
    time_ns, length, stream = HEADER.unpack(header)
    end: int = offset + OVERHEAD_BYTES + length
    plausible = time_ns > 0 and 0 < length <= _LONGEST_BYTES and stream & ~CONTINUES_LINE in (STDOUT, STDERR)
    if not plausible or end > size:
        return offset
    return end if os.pread(fd, TRAILER.size, end - TRAILER.size) == TRAILER.pack(length) else offset
