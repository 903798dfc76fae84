"""The socket of a log: the lines of a lab's container, from the last ones on, live. See ``portal/README.md``."""

import json
from urllib.parse import parse_qs

from portal.streams.engine import open_log
from portal.streams.flow import Window
from portal.streams.lab_socket import LabConsumer
from portal.streams.lines import Line, LineReader

_WINDOW_LINES = 2000
_BATCH_LINES = 500
_DEFAULT_TAIL = 1000
_LONGEST_TAIL = 5000


class LogConsumer(LabConsumer):
    async def opened(self) -> None:
        self._window = Window(_WINDOW_LINES, step=1)
        await super().opened()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if not self.is_open or text_data is None:
            return
        try:
            message = json.loads(text_data)
        except ValueError:
            return
        if isinstance(message, dict) and message.get("type") == "shown":
            self._window.give_back(message.get("mark"))

    async def work(self) -> None:
        while not self.lab.container_id:
            await self.wait_for_change()
        query = parse_qs(self.scope["query_string"].decode("latin-1"))
        has_times = query.get("timestamps", ["0"])[0] == "1"
        reader = LineReader(has_times)
        async with open_log(self.lab.tenant, self.lab.container_id, has_times=has_times, tail=_parse_tail(query)) as content:
            async for chunk in content.iter_any():
                await self._send_lines(list(reader.feed(chunk)))
            await self._send_lines(list(reader.finish()))
        await self.send_message(type="end")

    async def _send_lines(self, lines: list[Line]) -> None:
        for start in range(0, len(lines), _BATCH_LINES):
            batch = lines[start : start + _BATCH_LINES]
            await self._window.take(len(batch))
            await self.send_message(type="lines", lines=[line.as_json() for line in batch], mark=self._window.mark())


def _parse_tail(query: dict[str, list[str]]) -> int:
    text = query.get("tail", [""])[0]
    return min(int(text), _LONGEST_TAIL) if text.isdecimal() and len(text) < 10 else _DEFAULT_TAIL
