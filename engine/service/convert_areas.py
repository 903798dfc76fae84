"""Copy a plain data folder onto a disk that counts: each folder that is an area there is made one, for its owner.

Folders of versions before there were areas (a container's ``rootfs`` and ``logs``, a layer's ``diff`` beside its record) take the
places that they have now. What the engine throws away at its start is left out.
"""

import logging
import os
import shutil
import subprocess
from collections.abc import Collection
from pathlib import Path

from engine.core.containers import ContainerRecord
from engine.core.digests import is_digest
from engine.core.records import parse_record
from engine.core.tenants import ADMINISTRATOR, Tenant
from engine.core.volumes import VolumeRecord
from engine.errors import EngineError, Fault
from engine.service.containers import RECORD as CONTAINER_RECORD
from engine.storage.areas import AREA
from engine.storage.disk import Disk
from engine.storage.layer_record import RECORD as LAYER_RECORD
from engine.storage.layer_record import read_record
from engine.storage.rootfs import EXECS, EXECS_BYTES, FORMER
from engine.storage.volume_folders import DATA
from engine.storage.volume_folders import RECORD as VOLUME_RECORD

_log = logging.getLogger(__name__)
_THROWN_AWAY = frozenset({"trash", "builds", "lock", "lost+found"})
_STAGING = "staging"
_COPY = ("cp", "--recursive", "--no-dereference", "--preserve=mode,ownership,timestamps,links,xattr", "--sparse=always")


def copy_data(source: Path, target: Path, disk: Disk) -> None:
    """Fill an empty disk. Raises Fault with the words of what failed, EngineError, OSError."""
    for entry in sorted(source.iterdir()):
        if entry.name in _THROWN_AWAY:
            continue
        if entry.name not in {"layers", "containers", "volumes"}:
            _copy([entry], target)
    layers = _copy_layers(source / "layers", target / "layers", disk)
    for folder in _folders(source / "containers", target / "containers"):
        _copy_container(folder, target / "containers" / folder.name, disk, layers)
    for folder in _folders(source / "volumes", target / "volumes"):
        _copy_volume(folder, target / "volumes" / folder.name, disk)
    for name in ("layers", "containers", "volumes"):
        if (source / name).is_dir():
            _copy_own(source / name, target / name)
    _copy_own(source, target)


def _folders(source: Path, target: Path) -> list[Path]:
    """Make the folder that these are to be in; those in the making are left out."""
    if not source.is_dir():
        return []
    target.mkdir(mode=0o700)
    others = [path for path in source.iterdir() if not path.is_dir() or path.is_symlink()]
    if others:
        _copy(others, target)
    return sorted(path for path in source.iterdir() if path not in others and path.name != _STAGING)


def _copy_layers(source: Path, target: Path, disk: Disk) -> list[Path]:
    made: list[Path] = []
    for folder in _folders(source, target):
        if not is_digest(f"sha256:{folder.name}"):
            continue
        new = target / folder.name
        new.mkdir(mode=0o700)
        held = folder / AREA if (folder / AREA).is_dir() else folder
        disk.make_area(new / AREA, owner=_layer_owner(folder), apart_from=made)
        _copy([path for path in held.iterdir() if held != folder or path.name != LAYER_RECORD], new / AREA)
        _copy([path for path in folder.iterdir() if path.name == LAYER_RECORD], new)
        if held != folder:
            _copy_own(held, new / AREA)
        _copy_own(folder, new)
        made.append(new / AREA)
    return made


def _layer_owner(folder: Path) -> Tenant:
    try:
        return read_record(folder, f"sha256:{folder.name}").owner
    except (OSError, ValueError, KeyError, TypeError, EngineError):
        return ADMINISTRATOR  # it is damaged, as the next daemon will say


def _copy_container(folder: Path, new: Path, disk: Disk, layers: Collection[Path]) -> None:
    owner = _owner(folder / CONTAINER_RECORD, ContainerRecord)
    new.mkdir(mode=0o700)
    is_former = (folder / FORMER).is_dir()
    areas = {AREA, EXECS, *({FORMER, "logs"} if is_former else ())}
    if is_former or (folder / AREA).is_dir():
        disk.make_area(new / AREA, owner=owner, apart_from=layers)
        _copy_into(folder / (FORMER if is_former else AREA), new / AREA)
        if is_former and (folder / "logs").is_dir():
            _copy([folder / "logs"], new / AREA)
    if (folder / EXECS).is_dir():
        disk.make_area(new / EXECS, owner=ADMINISTRATOR)
        _copy_into(folder / EXECS, new / EXECS)
        disk.limit_area(new / EXECS, EXECS_BYTES)  # afterwards: what is there stays
    _copy([path for path in folder.iterdir() if path.name not in areas], new)
    _copy_own(folder, new)


def _copy_volume(folder: Path, new: Path, disk: Disk) -> None:
    new.mkdir(mode=0o700)
    if (folder / DATA).is_dir():
        disk.make_area(new / DATA, owner=_owner(folder / VOLUME_RECORD, VolumeRecord))
        _copy_into(folder / DATA, new / DATA)
    _copy([path for path in folder.iterdir() if path.name != DATA], new)
    _copy_own(folder, new)


def _owner(record: Path, kind: type[ContainerRecord] | type[VolumeRecord]) -> Tenant:
    try:
        return parse_record(kind, record.read_bytes()).tenant
    except (OSError, ValueError, EngineError) as error:
        _log.warning("%s cannot be read, nobody pays for its files: %s", record, error)
        return ADMINISTRATOR


def _copy_into(source: Path, target: Path) -> None:
    """Copy what is in a folder; in one run, so that names of one file stay names of one file."""
    _copy(list(source.iterdir()), target)
    _copy_own(source, target)


def _copy(sources: Collection[Path], target: Path) -> None:
    """Copy files and trees into a folder, with all that they are. Raises Fault."""
    if not sources:
        return
    command = [*_COPY, "--target-directory", str(target), "--", *map(str, sources)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        raise Fault(f"cannot copy to the new disk: {done.stderr.strip()[-1000:]}")


def _copy_own(source: Path, target: Path) -> None:
    """Give one folder owner, mode, attributes and times of another."""
    status = source.stat()
    os.chown(target, status.st_uid, status.st_gid)
    shutil.copystat(source, target)
