"""Fixtures: a private host, sandboxes on it, network managers that are closed at the end."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from engine.network.manager import NetworkManager
from tests.engine.network.sandboxes import Sandbox, private_host

INSTANCE = "5a5a5a"


@pytest.fixture
def host() -> Iterator[None]:
    """A network namespace of the test's own that plays the host."""
    with private_host():
        yield


@pytest.fixture
def sandbox(host: None) -> Iterator[Callable[[str], Sandbox]]:
    """Makes sandboxes by name; they end with the test."""
    with contextlib.ExitStack() as stack:
        yield lambda name: stack.enter_context(Sandbox(name))


@pytest.fixture
async def open_manager(host: None, tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[NetworkManager]]]:
    """Opens managers on one data folder, by default of one instance; what a test leaves open is closed."""
    opened: list[NetworkManager] = []

    async def open_one(*, instance: str = INSTANCE, **options: object) -> NetworkManager:
        manager = NetworkManager(data_path=tmp_path / instance, instance=instance, **options)  # type: ignore[arg-type]  # passed on
        await manager.open()
        opened.append(manager)
        return manager

    yield open_one
    for manager in opened:
        await manager.close(remove=True)


@pytest.fixture
async def manager(open_manager: Callable[..., Awaitable[NetworkManager]]) -> NetworkManager:
    return await open_manager(sweep_delay_seconds=0.05)
