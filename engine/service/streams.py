"""Joining a client to a process: its output from the log to the client, the client's input to the process.

Owns the pumping both ways, detach keys and half-closing. It knows the client only as something to read from and write to; a slow
client slows its own reading of the log and nothing else.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from engine.core import stdcopy
from engine.core.detachkeys import DetachScanner
from engine.runtime.log_cursor import Frame
from engine.runtime.log_reader import LogFollower
from engine.runtime.process import Process


class Client(Protocol):
    """The other end of a hijacked connection."""

    async def read(self) -> bytes:
        """Return what comes next; b"" when the client sends no more."""

    async def write(self, data: bytes) -> None:
        """Send. Raises ConnectionError when the client is gone."""

    async def gone(self) -> None:
        """Wait until the client has hung up altogether."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """What a client wants of a process. ``detach_keys`` are looked for in its input unless empty."""

    streams: frozenset[int]
    multiplexed: bool
    stdin: bool = False
    close_stdin_at_end: bool = False
    detach_keys: bytes = b""
    on_progress: Callable[[int], Awaitable[None]] | None = None  # told the position up to which output was sent


class Outcome(Enum):
    """Why an exchange ended."""

    FINISHED = "finished"
    DETACHED = "detached"
    GONE = "gone"


async def exchange(client: Client, process: Process | None, follower: LogFollower, wish: Exchange) -> Outcome:
    """Pump until all output has been sent, the client detaches or is gone. Without a process there is no input."""
    output = asyncio.create_task(_send_output(client, follower, wish))
    tasks = {output, asyncio.create_task(_watch(client))}
    if wish.stdin and process is not None:
        tasks.add(asyncio.create_task(_take_input(client, process, wish)))
    try:
        return await _first_outcome(tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        follower.close()


async def _first_outcome(tasks: set[asyncio.Task[Outcome | None]]) -> Outcome:
    waiting = tasks
    while True:
        done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            if (outcome := task.result()) is not None:
                return outcome


async def _watch(client: Client) -> Outcome | None:
    await client.gone()
    return Outcome.GONE


async def _send_output(client: Client, follower: LogFollower, wish: Exchange) -> Outcome | None:
    encode = _multiplex if wish.multiplexed else _concatenate
    try:
        async for frames in follower.batches():
            data = encode([frame for frame in frames if frame.stream in wish.streams])
            if data:
                await client.write(data)
            if wish.on_progress is not None:
                await wish.on_progress(follower.position)
    except ConnectionError:
        return Outcome.GONE
    return Outcome.FINISHED


def _multiplex(frames: list[Frame]) -> bytes:
    return b"".join(stdcopy.frame(frame.stream, frame.data) for frame in frames)


def _concatenate(frames: list[Frame]) -> bytes:
    return b"".join(frame.data for frame in frames)


async def _take_input(client: Client, process: Process, wish: Exchange) -> Outcome | None:
    """Return DETACHED when the keys were pressed, None at the end of input: output then goes on."""
    scanner = DetachScanner(wish.detach_keys)
    try:
        while data := await client.read():
            passed, is_detached = scanner.feed(data)
            if passed:
                await process.write(passed)
            if is_detached:
                return Outcome.DETACHED
    except BrokenPipeError:
        return None  # the process reads no more; what it still says is wanted
    if wish.close_stdin_at_end:
        process.close_stdin()
    return None
