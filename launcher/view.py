"""What the portal's system user must be able to reach, and how it is shown to it where folders above are closed.

A checkout below /root or made by `mktemp -d` cannot be entered by another user. Its processes then get a mount namespace of their
own, in which each closed folder is covered by one that holds nothing but the needed entries, at their usual paths. Nothing
of it is visible on the host. This file only plans; `become` mounts.
"""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from launcher.accounts import NAME, Account
from launcher.console import LauncherError
from launcher.project import Project

OPEN_FOLDER = 0o1
READABLE = 0o4


@dataclass(frozen=True, slots=True)
class Need:
    """An entry that must be reachable."""

    path: Path
    is_writable: bool = False


@dataclass(frozen=True, slots=True)
class View:
    """``covers`` are folders to hide, ``shown`` the entries to show at their own paths inside them."""

    covers: tuple[str, ...]
    shown: tuple[Need, ...]


def plan_view(needs: Iterable[Need], *, is_open: Callable[[Path], bool]) -> View:
    """Find the topmost closed folder above each need."""
    covers: dict[str, None] = {}
    shown: list[Need] = []
    for need in needs:
        closed = next((folder for folder in reversed(need.path.parents) if not is_open(folder)), None)
        if closed is not None:
            covers[str(closed)] = None
            shown.append(need)
    return View(tuple(covers), tuple(shown))


def needs_of_portal(project: Project, *, data: Iterable[Path]) -> list[Need]:
    entries = [project.root / name for name in ("portal", "templates", "static", "manage.py", ".venv")]
    interpreter = Path(os.path.realpath(project.python))
    needs = [Need(path) for path in entries if path.exists()]
    if Path("/usr") not in interpreter.parents:
        needs.append(Need(interpreter.parent.parent))
    return needs + [Need(path, is_writable=True) for path in data]


def is_open_to(account: Account, path: Path) -> bool:
    """Whether the user may enter the folder; access lists are not looked at."""
    return _allows(account, path, OPEN_FOLDER)


def check_readable(account: Account, needs: Iterable[Need]) -> None:
    """Raise LauncherError for an entry whose own mode shuts the user out, as after a clone under umask 077."""
    for need in needs:
        wanted = READABLE | OPEN_FOLDER if need.path.is_dir() else READABLE
        if not _allows(account, need.path, wanted):
            raise LauncherError(f"the system user {NAME} cannot read {need.path}; allow it: chmod -R a+rX {need.path}")


def _allows(account: Account, path: Path, wanted: int) -> bool:
    status = path.stat()
    if status.st_uid == account.uid:
        return status.st_mode >> 6 & wanted == wanted
    if status.st_gid in account.groups:
        return status.st_mode >> 3 & wanted == wanted
    return status.st_mode & wanted == wanted
