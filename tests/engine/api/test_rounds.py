"""Turns on the loop: one for each tenant in each round."""

import asyncio
from functools import partial

from engine.api.rounds import Pieces, Rounds


def test_of_many_who_wait_one_goes_on_in_each_round() -> None:
    async def play() -> list[int]:
        rounds, gone_on = Rounds(), 0

        async def work() -> None:
            nonlocal gone_on
            await rounds.turn()
            gone_on += 1

        tasks = [asyncio.create_task(work()) for _ in range(5)]
        seen = []
        while not all(task.done() for task in tasks):
            before = gone_on
            await asyncio.sleep(0)
            seen.append(gone_on - before)
        return seen

    seen = asyncio.run(play())
    assert (sum(seen), max(seen)) == (5, 1)


def test_who_is_alone_does_not_wait() -> None:
    async def play() -> None:
        rounds = Rounds()
        for _ in range(3):
            turn = rounds.turn().__await__()
            assert next(turn, "at once") == "at once"
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    asyncio.run(play())


def test_who_gives_up_keeps_nobody_from_a_turn() -> None:
    async def play() -> None:
        rounds = Rounds()
        await rounds.turn()
        waiting = [asyncio.create_task(rounds.turn()) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        await asyncio.gather(*waiting[1:])
        await rounds.turn()

    asyncio.run(play())


def test_one_tenants_turns_are_not_anothers() -> None:
    async def play() -> None:
        busy, idle = Rounds(), Rounds()
        waiting = [asyncio.create_task(busy.turn()) for _ in range(100)]
        await asyncio.sleep(0)
        assert next(idle.turn().__await__(), "at once") == "at once"
        await asyncio.gather(*waiting)

    asyncio.run(play())


def test_work_that_nobody_wants_any_more_takes_no_turn() -> None:
    async def play() -> list[str]:
        rounds = Rounds()
        done: list[str] = []

        def work(name: str, *, is_wanted: bool) -> bool:
            done.append(name)
            return is_wanted

        assert rounds.take()
        assert not rounds.take()
        rounds.wait(partial(work, "given up", is_wanted=False))
        rounds.wait(partial(work, "first", is_wanted=True))
        rounds.wait(partial(work, "second", is_wanted=True))
        await asyncio.sleep(0)
        assert done == ["given up", "first"]
        await asyncio.sleep(0)
        return done

    assert asyncio.run(play()) == ["given up", "first", "second"]


def test_work_that_fails_keeps_nobody_from_a_turn() -> None:
    async def play() -> None:
        rounds, failures = Rounds(), list[BaseException]()
        asyncio.get_running_loop().set_exception_handler(lambda _, about: failures.append(about["exception"]))

        def fail() -> bool:
            raise KeyError("lost")

        assert rounds.take()
        rounds.wait(fail)
        async with asyncio.timeout(20):
            await rounds.turn()
        assert [type(failure) for failure in failures] == [KeyError]

    asyncio.run(play())


def test_pieces_are_small_as_long_as_they_cost_much_and_large_again_afterwards() -> None:
    pieces = Pieces(least=10, most=1000)
    sizes = []
    for seconds in (0.1, 0.1, 0.1, 0.1, 0.001, *[0.0001] * 8):
        pieces.note(seconds=seconds)
        sizes.append(pieces.bytes)
    assert sizes == [250, 62, 15, 10, 10, 20, 40, 80, 160, 320, 640, 1000, 1000]
