"""Holds what the host has of an engine's teams and members against the engine's records: limits of the kernel, and sockets.

Limits are looked at in files of version 1 only.
"""

import json
import socket
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


def socket_differences(engine: EngineDaemon) -> list[str]:
    """Return in words where tenants' sockets are not those of all who are known, or where nobody listens at one."""
    root = engine.run_path / "tenants"
    found = {_tenant(path.parent): path for path in root.glob(".doors/*/*/docker.sock")}
    names = {f"{path.parent.name}/{path.stem}" for path in root.glob("[!.]*/*.sock")}
    known = {f"{name}/_team" if "/" not in name else name for name in _known(engine)}
    kept = {root / ".socket", *(root / f"{name}.sock" for name in names), *found.values()}
    halves = [path for path in root.rglob("*") if not path.is_dir() and path not in kept]
    return [
        *(f"tenant {name} has no socket" for name in sorted(known - found.keys())),
        *(f"socket of a tenant that is not known: {name}" for name in sorted(found.keys() - known)),
        *(f"socket without a name, or a name without a socket: {name}" for name in sorted(names ^ found.keys())),
        *(f"nobody listens at the socket of {name}" for name, path in found.items() if not _is_heard(path)),
        *(f"left over: {path}" for path in halves),
    ]


def _known(engine: EngineDaemon) -> set[str]:
    """Who has limits on record, or has ever had a container, and their teams."""
    folder = engine.data_path / "engine"
    tables = [(folder / "tenants/limits.json", "limits"), (folder / "tenants/slices.json", "slices")]
    named = {name for path, key in tables if path.exists() for name in json.loads(path.read_text())[key] if name}
    return named | {name.partition("/")[0] for name in named}


def _tenant(door: Path) -> str:
    return f"{door.parent.name}/{door.name}"


def _is_heard(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(path))
        except OSError:
            return False
    return True
