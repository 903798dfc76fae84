"""From frames to lines, for readers that want a time on each line.

Pure; a line that was cut at the end of a frame is joined with its rest, stream by stream.
"""

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass

from engine.runtime.log_cursor import Frame

MAX_LINE_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Line:
    """``data`` ends with a line feed, but for the last line of a stream and for pieces of an endless line."""

    time_ns: int
    stream: int
    data: bytes


class LineJoiner:
    """Give it frames in order; what it holds back is at most one unfinished line a stream, of at most MAX_LINE_BYTES."""

    def __init__(self) -> None:
        self._unfinished: dict[int, Line] = {}

    def feed(self, frame: Frame) -> list[Line]:
        """The lines that this frame finishes. A line's time is that of its first piece."""
        pieces = frame.data.splitlines(keepends=True) if b"\r" not in frame.data else _split_at_line_feeds(frame.data)
        lines = [Line(frame.time_ns, frame.stream, piece) for piece in pieces]
        begun = self._unfinished.pop(frame.stream, None)
        if begun is not None:
            lines[0] = Line(begun.time_ns, begun.stream, begun.data + lines[0].data)
        if not lines[-1].data.endswith(b"\n") and len(lines[-1].data) < MAX_LINE_BYTES:
            self._unfinished[frame.stream] = lines.pop()
        return lines

    def rest(self) -> list[Line]:
        """The lines that were never finished, at the end of the log."""
        lines = list(self._unfinished.values())
        self._unfinished.clear()
        return lines


def join_lines(frames: Iterable[Frame]) -> list[Line]:
    """All lines of a finite log."""
    joiner = LineJoiner()
    lines = [line for frame in frames for line in joiner.feed(frame)]
    return lines + joiner.rest()


async def lines(batches: AsyncIterator[list[Frame]]) -> AsyncIterator[list[Line]]:
    """The lines of each batch as it comes, and at the end the unfinished ones."""
    joiner = LineJoiner()
    async for frames in batches:
        finished = [line for frame in frames for line in joiner.feed(frame)]
        if finished:
            yield finished
    if rest := joiner.rest():
        yield rest


def _split_at_line_feeds(data: bytes) -> list[bytes]:
    """As ``splitlines``, which would also split at carriage returns."""
    pieces = data.split(b"\n")
    last = pieces.pop()
    return [piece + b"\n" for piece in pieces] + ([last] if last else [])
