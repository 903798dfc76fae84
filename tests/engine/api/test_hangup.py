"""Clients that hang up: the watcher for them, on socket pairs, and what the log says of them."""

import asyncio
import logging
import os
import socket
from pathlib import Path

import pytest
from aiohttp import web

from engine.api.hangup import HangupWatcher
from engine.api.server import HijackableRunner


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


@pytest.mark.parametrize(("is_gone", "told"), [(True, []), (False, ["Error handling request from "])])
async def test_a_client_that_is_gone_when_its_answer_begins_fills_no_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, is_gone: bool, told: list[str]
) -> None:
    """A connection that was lost on the engine's own way to somewhere else is told as any other failure."""

    async def answer(request: web.Request) -> web.StreamResponse:
        if not is_gone:
            raise ConnectionResetError("somebody else's")
        assert request.transport is not None
        request.transport.close()
        response = web.StreamResponse()
        await response.prepare(request)
        return response

    application = web.Application()
    application.router.add_get("/", answer)
    runner = HijackableRunner(application)
    await runner.setup()
    await web.UnixSite(runner, str(tmp_path / "socket")).start()
    with caplog.at_level(logging.ERROR):
        reader, writer = await asyncio.open_unix_connection(str(tmp_path / "socket"))
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        await asyncio.wait_for(reader.read(), 5)
        writer.close()
        await runner.cleanup()
    assert [record.getMessage() for record in caplog.records] == told
