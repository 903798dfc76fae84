"""Lines of progress that a client has not read yet: of each that says how far something is only the latest.

So a client that never reads takes neither memory nor holds anything up. Used on the loop; sends nothing.
"""

import asyncio

from engine.core.progress import Line

_MOST_WAITING = 4096


class WaitingLines:
    """``put`` never waits; one task takes."""

    def __init__(self) -> None:
        self._waiting: dict[object, Line] = {}
        self._some = asyncio.Event()
        self._count = 0
        self._is_closed = False

    def put(self, line: Line) -> None:
        """Add a line; one about the same thing in the same state that nobody has taken yet gives it its place."""
        self._count += 1
        line_id = line.get("id")
        key = (line_id, line.get("status")) if line_id and "progressDetail" in line else self._count
        if key in self._waiting or len(self._waiting) < _MOST_WAITING:
            self._waiting[key] = line
        self._some.set()

    def close(self) -> None:
        """No more will come."""
        self._is_closed = True
        self._some.set()

    async def take(self) -> list[Line]:
        """Return what waits, as soon as something does; nothing at the end."""
        await self._some.wait()
        taken, self._waiting = list(self._waiting.values()), {}
        if not self._is_closed:
            self._some.clear()
        return taken
