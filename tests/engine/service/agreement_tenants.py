"""Holds the limits that the kernel has of an engine's teams and members against the engine's records; files of version 1 only."""

import json
from pathlib import Path
from typing import Any

from tests.engine.daemon import EngineDaemon

_NO_LIMIT = 2**62
_MOUNTS = Path("/sys/fs/cgroup")
_FILES = {"memory": "memory.limit_in_bytes", "pids": "pids.max", "cpu": "cpu.cfs_quota_us"}


def tenant_differences(engine: EngineDaemon) -> list[str]:
    """Return in words where a limit is not the one on record: for each cgroup that is there, and for each that should be."""
    try:
        recorded: dict[str, Any] = json.loads((engine.data_path / "engine/tenants/limits.json").read_text())["limits"]
    except FileNotFoundError:
        recorded = {}
    found = []
    for controller, file in _FILES.items():
        top = _MOUNTS / controller / f"atelier-{engine.instance}"
        present = {_name(path): path for path in (*top.glob("t-*"), *top.glob("t-*/m-*"))}
        wanted = {name: _wanted(recorded, name, controller) for name in {*present, *recorded}}
        for name, value in wanted.items():
            now = _value(present[name] / file) if name in present else None
            if now != value:
                found.append(f"limit of {controller} of {name} is {now} in the kernel, {value} in records")
    return found if (_MOUNTS / "memory/memory.limit_in_bytes").exists() else []


def _name(path: Path) -> str:
    return "/".join(part[2:] for part in path.parts if part.startswith(("t-", "m-")))


def _wanted(recorded: dict[str, Any], name: str, controller: str) -> int | None:
    limits = recorded.get(name, {})
    if controller != "cpu":
        value: int | None = limits.get(controller)
        return value
    cpus, around = limits.get("cpus"), recorded.get(name.partition("/")[0], {}).get("cpus")
    is_wider = "/" in name and cpus is not None and around is not None and cpus > around
    return None if cpus is None or is_wider else round(cpus * 100_000)


def _value(path: Path) -> int | None:
    text = path.read_text().strip()
    return int(text) if text not in ("max", "-1") and int(text) < _NO_LIMIT else None
