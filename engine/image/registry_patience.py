"""Doing something again that may pass by itself: a few times, with growing pauses, or the one that the registry asks for."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from engine.image.registry_edge import Edge, Transient

T = TypeVar("T")


async def patiently(edge: Edge, work: Callable[[], Awaitable[T]]) -> T:
    """Return what ``work`` returns; raises what it raises once patience is at its end."""
    for attempt in range(1, edge.attempts):
        try:
            return await work()
        except Transient as failure:
            await pause(edge, attempt, failure)
    return await work()


async def pause(edge: Edge, attempt: int, failure: Transient) -> None:
    """Wait before another attempt; raises the failure where the registry asks for more than anyone would wait."""
    if failure.wait_seconds is not None:
        if failure.wait_seconds > edge.most_delay_seconds:
            raise failure
        await asyncio.sleep(failure.wait_seconds)
        return
    longest = min(edge.first_delay_seconds * 2**attempt, edge.most_delay_seconds)
    # Clients that failed together come back apart.
    await asyncio.sleep(longest * random.uniform(0.5, 1.0))  # noqa: S311  # no secret depends on it
