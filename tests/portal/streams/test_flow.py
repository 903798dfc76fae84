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
    window = Window(10, step=1)
    await window.take(9)
    mark = window.mark()
    await window.take(5)
    assert await is_blocked(window)
    window.give_back(mark)
    assert not await is_blocked(window)


async def test_marks_come_so_often_only_as_is_asked_for_and_the_last_one_tells_of_all_before() -> None:
    window = Window(10, step=4)
    marks = []
    for _ in range(10):
        await window.take(1)
        marks.append(window.mark())
    assert [index for index, mark in enumerate(marks) if mark] == [3, 7]
    window.give_back(marks[7])
    await window.take(7)
    assert not await is_blocked(window)
    assert await is_blocked(window)


async def test_a_browser_cannot_open_the_window_wider_by_boasting() -> None:
    window = Window(10, step=1)
    await window.take(5)
    mark = window.mark()
    await window.take(10)
    boasts: list[object] = ["guess", "", None, 1000, ["x"], {}]
    for boast in boasts:
        window.give_back(boast)
    assert await is_blocked(window)
    for _ in range(3):  # told more than once it is worth no more
        window.give_back(mark)
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
