"""The socket of a terminal: the lab's one shell, shared by all who may see the lab. See ``portal/README.md``.

The shell belongs to the lab, not to the socket: it goes on when the browser leaves, and is found again.
"""

import asyncio
import contextlib
import json
from typing import Any

from aiodocker import Docker
from aiodocker.exceptions import DockerError
from aiodocker.stream import Stream

from portal.labs.lifecycle import LabState
from portal.streams.engine import EngineAway, inspect_exec, join_exec, open_engine, resize_exec
from portal.streams.flow import InputQueue, Window
from portal.streams.lab_socket import LabConsumer
from portal.streams.replay import QuestionFilter
from portal.streams.shell import open_shell

_WINDOW_BYTES = 256 * 1024
_MARK_BYTES = 32 * 1024
_INPUT_BYTES = 1024 * 1024
_REPLAY_PAUSE_SECONDS = 0.05
_TOO_BIG = 4413
_LARGEST_SCREEN = 1000


class TerminalConsumer(LabConsumer):
    async def opened(self) -> None:
        self._window = Window(_WINDOW_BYTES, step=_MARK_BYTES)
        self._input = InputQueue(_INPUT_BYTES)
        self._size: tuple[int, int] | None = None
        self._resized = asyncio.Event()
        await super().opened()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if not self.is_open:
            return
        if bytes_data is not None:
            if not self._input.put(bytes_data):
                await self.shut(_TOO_BIG)
        elif text_data is not None:
            self._take_message(_parse(text_data))

    def _take_message(self, message: dict[str, Any]) -> None:
        if message.get("type") == "resize":
            size = (message.get("rows"), message.get("columns"))
            if all(isinstance(length, int) and 0 < length <= _LARGEST_SCREEN for length in size):
                self._size = (int(message["rows"]), int(message["columns"]))
                self._resized.set()
        elif message.get("type") == "shown":
            self._window.give_back(message.get("mark"))

    async def work(self) -> None:
        await self._wait_until_running()
        async with open_engine(self.lab.tenant) as docker:
            shell = await open_shell(docker, self.lab)
            async with join_exec(docker, shell.exec_id) as stream:
                await self.send_message(type="ready", replayed=shell.is_old)
                if shell.is_old:
                    await self._replay(stream)
                await self._pump(docker, shell.exec_id, stream)
            found = await inspect_exec(docker, shell.exec_id)
            if found is not None and found.get("Running"):
                raise EngineAway("the stream broke while the shell still runs")
            await self.send_message(type="exit", code=found.get("ExitCode") if found else None)

    async def _wait_until_running(self) -> None:
        told = ""
        while self.lab.state != LabState.RUNNING or not self.lab.container_id:
            if self.lab.state != told:
                told = self.lab.state
                await self.send_message(type="waiting", state=told)
            await self.wait_for_change()

    async def _replay(self, stream: Stream) -> None:
        """Show the last output without the questions in it. It comes in one go, so the first pause is its end."""
        questions = QuestionFilter()
        with contextlib.suppress(TimeoutError):
            while True:
                async with asyncio.timeout(_REPLAY_PAUSE_SECONDS):
                    message = await stream.read_out()
                if message is None:
                    break
                await self._show(questions.feed(message.data))
        await self._show(questions.finish())

    async def _show(self, data: bytes) -> None:
        if data:
            await self._window.take(len(data))
            await self.send(bytes_data=data)
            if mark := self._window.mark():
                await self.send_message(type="mark", mark=mark)

    async def _pump(self, docker: Docker, exec_id: str, stream: Stream) -> None:
        """Carry bytes both ways until the shell's side ends."""
        helpers = [
            asyncio.create_task(self._type(stream)),
            asyncio.create_task(self._resize(docker, exec_id)),
        ]
        try:
            while (message := await stream.read_out()) is not None:
                await self._show(message.data)
        finally:
            for helper in helpers:
                helper.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)

    async def _type(self, stream: Stream) -> None:
        while True:
            data = await self._input.get()
            # An end of the shell is told by its output's end, not by what could not be typed any more.
            with contextlib.suppress(ConnectionError, RuntimeError, AssertionError):
                await stream.write_in(data)

    async def _resize(self, docker: Docker, exec_id: str) -> None:
        while True:
            await self._resized.wait()
            self._resized.clear()
            if self._size is not None:
                rows, columns = self._size
                with contextlib.suppress(DockerError):
                    await resize_exec(docker, exec_id, rows=rows, columns=columns)


def _parse(text: str) -> dict[str, Any]:
    """Read a client's message; what is none is an empty one."""
    try:
        message = json.loads(text)
    except ValueError:
        return {}
    return message if isinstance(message, dict) else {}
