"""Look-ups of names: answered by the system, few of one tenant at a time."""

import asyncio
import socket
import subprocess
import sys

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


@pytest.mark.requires_root
def test_a_public_address_of_this_machine_is_this_machine() -> None:
    """Its services may trust what comes from the machine itself."""
    ask = "from engine.image.registry_edge import Edge; print(*map(Edge().kind_of, ('8.8.8.8', '2600::8', '8.8.4.4')))"
    script = 'ip link set lo up && ip addr add 8.8.8.8/32 dev lo && ip addr add 2600::8/128 dev lo nodad && exec "$0" -c "$1"'
    ran = subprocess.run(
        ["unshare", "--net", "sh", "-c", script, sys.executable, ask], capture_output=True, text=True, check=True
    )
    assert ran.stdout.split() == ["2", "2", "0"]
