"""COPY and ADD lay out what Docker's classic builder lays out."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.build.add_cases import CASES as ADD_CASES
from tests.engine.build.copy_cases import CASES as COPY_CASES
from tests.engine.build.copy_cases import Case
from tests.engine.build.play import play_as_build, play_here
from tests.engine.daemon import EngineDaemon
from tests.engine.dockerd import serving

pytestmark = pytest.mark.requires_root

CASES = [*COPY_CASES, *ADD_CASES]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.label)
def test_an_instruction_makes_of_an_image_what_the_table_says(case: Case, tmp_path: Path) -> None:
    _check(case, play_here(case, tmp_path))


@pytest.fixture(scope="module")
def engine() -> Iterator[EngineDaemon]:
    with serving("atelier") as daemon:
        yield daemon


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.label)
def test_a_build_makes_the_same_of_it(case: Case, engine: EngineDaemon, tmp_path: Path) -> None:
    _check(case, play_as_build(case, engine, tmp_path))


@pytest.fixture(scope="module")
def dockerd() -> Iterator[EngineDaemon]:
    with serving("dockerd") as daemon:
        yield daemon


@pytest.mark.parametrize("case", [case for case in CASES if not case.unlike], ids=lambda case: case.label)
def test_dockerd_makes_the_same_of_it(case: Case, dockerd: EngineDaemon, tmp_path: Path) -> None:
    _check(case, play_as_build(case, dockerd, tmp_path))


def _check(case: Case, outcome: str) -> None:
    assert (case.error in outcome) if case.error else (case.tree == outcome)
