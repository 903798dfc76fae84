"""Where things lie in the project folder, and the stamps that tell which set-up steps are done.

A stamp holds the hash of what a step was made from. It lives in the virtual environment: whoever deletes that starts afresh.
"""

import hashlib
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


def files_below(*folders: Path) -> list[Path]:
    return sorted(path for folder in folders for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)


def digest_of(paths: Iterable[Path], *, extra: str = "") -> str:
    """Hash names and contents, so that a renamed or removed file counts as a change."""
    total = hashlib.sha256(extra.encode())
    for path in paths:
        content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "absent"
        total.update(f"\0{path}\0{content}".encode())
    return total.hexdigest()


@dataclass(frozen=True, slots=True)
class Project:
    """The checkout at ``root``."""

    root: Path

    @property
    def environment(self) -> Path:
        return self.root / ".venv"

    @property
    def python(self) -> str:
        return str(self.environment / "bin" / "python")

    @property
    def requirements(self) -> Path:
        return self.root / "requirements.txt"

    @property
    def development_requirements(self) -> Path:
        return self.root / "requirements-dev.txt"

    def is_done(self, step: str, digest: str) -> bool:
        stamp = self._stamp(step)
        return stamp.is_file() and stamp.read_text() == digest

    def mark_done(self, step: str, digest: str) -> None:
        stamp = self._stamp(step)
        stamp.parent.mkdir(exist_ok=True)
        stamp.write_text(digest)

    def _stamp(self, step: str) -> Path:
        return self.environment / "stamps" / step


def this_project() -> Project:
    return Project(Path(sys.modules["launcher"].__path__[0]).resolve().parent)
