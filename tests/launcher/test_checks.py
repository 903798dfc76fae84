"""What `./atelier test` runs."""

import json
from pathlib import Path

import pytest

from launcher.checks import plan_checks
from launcher.project import Project
from launcher.second_look import MOST, TIMES, failed_tests, passes_each_time


def test_all_checks_run_and_arguments_go_to_pytest(tmp_path: Path) -> None:
    checks = dict(plan_checks(Project(tmp_path), ["-k", "limits"], cache=tmp_path))
    assert list(checks) == ["ruff check", "ruff format", "djade", "migrations", "mypy", "pytest"]
    assert checks["pytest"][-2:] == ["-k", "limits"]


@pytest.mark.parametrize(
    ("failed", "looked_at"),
    [
        pytest.param(["b.py::two", "a.py::one"], ["a.py::one", "b.py::two"], id="a few"),
        pytest.param([f"a.py::{number}" for number in range(MOST + 1)], [], id="too many"),
        pytest.param(["a.py"], [], id="a file that cannot be read"),
        pytest.param([], [], id="none"),
    ],
)
def test_a_few_failures_are_looked_at_again(tmp_path: Path, failed: list[str], looked_at: list[str]) -> None:
    (tmp_path / "v/cache").mkdir(parents=True)
    (tmp_path / "v/cache/lastfailed").write_text(json.dumps(dict.fromkeys(failed, True)))
    assert failed_tests(tmp_path) == looked_at


def test_a_run_that_ended_before_any_test_is_not_looked_at_again(tmp_path: Path) -> None:
    assert failed_tests(tmp_path) == []


@pytest.mark.parametrize("failing", range(TIMES))
def test_who_fails_once_more_has_failed(failing: int) -> None:
    outcomes = iter(turn != failing for turn in range(TIMES))
    assert not passes_each_time(lambda: next(outcomes))


def test_who_passes_each_time_does_not_count_as_failed() -> None:
    assert passes_each_time(lambda: True)
