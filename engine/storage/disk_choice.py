"""Which driver holds for a data folder: what lies there decides first, then what was asked for, then what the host offers.

Once made, an image is used for ever: the data is in it. A folder that has data from before keeps plain folders. Where the folder
lies on btrfs it gets an image too, whose blocks are overwritten in place: the masters of areas can be made on no file system that
is in use (see disk_numbers.py), and to turn quotas on for a whole host would be the host's affair. A host that has project quotas
on already, on XFS or ext4, counts by itself and needs no image.
"""

import logging
import shutil
from pathlib import Path

from engine.errors import EngineError, Unavailable
from engine.storage.disk import Disk, DiskSettings
from engine.storage.disk_btrfs import BtrfsDisk
from engine.storage.disk_image import SUFFIX, DiskImage
from engine.storage.disk_plain import PlainDisk
from engine.storage.disk_project import ProjectDisk, file_system_of, lacking_quotas
from engine.storage.project_marks import is_counted

_log = logging.getLogger(__name__)
_BY_PROJECTS = "project quotas of the host's file system"
_NO_DATA = frozenset({"lock", "lost+found"})  # earlier versions kept their lock in the folder; a disk of its own is no data yet


def image_of(data_path: Path) -> DiskImage:
    """Return where the image of a data folder is, made or not."""
    return DiskImage(data_path.with_name(data_path.name + SUFFIX), data_path)


def choose_disk(data_path: Path, wanted: DiskSettings) -> Disk:
    """Open what is there, or make what was asked for. Raises Unavailable, OSError."""
    image = image_of(data_path)
    if image.path.exists():
        return _open_image(image)
    if wanted.driver == "none":
        return PlainDisk("asked for by --disk none", data_path)
    if is_counted(data_path):
        _refuse_other(wanted, ("auto", "project"), f"{data_path} is counted by project quotas")
        return _open_project(data_path)
    if has_data(data_path):
        reason = _explain_former(data_path)
        _refuse_other(wanted, ("auto",), reason)
        return PlainDisk(reason, data_path, is_wanted=False)
    if wanted.driver == "project" or (wanted.driver == "auto" and not lacking_quotas(data_path)):
        return _open_project(data_path)
    return _make(data_path, image, wanted)


def explain_disk(data_path: Path) -> tuple[str, str]:
    """Return which driver a daemon without wishes would choose, and why; changes nothing. Raises OSError."""
    image = image_of(data_path)
    if image.path.exists():
        return "btrfs", f"the data lies in {image.path}"
    if data_path.is_dir() and is_counted(data_path):
        return file_system_of(data_path), lacking_quotas(data_path) or _BY_PROJECTS
    if data_path.is_dir() and has_data(data_path):
        return "none", _explain_former(data_path)
    if data_path.is_dir() and not lacking_quotas(data_path):
        return file_system_of(data_path), _BY_PROJECTS
    lacking = _lacking()
    return ("none", lacking) if lacking else ("btrfs", f"an image will be made, {image.path}")


def _explain_former(data_path: Path) -> str:
    way_out = f"stop the engine and move it: python -m engine disk --data {data_path.parent} convert"
    return f"{data_path} has data from before the engine counted; {way_out}"


def _lacking() -> str:
    if shutil.which("mkfs.btrfs") is None:
        return "btrfs-progs are not installed"
    if not Path("/dev/loop-control").exists():
        return "this host has no loop devices"
    return ""


def has_data(data_path: Path) -> bool:
    """Whether data of an engine lies in a folder."""
    return any(entry.name not in _NO_DATA for entry in data_path.iterdir())


def _refuse_other(wanted: DiskSettings, accepted: tuple[str, ...], why: str) -> None:
    if wanted.driver not in accepted:
        raise Unavailable(f"{why}: --disk {wanted.driver} is not possible, leave it out")


def _open_project(data_path: Path) -> Disk:
    """Where the host was started without its quotas, data that was counted must not grow uncounted."""
    lacking = lacking_quotas(data_path)
    if lacking:
        raise Unavailable(f"{data_path} cannot be counted by project quotas: {lacking}; mount it so, or choose another --disk")
    return ProjectDisk(data_path, file_system_of(data_path), _BY_PROJECTS)


def _make(data_path: Path, image: DiskImage, wanted: DiskSettings) -> Disk:
    if wanted.driver == "image":
        return _make_image(image, wanted)
    try:
        return _make_image(image, wanted)
    except (EngineError, OSError) as error:
        image.path.unlink(missing_ok=True)
        return PlainDisk(f"no image can be made: {error}", data_path, is_wanted=False)


def _make_image(image: DiskImage, wanted: DiskSettings) -> Disk:
    image.make(wanted.size_bytes)
    return _open_image(image)


def _open_image(image: DiskImage) -> Disk:
    is_new_mount = not image.is_mounted
    if is_new_mount:
        _set_aside(image.mount_path)
        image.mount()
    try:
        return BtrfsDisk(image.mount_path, f"a btrfs of its own in {image.path}", image=image)
    except BaseException:
        if is_new_mount:
            image.unmount()
        raise


def _set_aside(data_path: Path) -> None:
    """What lies below a mount point would take space and never be seen again."""
    if has_data(data_path):
        aside = data_path.with_name(f"{data_path.name}.before")
        _log.warning("%s has data beside its image: it is set aside as %s", data_path, aside)
        data_path.rename(aside)
        data_path.mkdir(mode=0o700)
