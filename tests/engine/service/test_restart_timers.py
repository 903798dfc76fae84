"""Timers of restarts."""

import asyncio

from engine.core.tenants import Tenant
from engine.service.fair_threads import ASKING
from engine.service.restart_timers import RestartTimers


async def test_a_restart_is_not_held_back_behind_what_its_tenant_asks() -> None:
    """Few are made at a time, for all tenants."""
    timers = RestartTimers()
    timers.open()
    seen = asyncio.get_running_loop().create_future()

    async def work() -> None:
        seen.set_result(ASKING.get())

    ASKING.set(Tenant("blue", "ada"))
    timers.schedule("c1", 0.0, work)
    assert await seen is None
    await timers.close()
