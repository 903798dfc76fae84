"""From frames to lines, for readers that want a time on each line.

Pure; a line that was cut at the end of a frame is joined with its rest, stream by stream.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from engine.runtime.log_cursor import Frame

MAX_LINE_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Line:
    """``data`` ends with a line feed, but for the last line of a stream and for pieces of an endless line.

    ``continues``: it is a further piece of one.
    """

    time_ns: int
    stream: int
    data: bytes
    continues: bool = False


class _Unfinished:
    """A line that is being joined; it grows in place, or a program that writes single bytes would cost their square."""

    __slots__ = ("continues", "data", "time_ns")

    def __init__(self, time_ns: int, data: bytes, *, continues: bool) -> None:
        self.time_ns, self.data, self.continues = time_ns, bytearray(data), continues


class LineJoiner:
    """Give it frames in order; what it holds back is at most one unfinished line a stream, of at most MAX_LINE_BYTES."""

    def __init__(self) -> None:
        self._unfinished: dict[int, _Unfinished] = {}

    def feed(self, frame: Frame) -> list[Line]:
        """The lines that this frame finishes. A line's time is that of its first piece."""
        pieces = frame.data.splitlines(keepends=True) if b"\r" not in frame.data else _split_at_line_feeds(frame.data)
        cut = self._let_go(frame.stream) if not frame.continues else []
        begun = self._unfinished.get(frame.stream)
        last = pieces.pop() if not pieces[-1].endswith(b"\n") else b""
        lines = [Line(frame.time_ns, frame.stream, piece) for piece in pieces]
        if begun is not None and lines:
            del self._unfinished[frame.stream]
            begun.data += lines[0].data
            lines[0] = Line(begun.time_ns, frame.stream, bytes(begun.data), begun.continues)
        if last:
            lines += self._hold(frame, last)
        return cut + lines

    def _let_go(self, stream: int) -> list[Line]:
        """A line that its program never finished, since another run has begun."""
        one = self._unfinished.pop(stream, None)
        return [Line(one.time_ns, stream, bytes(one.data), one.continues)] if one is not None and one.data else []

    def _hold(self, frame: Frame, piece: bytes) -> list[Line]:
        """Keep the begin of a line, or let a piece of it go when it is too long to keep."""
        held = self._unfinished.get(frame.stream)
        if held is None:
            held = self._unfinished[frame.stream] = _Unfinished(frame.time_ns, piece, continues=False)
        else:
            held.data += piece
        if len(held.data) < MAX_LINE_BYTES:
            return []
        self._unfinished[frame.stream] = _Unfinished(held.time_ns, b"", continues=True)
        return [Line(held.time_ns, frame.stream, bytes(held.data), held.continues)]

    def rest(self) -> list[Line]:
        """The lines that were never finished, at the end of the log."""
        return [line for stream in list(self._unfinished) for line in self._let_go(stream)]

    def is_within_line(self, until_ns: int) -> bool:
        """Whether a line that began at or before a time is not finished yet."""
        return any(one.time_ns <= until_ns for one in self._unfinished.values())


def join_lines(frames: Iterable[Frame]) -> list[Line]:
    """All lines of a finite log."""
    joiner = LineJoiner()
    lines = [line for frame in frames for line in joiner.feed(frame)]
    return lines + joiner.rest()


def _split_at_line_feeds(data: bytes) -> list[bytes]:
    """As ``splitlines``, which would also split at carriage returns."""
    pieces = data.split(b"\n")
    last = pieces.pop()
    return [piece + b"\n" for piece in pieces] + ([last] if last else [])
