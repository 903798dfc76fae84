"""Docker's framing of two output streams on one connection.

Each frame is a byte naming the stream, three zero bytes, the payload's length as u32 big endian, then the payload
(Docker Engine API, "Stream format" of the attach operation). Pure.
"""

import struct

STDIN, STDOUT, STDERR = 0, 1, 2
_HEADER = struct.Struct(">B3xI")


def frame(stream: int, data: bytes) -> bytes:
    """Return ``data`` as one frame of ``stream``."""
    return _HEADER.pack(stream, len(data)) + data


def line_frames(stream: int, data: bytes) -> bytes:
    """Return ``data`` as frames of ``stream``, one for each line: libraries hand their users a frame at a time."""
    if data.find(b"\n", 0, -1) < 0:
        return _HEADER.pack(stream, len(data)) + data
    lines = data.split(b"\n")
    last = lines.pop()
    pack = _HEADER.pack
    framed = b"".join([pack(stream, len(line) + 1) + line + b"\n" for line in lines])
    return framed + pack(stream, len(last)) + last if last else framed
