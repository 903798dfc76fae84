"""What is made from sources besides Python packages: the browser bundle, translations, collected static files, bytecode."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from launcher.console import say
from launcher.environment import ensure_node
from launcher.programs import run_program
from launcher.project import Project, digest_of, files_below


def ensure_frontend(project: Project) -> None:
    """Make everything that is older than its sources."""
    packages = digest_of([project.root / "package.json", project.root / "package-lock.json"])
    _ensure(project, "node-modules", packages, project.root / "node_modules", _install_node_modules)
    sources = files_below(project.root / "static" / "src") + sorted((project.root / "static").glob("*.mjs"))
    bundle = digest_of(sources, extra=packages)
    _ensure(project, "bundle", bundle, project.root / "static" / "dist", _build_bundle)
    messages = files_below_named(project.root / "portal" / "locale", "*.po")
    _ensure(project, "messages", digest_of(messages), project.root / "portal", _compile_messages)
    collected = digest_of(_static_sources(project), extra=digest_of([project.requirements]))
    _ensure(project, "static", collected, project.root / "static" / "collected", _collect_static)
    code = [path for path in files_below(project.root / "portal", project.root / "engine") if path.suffix == ".py"]
    _ensure(project, "bytecode", digest_of(code), project.root / "portal", _compile_python)


def files_below_named(folder: Path, pattern: str) -> list[Path]:
    return sorted(folder.rglob(pattern))


def _ensure(project: Project, step: str, digest: str, result: Path, make: Callable[[Project], None]) -> None:
    if project.is_done(step, digest) and result.exists():
        return
    make(project)
    project.mark_done(step, digest)


def _static_sources(project: Project) -> list[Path]:
    collected = project.root / "static" / "collected"
    settings = files_below(project.root / "portal" / "config")
    return [path for path in files_below(project.root / "static") if collected not in path.parents] + settings


def _install_node_modules(project: Project) -> None:
    say("installing front-end packages")
    _npm(project, "ci", "--no-audit", "--no-fund")


def _build_bundle(project: Project) -> None:
    say("building the front-end")
    _npm(project, "run", "build")


def _npm(project: Project, *arguments: str) -> None:
    path = ensure_node(project)
    run_program(["npm", *arguments], purpose=f"npm {arguments[0]}", folder=project.root, environment={"PATH": path})


def _compile_messages(project: Project) -> None:
    say("compiling translations")
    for source in files_below_named(project.root / "portal" / "locale", "*.po"):
        run_program(["msgfmt", "--check", "-o", str(source.with_suffix(".mo")), str(source)], purpose="compiling translations")


def _collect_static(project: Project) -> None:
    say("collecting static files")
    command = [project.python, "manage.py", "collectstatic", "--noinput", "--clear"]
    with tempfile.TemporaryDirectory() as data:
        # The settings want a folder for their secret key; no running portal's key is any business of this step.
        run_program(command, purpose="collecting static files", folder=project.root, environment={"ATELIER_DATA": data})


def _compile_python(project: Project) -> None:
    """The system user of the portal may not write bytecode beside the sources, so it is made here."""
    run_program([project.python, "-m", "compileall", "-q", "portal", "engine"], purpose="compiling", folder=project.root)
