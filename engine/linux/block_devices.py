"""Which block device a folder lies on, as the kernel's limits of input and output name it. Decides nothing."""

import os
import stat
from pathlib import Path

_MOUNTS = Path("/proc/self/mountinfo")
_BY_NUMBER = Path("/sys/dev/block")


def device_beneath(folder: Path, *, mounts: Path = _MOUNTS) -> str | None:
    """Return ``major:minor`` of the whole device below a folder's file system; None for one that lies on no single device.

    A file system of several devices, as btrfs may be, has a number of its own: what counts is the device that was mounted.
    """
    number = _mounted_device(folder, mounts.read_text()) or _number(folder.stat().st_dev)
    return _whole(number) if (_BY_NUMBER / number).exists() else None


def _mounted_device(folder: Path, mountinfo: str) -> str | None:
    """The source of the innermost mount above the folder (proc_pid_mountinfo(5)), when that is a block device."""
    best, source = "", ""
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        point = _unescaped(left.split()[4])
        if _is_above(point, str(folder)) and len(point) >= len(best):
            best, source = point, _unescaped(right.split()[1])
    try:
        status = os.stat(source) if source.startswith("/") else None
    except OSError:
        return None
    return _number(status.st_rdev) if status is not None and stat.S_ISBLK(status.st_mode) else None


def _is_above(point: str, path: str) -> bool:
    return point in ("/", path) or path.startswith(f"{point}/")


def _unescaped(text: str) -> str:
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, character)
    return text


def _number(device: int) -> str:
    return f"{os.major(device)}:{os.minor(device)}"


def _whole(number: str) -> str:
    """A partition is limited as part of its disk, whose folder holds its own."""
    folder = (_BY_NUMBER / number).resolve()
    return (folder.parent / "dev").read_text().strip() if (folder / "partition").exists() else number
