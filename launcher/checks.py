"""`test`: every check and every test, on a machine that had nothing."""

import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence

from launcher.console import say
from launcher.preparation import prepare
from launcher.project import Project


def test(project: Project, arguments: Sequence[str]) -> int:
    """Run all, even after one fails; return 0 only if none did."""
    prepare(project, development=True)
    with tempfile.TemporaryDirectory() as data:
        environment = {"ATELIER_DATA": data, "PATH": f"{project.environment / 'bin'}:{os.environ['PATH']}"}
        failed = [name for name, argv in plan_checks(project, arguments) if not _passes(project, name, argv, environment)]
    say(f"failed: {', '.join(failed)}" if failed else "all checks and tests passed")
    return 1 if failed else 0


def plan_checks(project: Project, arguments: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Name and command of each check, quickest first."""
    programs = project.environment / "bin"
    templates = sorted(str(path.relative_to(project.root)) for path in (project.root / "templates").rglob("*.html"))
    return [
        ("ruff check", [str(programs / "ruff"), "check", "."]),
        ("ruff format", [str(programs / "ruff"), "format", "--check", "."]),
        ("djade", [str(programs / "djade"), "--check", "--target-version", "5.2", *templates]),
        ("migrations", [project.python, "manage.py", "makemigrations", "--check", "--dry-run"]),
        ("mypy", [str(programs / "mypy"), ".", "atelier"]),
        ("pytest", [project.python, "-m", "pytest", *arguments]),
    ]


def _passes(project: Project, name: str, argv: list[str], environment: Mapping[str, str]) -> bool:
    say(f"== {name}")
    merged = {**os.environ, **environment}
    return subprocess.run(argv, cwd=project.root, env=merged, stdin=subprocess.DEVNULL, check=False).returncode == 0
