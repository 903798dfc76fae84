"""The daemon's end of the control socket: requests with answers, events, and the news that the supervisor is gone.

Owns the socket and the numbering of requests. Knows nothing of processes.
"""

import asyncio
import os
import socket
from collections.abc import Callable, Mapping

from engine.errors import CommandNotRunnable, Conflict, EngineError, Fault, NotFound, Unavailable
from engine.linux import packets
from engine.linux.packets import Body

Answer = tuple[Body, dict[str, int]]
_KINDS: dict[str, type[EngineError]] = {kind.__name__: kind for kind in (Conflict, Fault, NotFound, Unavailable)}
LOST = "the supervisor of containers ended in the middle of the request; try again"


class Connection:
    """One connection to one supervisor. ``on_event`` and ``on_lost`` are called from the loop."""

    def __init__(
        self, sock: socket.socket, *, on_event: Callable[[Body, dict[str, int]], None], on_lost: Callable[[], None]
    ) -> None:
        self._sock = sock
        self._on_event = on_event
        self._on_lost = on_lost
        self._number = 0
        self._answers: dict[int, asyncio.Future[Answer]] = {}
        self._sending = asyncio.Lock()
        sock.setblocking(False)
        asyncio.get_running_loop().add_reader(sock.fileno(), self._receive)

    async def request(self, op: str, body: Body | None = None, fds: Mapping[str, int] | None = None) -> Answer:
        """Ask and wait for the answer. Raises the EngineError that the supervisor names, Unavailable when it is gone."""
        self._number += 1
        number = self._number
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        try:
            await self.tell(op, {**(body or {}), "n": number}, fds)
            found, received = await answer
        finally:
            self._answers.pop(number, None)
        if "error" in found:
            raise _error(found["error"])
        return found, received

    async def tell(self, op: str, body: Body | None = None, fds: Mapping[str, int] | None = None) -> None:
        """Send without expecting an answer. Raises Unavailable when the supervisor is gone."""
        async with self._sending:
            while True:
                try:
                    packets.send(self._sock, {**(body or {}), "op": op}, fds)
                    return
                except BlockingIOError:
                    await self._wait_writable()
                except (packets.EndOfStream, OSError) as error:
                    raise Unavailable(LOST) from error

    def close(self) -> None:
        """Close without telling ``on_lost``; open requests fail."""
        if self._sock.fileno() >= 0:
            loop = asyncio.get_running_loop()
            loop.remove_reader(self._sock.fileno())
            loop.remove_writer(self._sock.fileno())
            self._sock.close()
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(Unavailable(LOST))

    def _receive(self) -> None:
        try:
            while self._sock.fileno() >= 0:
                self._dispatch(*packets.receive(self._sock))
        except BlockingIOError:
            return
        except packets.EndOfStream:
            self.close()
            self._on_lost()

    def _dispatch(self, body: Body, fds: dict[str, int]) -> None:
        if "re" not in body:
            self._on_event(body, fds)
            return
        answer = self._answers.get(body["re"])
        if answer is None or answer.done():
            # Whoever asked has been cancelled.
            for fd in fds.values():
                os.close(fd)
            return
        answer.set_result((body, fds))

    async def _wait_writable(self) -> None:
        loop, fd = asyncio.get_running_loop(), self._sock.fileno()
        if fd < 0:
            raise Unavailable(LOST)
        ready = asyncio.Event()
        loop.add_writer(fd, ready.set)
        try:
            await ready.wait()
        finally:
            if self._sock.fileno() == fd:
                loop.remove_writer(fd)


def _error(found: Body) -> EngineError:
    if found["exit_code"] is not None:
        return CommandNotRunnable(found["message"], exit_code=found["exit_code"])
    return _KINDS.get(found["kind"], Fault)(found["message"])
