"""Fixtures that run a real engine daemon."""

from collections.abc import Callable, Iterator

import pytest

from tests.engine.daemon import EngineDaemon, wait_until


@pytest.fixture(scope="module")
def engine_daemon() -> Iterator[EngineDaemon]:
    """One engine for a file of tests, with the image busybox; at its end nothing of it may be left on the host."""
    daemon = EngineDaemon().start()
    try:
        daemon.import_busybox()
        yield daemon
        daemon.remove_containers()
        daemon.stop()
        wait_until(lambda: not daemon.leftovers(), "the engine to leave nothing behind", hint=lambda: str(daemon.leftovers()))
    finally:
        daemon.destroy()


@pytest.fixture
def engine(engine_daemon: EngineDaemon) -> Iterator[EngineDaemon]:
    """The file's engine; containers that a test leaves are removed."""
    yield engine_daemon
    engine_daemon.remove_containers()


@pytest.fixture
def start_engine() -> Iterator[Callable[..., EngineDaemon]]:
    """Starts engines of the test's own, for tests that kill them; keyword arguments are their environment."""
    daemons: list[EngineDaemon] = []

    def start(**environment: str) -> EngineDaemon:
        daemon = EngineDaemon(**environment).start()
        daemons.append(daemon)
        daemon.import_busybox()
        return daemon

    try:
        yield start
        for daemon in daemons:
            daemon.remove_containers()
            daemon.stop()
            wait_until(lambda one=daemon: not one.leftovers(), "nothing to be left", hint=lambda one=daemon: str(one.leftovers()))  # type: ignore[misc]  # lambda defaults
    finally:
        for daemon in daemons:
            daemon.destroy()
