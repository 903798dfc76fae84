"""The disk's part of what records and kernel have to agree on: mount, loop device, subvolumes, quota groups and their limits."""

import json
import subprocess
from collections.abc import Collection
from pathlib import Path

from engine.core.tenants import parse_tenant
from engine.storage.disk_groups import group_of
from tests.engine.daemon import EngineDaemon

_OWN = ("numbers/",)  # what the driver keeps ready


def disk_differences(engine: EngineDaemon, containers: Collection[str]) -> list[str]:
    """Return in words where records and disk differ."""
    data = engine.data_path / "engine"
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(engine.root) in line]
    if not data.is_mount():
        return [f"mounted: {path}" for path in mounts]
    loops = [path for path in Path("/sys/block").glob("loop*/loop/backing_file") if _shows(path, engine.root)]
    return [
        *(f"mounted: {path}" for path in mounts if path != str(data)),
        *([] if len(mounts) == 1 else [f"the disk is mounted {len(mounts)} times"]),
        *([] if len(loops) == 1 else [f"{len(loops)} loop devices"]),
        *_areas(data, containers),
        *_groups(data),
        *_leftovers(data),
    ]


def _shows(backing_file: Path, root: Path) -> bool:
    try:
        return str(root) in backing_file.read_text()
    except OSError:  # it let go meanwhile
        return False


def _run(*command: object) -> list[str]:
    return subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True).stdout.splitlines()


def _areas(data: Path, containers: Collection[str]) -> list[str]:
    found = {line.split(" path ")[1] for line in _run("btrfs", "subvolume", "list", data)}
    found = {path for path in found if not path.startswith(_OWN)}
    layers = {f"layers/{path.name}/disk" for path in (data / "layers").iterdir() if len(path.name) == 64}
    volumes = {f"volumes/{path.parent.name}/data" for path in (data / "volumes").glob("*/volume.json")}
    wanted = {f"containers/{one}/{part}" for one in containers for part in ("disk", "etc")} | layers | volumes
    may_be = {f"containers/{one}/execs" for one in containers}
    return [f"area without a record: {path}" for path in sorted(found - wanted - may_be)] + [
        f"record without its area: {path}" for path in sorted(wanted - found)
    ]


def _groups(data: Path) -> list[str]:
    """Each subvolume is counted, nothing else is; tenants have the limits of their records, and no others."""
    subvolumes = {int(line.split()[1]) for line in _run("btrfs", "subvolume", "list", data)} | {5}
    rows = [line.split() for line in _run("btrfs", "qgroup", "show", "--raw", "-r", data)[2:]]
    numbers = {tuple(map(int, row[0].split("/"))): row[3] for row in rows}
    counted = {number for level, number in numbers if level == 0}
    limits = {level << 48 | number: int(most) for (level, number), most in numbers.items() if level and most != "none"}
    wanted = _wanted_limits(data)
    return [
        *(f"quota group of no subvolume: {number}" for number in counted - subvolumes),
        *(f"subvolume without a quota group: {number}" for number in subvolumes - counted),
        *([] if limits == wanted else [f"limits of quota groups are {limits}, not {wanted}"]),
    ]


def _wanted_limits(data: Path) -> dict[int, int]:
    try:
        limits = json.loads((data / "tenants/limits.json").read_text())["limits"]
    except FileNotFoundError:
        return {}
    return {group_of(parse_tenant(name)): one["disk"] for name, one in limits.items() if one["disk"] is not None}


def _leftovers(data: Path) -> list[str]:
    rooms = ("trash", "builds", "volumes/staging")
    return [f"left over: {path.relative_to(data)}" for room in rooms for path in (data / room).iterdir()]
