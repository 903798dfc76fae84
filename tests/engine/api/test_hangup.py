"""The watcher for hang-ups, on socket pairs."""

import asyncio
import os
import socket

from engine.api.hangup import HangupWatcher


async def _settle() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def test_several_may_wait_for_one_socket() -> None:
    watcher = HangupWatcher()
    near, far = socket.socketpair()
    waits = [asyncio.create_task(watcher.wait(near.fileno())) for _ in range(3)]
    await _settle()
    waits.pop().cancel()
    far.close()
    await asyncio.wait_for(asyncio.gather(*waits), 5)
    near.close()
    watcher.close()


async def test_closing_one_half_is_no_hangup() -> None:
    watcher = HangupWatcher()
    near, far = socket.socketpair()
    waiting = asyncio.create_task(watcher.wait(near.fileno()))
    far.shutdown(socket.SHUT_WR)
    await asyncio.sleep(0.05)
    assert not waiting.done()
    far.close()
    await asyncio.wait_for(waiting, 5)
    near.close()
    watcher.close()


async def test_a_descriptor_that_is_closed_and_used_again_disturbs_nobody() -> None:
    watcher = HangupWatcher()
    near, far = socket.socketpair()
    old = asyncio.create_task(watcher.wait(near.fileno()))
    await _settle()
    other_near, other_far = socket.socketpair()
    number = near.fileno()
    os.dup2(other_near.fileno(), number)  # closes what had the number
    new = asyncio.create_task(watcher.wait(number))
    await _settle()
    old.cancel()
    await _settle()
    assert not new.done()
    other_far.close()
    await asyncio.wait_for(new, 5)
    for sock in (near, far, other_near):
        sock.close()
    watcher.close()


async def test_closing_the_watcher_leaves_waits_that_can_be_cancelled() -> None:
    watcher = HangupWatcher()
    near, far = socket.socketpair()
    waiting = asyncio.create_task(watcher.wait(near.fileno()))
    await _settle()
    watcher.close()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert waiting.cancelled()
    near.close()
    far.close()
