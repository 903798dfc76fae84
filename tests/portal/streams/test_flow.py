"""Nothing waits without bounds on its way to or from a browser."""

import asyncio

from portal.streams.flow import InputQueue, Window


async def is_blocked(window: Window, amount: int = 1) -> bool:
    try:
        async with asyncio.timeout(0.02):
            await window.take(amount)
    except TimeoutError:
        return True
    return False


async def test_a_sender_stops_when_the_window_is_full_and_goes_on_when_something_was_shown() -> None:
    window = Window(10)
    await window.take(9)
    await window.take(5)
    assert await is_blocked(window)
    window.give_back(5)
    assert not await is_blocked(window)


async def test_a_browser_cannot_open_the_window_wider_by_boasting() -> None:
    window = Window(10)
    window.give_back(1000)
    window.give_back(-1000)
    await window.take(10)
    assert await is_blocked(window)


async def test_empty_input_takes_no_place() -> None:
    queue = InputQueue(4)
    for _ in range(1000):
        assert queue.put(b"")
    assert queue.put(b"ab")
    assert await queue.get() == b"ab"


async def test_input_comes_out_in_order_and_stops_at_its_bound() -> None:
    queue = InputQueue(4)
    assert queue.put(b"ab")
    assert queue.put(b"cd")
    assert not queue.put(b"e")
    assert [await queue.get(), await queue.get()] == [b"ab", b"cd"]
    assert queue.put(b"e")
