"""What `./atelier test` runs."""

from pathlib import Path

from launcher.checks import plan_checks
from launcher.project import Project


def test_all_checks_run_and_arguments_go_to_pytest(tmp_path: Path) -> None:
    checks = dict(plan_checks(Project(tmp_path), ["-k", "limits"]))
    assert list(checks) == ["ruff check", "ruff format", "djade", "migrations", "mypy", "pytest"]
    assert checks["pytest"][-2:] == ["-k", "limits"]
