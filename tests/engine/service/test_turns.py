"""Turns: so many of a tenant at once, and those that are stuck give theirs back."""

import asyncio

from engine.core.tenants import Tenant
from engine.service.fair_threads import ASKING
from engine.service.turns import Turns

ADA, BOB = Tenant("blue", "ada"), Tenant("red", "bob")
LONG_SECONDS = 1000.0


def test_so_many_of_a_tenant_at_once() -> None:
    async def play() -> None:
        turns, inside, most = Turns(2), 0, 0

        async def work() -> None:
            nonlocal inside, most
            async with turns.taken(ADA, seconds=LONG_SECONDS):
                inside += 1
                most = max(most, inside)
                await asyncio.sleep(0)
                inside -= 1

        await asyncio.gather(*(work() for _ in range(10)))
        assert most == 2

    asyncio.run(play())


def test_what_is_stuck_gives_its_turn_to_the_next_and_gives_none_twice() -> None:
    async def play() -> None:
        turns = Turns(1)
        async with turns.taken(ADA, seconds=0.01):
            async with turns.taken(ADA, seconds=LONG_SECONDS):
                assert turns.of(ADA).locked()
            assert not turns.of(ADA).locked()
        async with turns.taken(ADA, seconds=LONG_SECONDS):
            assert turns.of(ADA).locked()

    asyncio.run(play())


def test_one_tenants_turns_are_not_anothers() -> None:
    async def play() -> None:
        turns = Turns(1)
        async with turns.taken(ADA, seconds=LONG_SECONDS), turns.taken(BOB, seconds=LONG_SECONDS):
            assert turns.of(ADA).locked()

    asyncio.run(play())


def test_what_nobody_in_particular_asked_for_does_not_wait_behind_what_a_tenant_asks() -> None:
    async def play() -> None:
        turns = Turns(1)

        async def ask(tenant: Tenant | None) -> None:
            ASKING.set(tenant)
            async with turns.asked(ADA, seconds=LONG_SECONDS):
                pass

        async with turns.taken(ADA, seconds=LONG_SECONDS):
            waiting = asyncio.create_task(ask(ADA))
            await asyncio.create_task(ask(None))
            assert not waiting.done()
        await waiting

    asyncio.run(play())
