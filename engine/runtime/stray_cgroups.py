"""Cgroups of containers that are there, whoever made them: found, and ended with all that runs in them.

Decides nothing about which of them must go. Blocking; for the daemon.
"""

import contextlib
import os
from collections.abc import Iterable, Mapping

from engine.core.limits import CgroupLayout
from engine.runtime.control_groups import remove_cgroups

_CONTAINER, _TENANTS = "c-", ("t-", "m-")  # as core.limits.cgroup_path writes them
_PARENTS = 3


def find_cgroups(layout: CgroupLayout, instance: str) -> Mapping[str, list[str]]:
    """Return the directories of each container of this engine, by its id, in all hierarchies."""
    found: dict[str, list[str]] = {}
    for mount in sorted({*layout.mounts.values(), layout.unified} - {""}):
        for directory in _containers_below(f"{mount}/atelier-{instance}"):
            found.setdefault(os.path.basename(directory).removeprefix(_CONTAINER), []).append(directory)
    return found


def end_cgroups(directories: list[str]) -> None:
    """Kill all that runs in a container's directories and remove them, with the tenants' above when these are empty then.

    Raises OSError when something in them does not end.
    """
    for directory in directories:
        with contextlib.suppress(OSError), open(f"{directory}/freezer.state", "wb", buffering=0) as file:
            file.write(b"THAWED")  # what version 1 has frozen cannot end
    parents = sorted({parent for directory in directories for parent in _parents(directory)})
    remove_cgroups({"version": 1, "directories": [*parents, *directories], "writes": [], "join": directories})


def _containers_below(path: str) -> Iterable[str]:
    try:
        with os.scandir(path) as entries:
            names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        return
    for name in names:
        if name.startswith(_CONTAINER):
            yield f"{path}/{name}"
        elif name.startswith(_TENANTS):
            yield from _containers_below(f"{path}/{name}")


def _parents(directory: str) -> list[str]:
    """Those above, as far as they are this engine's."""
    found = []
    for _ in range(_PARENTS):
        directory = os.path.dirname(directory)
        found.append(directory)
        if os.path.basename(directory).startswith("atelier-"):
            break
    return found
