"""When sockets are looked at, and whose end is waited for."""

import asyncio
import os
from collections.abc import Callable

import pytest

from engine.errors import Unavailable
from engine.linux.pidfd import pidfd_open
from engine.service.socket_watch import Looked, SocketWatch


async def test_it_looks_until_it_is_closed_and_soon_again_after_it_found_somebody() -> None:
    watch, looks, enough = SocketWatch(), 0, asyncio.Event()

    async def look() -> Looked:
        nonlocal looks
        looks += 1
        if looks == 3:
            enough.set()
        return Looked(0.0, has_found=True)

    watch.start(look)
    await asyncio.wait_for(enough.wait(), 60)
    await watch.close()
    seen = looks
    await asyncio.sleep(0)
    assert looks == seen >= 3


@pytest.mark.parametrize("failure", [Unavailable, OSError, RuntimeError])
async def test_a_look_that_fails_is_told_and_ends_nothing(
    caplog: pytest.LogCaptureFixture, failure: Callable[[str], Exception]
) -> None:
    watch, tried = SocketWatch(), asyncio.Event()

    async def look() -> Looked:
        tried.set()
        raise failure("the host is out of threads")

    watch.start(look)
    await asyncio.wait_for(tried.wait(), 60)
    await watch.close()
    assert "the host is out of threads" in caplog.text


async def test_looks_do_not_wait_for_what_is_begun_for_a_container_and_it_goes_on_once() -> None:
    watch, begun, looked, held = SocketWatch(), 0, asyncio.Event(), asyncio.Event()

    async def wait_for_its_lock() -> None:
        nonlocal begun
        begun += 1
        await held.wait()

    async def look() -> Looked:
        watch.begin("container", wait_for_its_lock)
        if begun:
            looked.set()
        return Looked(0.0, has_found=True)

    watch.start(look)
    await asyncio.wait_for(looked.wait(), 60)
    assert begun == 1
    held.set()
    await asyncio.sleep(0)
    await watch.close()


async def test_a_killed_process_is_waited_for_and_its_descriptor_closed() -> None:
    watch = SocketWatch()
    process = await asyncio.create_subprocess_exec("sleep", "1000")
    descriptors = [pidfd_open(process.pid) for _ in range(2)]
    for pidfd in descriptors:
        watch.note_victim("container", pidfd)
    assert watch.is_ending("container")
    assert not watch.is_ending("another")
    process.kill()
    await process.wait()
    assert not watch.is_ending("container")
    assert "container" in watch.victims
    watch.forget_all_but(["another"])
    assert not watch.victims
    for pidfd in descriptors:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(pidfd)
