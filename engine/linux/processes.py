"""The processes of a cgroup, and what /proc tells of a process. Reads only; a process that has gone is left out."""

import contextlib
import os
from collections.abc import Iterable, Iterator

_MOST_GROUPS = 10_000
_MOST_BYTES = 4096


def pids_of_cgroup(directory: str) -> set[int]:
    """Return the processes of a cgroup and of those below it. Raises FileNotFoundError when it is not there."""
    found: set[int] = set()
    waiting, seen = [directory], 0
    while waiting and seen < _MOST_GROUPS:
        group, seen = waiting.pop(), seen + 1
        try:
            with open(f"{group}/cgroup.procs") as file:
                found.update(int(line) for line in file)
            waiting += [entry.path for entry in os.scandir(group) if entry.is_dir(follow_symlinks=False)]
        except (FileNotFoundError, OSError):
            if group == directory:
                raise
    return found


def read_process(pid: int, names: Iterable[str]) -> dict[str, bytes] | None:
    """Return the beginnings of files of /proc/PID; None when the process has gone."""
    texts = {}
    for name in names:
        try:
            with open(f"/proc/{pid}/{name}", "rb", buffering=0) as file:
                texts[name] = file.read(_MOST_BYTES) or b""
        except (FileNotFoundError, ProcessLookupError):
            return None
    return texts


def files_below(folder: str) -> dict[int, list[str]]:
    """Return what processes have open below a folder, or work in, by process."""
    found: dict[int, list[str]] = {}
    for pid in (int(name) for name in os.listdir("/proc") if name.isdigit()):
        if below := [path for path in _links_of(pid) if f"{path}/".startswith(f"{folder}/")]:
            found[pid] = below
    return found


def netns_of(pid: int) -> int:
    """Return the inode of a process's network namespace. Raises OSError when it has gone."""
    return os.stat(f"/proc/{pid}/ns/net").st_ino


def descriptors_of(pid: int) -> Iterator[int]:
    """Yield the inode for each socket that a process has open, 0 for each other descriptor; nothing when it has gone."""
    with contextlib.suppress(OSError), os.scandir(f"/proc/{pid}/fd") as entries:
        for entry in entries:
            try:
                kind, _, inode = os.readlink(entry.path).partition(":[")
            except OSError:  # closed meanwhile
                continue
            yield int(inode[:-1]) if kind == "socket" else 0


def _links_of(pid: int) -> Iterator[str]:
    try:
        numbers = os.listdir(f"/proc/{pid}/fd")
    except OSError:  # it has gone
        return
    for name in ("cwd", "root", *(f"fd/{number}" for number in numbers)):
        try:
            yield os.readlink(f"/proc/{pid}/{name}")
        except OSError:  # closed meanwhile
            continue
