"""Fixtures of the escape tests."""

from collections.abc import Callable, Iterator

import pytest

from tests.engine.daemon import EngineDaemon
from tests.engine.escapes.cells import Cell, attack_engine, cells


@pytest.fixture(scope="module")
def engine_daemon() -> Iterator[EngineDaemon]:
    with attack_engine() as engine:
        yield engine


@pytest.fixture(scope="module")
def cell(engine_daemon: EngineDaemon) -> Iterator[Cell]:
    """A tenant's container as the engine makes it, for attacks that leave no trace in it."""
    cell = Cell(engine_daemon)
    yield cell
    cell.remove()


@pytest.fixture
def new_cell(engine_daemon: EngineDaemon) -> Iterator[Callable[..., Cell]]:
    with cells(engine_daemon) as make:
        yield make
