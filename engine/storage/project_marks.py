"""What tells an area of project quotas from a folder in one: an attribute of the folder, with its owner and its own limit.

Containers neither see nor set attributes of that kind, and archives carry none.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.core.tenants import Tenant

_MARK = "trusted.atelier.area"
_DISK = "trusted.atelier.disk"
_PROJECT = b"project"


@dataclass(frozen=True, slots=True)
class Mark:
    """Who pays for an area, and its own limit if any."""

    owner: Tenant
    limit_bytes: int | None = None


def write_mark(fd: int, mark: Mark) -> None:
    """Raises OSError."""
    text = json.dumps([mark.owner.team, mark.owner.member, mark.limit_bytes], separators=(",", ":"))
    os.setxattr(fd, _MARK, text.encode())


def read_mark(fd: int | Path) -> Mark | None:
    """Return that of an open folder; None where there is none. Raises OSError."""
    try:
        team, member, limit = json.loads(os.getxattr(fd, _MARK))
    except (OSError, ValueError, TypeError):
        return None
    return Mark(Tenant(team, member), limit)


def find_areas(root: Path) -> Iterator[Path]:
    """Walk a data folder; what lies in areas is not looked at. What vanishes meanwhile is left out."""
    waiting = [root]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                folders = [Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False)]
        except FileNotFoundError:
            continue
        for folder in folders:
            if read_mark(folder) is None:
                waiting.append(folder)
            else:
                yield folder


def is_counted(data_path: Path) -> bool:
    """Whether the areas of a data folder are of this kind."""
    try:
        return os.getxattr(data_path, _DISK) == _PROJECT
    except OSError:
        return False


def mark_counted(data_path: Path) -> None:
    """Have the next daemon know. Raises OSError."""
    os.setxattr(data_path, _DISK, _PROJECT)
