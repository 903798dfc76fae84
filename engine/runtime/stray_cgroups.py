"""Cgroups of containers and tenants that are there, whoever made them: found, ended with all that runs in them, removed.

Decides nothing about which of them must go. Blocking; for the daemon.
"""

import contextlib
import os
from collections.abc import Iterable, Mapping

from engine.core.limits import CgroupLayout
from engine.core.tenant_cgroups import tenant_path
from engine.core.tenants import Tenant
from engine.runtime.control_groups import remove_cgroups, remove_directories

_CONTAINER, _TENANTS = "c-", ("t-", "m-")  # as core.limits.cgroup_path writes them


def find_cgroups(layout: CgroupLayout, instance: str) -> Mapping[str, list[str]]:
    """Return the directories of each container of this engine, by its id, in all hierarchies."""
    found: dict[str, list[str]] = {}
    for mount in _mounts(layout):
        for directory in _containers_below(f"{mount}/atelier-{instance}"):
            found.setdefault(os.path.basename(directory).removeprefix(_CONTAINER), []).append(directory)
    return found


def end_cgroups(directories: list[str]) -> None:
    """Kill all that runs in a container's directories and remove them.

    Raises OSError when something in them does not end.
    """
    for directory in directories:
        with contextlib.suppress(OSError), open(f"{directory}/freezer.state", "wb", buffering=0) as file:
            file.write(b"THAWED")  # what version 1 has frozen cannot end
    remove_cgroups({"version": 1, "directories": directories, "writes": [], "join": directories})


def find_tenants(layout: CgroupLayout, instance: str) -> set[Tenant]:
    """Return the teams and members of this engine that have a directory in any hierarchy."""
    found = set()
    for mount in _mounts(layout):
        for team in _names_below(f"{mount}/atelier-{instance}", _TENANTS[0]):
            found.add(Tenant(team))
            found |= {Tenant(team, one) for one in _names_below(f"{mount}/atelier-{instance}/{_TENANTS[0]}{team}", _TENANTS[1])}
    return found


def remove_tenant(layout: CgroupLayout, instance: str, tenant: Tenant) -> None:
    """Remove a tenant's directories, or with the administrators' the engine's own, where nothing is below. Raises OSError."""
    remove_directories(["/".join([mount, *tenant_path(instance, tenant)]) for mount in _mounts(layout)])


def _mounts(layout: CgroupLayout) -> list[str]:
    return sorted({*layout.mounts.values(), layout.unified} - {""})


def _names_below(path: str, letter: str) -> list[str]:
    try:
        with os.scandir(path) as entries:
            return [entry.name.removeprefix(letter) for entry in entries if entry.name.startswith(letter)]
    except FileNotFoundError:
        return []


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
