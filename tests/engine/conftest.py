"""Fixtures that run a real engine daemon."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.engine.daemon import EngineDaemon, running_engine


@pytest.fixture(scope="module")
def engine_daemon() -> Iterator[EngineDaemon]:
    """One engine for a file of tests, with the image busybox; at its end nothing of it may be left on the host."""
    with running_engine() as daemon:
        daemon.import_busybox()
        yield daemon


@pytest.fixture
def engine(engine_daemon: EngineDaemon) -> Iterator[EngineDaemon]:
    """The file's engine; containers that a test leaves are removed."""
    yield engine_daemon
    engine_daemon.remove_containers()


@pytest.fixture
def start_engine() -> Iterator[Callable[..., EngineDaemon]]:
    """Starts engines of the test's own, for tests that kill them; keyword arguments are their environment."""
    with ExitStack() as running:

        def start(**environment: str) -> EngineDaemon:
            daemon = running.enter_context(running_engine(**environment))
            daemon.import_busybox()
            return daemon

        yield start
