"""Container output from the engine's multiplexed frames to lines. Pure: bytes in, lines out.

A frame is ``{stream u8, 0 0 0, length u32 big-endian} payload``; with time stamps each line begins with one and a space.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

_HEADER = struct.Struct(">BxxxL")
_STREAMS = {1: "stdout", 2: "stderr"}

# A line without end must not grow without end.
LONGEST_LINE = 16 * 1024


@dataclass(frozen=True, slots=True)
class Line:
    """``time`` is RFC 3339 with nanoseconds, or None where it was not asked for."""

    time: str | None
    stream: str
    text: str

    def as_json(self) -> dict[str, str | None]:
        return {"time": self.time, "stream": self.stream, "text": self.text}


@dataclass(slots=True)
class LineReader:
    """Feed it chunks of the response; it keeps what is incomplete."""

    has_times: bool
    _frames: bytearray = field(default_factory=bytearray)
    _partial: dict[str, bytes] = field(default_factory=dict)

    def feed(self, chunk: bytes) -> Iterator[Line]:
        self._frames += chunk
        while len(self._frames) >= _HEADER.size:
            kind, length = _HEADER.unpack_from(self._frames)
            end = _HEADER.size + length
            if len(self._frames) < end:
                return
            payload = bytes(self._frames[_HEADER.size : end])
            del self._frames[:end]
            yield from self._cut(_STREAMS.get(kind, "stdout"), payload)

    def finish(self) -> Iterator[Line]:
        """Return what stood after the last line end."""
        for stream, rest in self._partial.items():
            if rest:
                yield self._line(stream, rest)
        self._partial.clear()

    def _cut(self, stream: str, payload: bytes) -> Iterator[Line]:
        *complete, rest = (self._partial.get(stream, b"") + payload).split(b"\n")
        while len(rest) > LONGEST_LINE:
            complete.append(rest[:LONGEST_LINE])
            rest = rest[LONGEST_LINE:]
        self._partial[stream] = rest
        for line in complete:
            yield self._line(stream, line[: 2 * LONGEST_LINE])

    def _line(self, stream: str, line: bytes) -> Line:
        text = line.removesuffix(b"\r").decode(errors="replace")
        if not self.has_times:
            return Line(None, stream, text)
        time, _, rest = text.partition(" ")
        return Line(time, stream, rest)
