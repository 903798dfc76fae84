"""Look-ups of names: answered by the system, few of one tenant at a time."""

import asyncio
import socket

import pytest

from engine.core.tenants import Tenant
from engine.image.registry_names import Names

ADA, BOB = Tenant("demo", "ada"), Tenant("demo", "bob")


async def test_a_name_of_this_machine_is_known() -> None:
    names = Names()
    found = await names.resolver(ADA).resolve("localhost", 5000, socket.AF_INET)
    assert [(one["host"], one["port"]) for one in found] == [("127.0.0.1", 5000)]
    names.close()


async def test_a_name_that_is_none_is_an_error() -> None:
    names = Names()
    with pytest.raises(OSError, match=r"not known|failure in name resolution|No address"):
        await names.resolver(ADA).resolve("no-such-name.invalid", 443)
    names.close()


async def test_one_tenants_look_ups_leave_threads_for_another() -> None:
    """All of one tenant's turns are taken, as by names that are never answered."""
    names = Names()
    ada = names.resolver(ADA)
    turns = names._turns[ADA]
    while not turns.locked():
        await turns.acquire()
    waiting = asyncio.create_task(ada.resolve("localhost", 1, socket.AF_INET))
    assert await names.resolver(BOB).resolve("localhost", 1, socket.AF_INET)
    assert not waiting.done()
    turns.release()
    assert await waiting
    names.close()
