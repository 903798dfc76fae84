"""Loop devices through their ioctls (linux/loop.h): a file as a block device."""

import contextlib
import errno
import fcntl
import os
import stat
import struct
from pathlib import Path

AUTOCLEAR, DIRECT_IO = 4, 16  # lo_flags

_SET_CAPACITY = 0x4C07
_CONFIGURE = 0x4C0A
_CTL_GET_FREE = 0x4C82
_MAJOR = 7
_CONTROL = "/dev/loop-control"
# struct loop_config: fd, block_size, loop_info64 (lo_flags after 52 bytes, then lo_file_name), reserved
_CONFIG = struct.Struct("=II52xI64s112x64x")


def configure_loop(device_fd: int, file_fd: int, *, flags: int, block_bytes: int = 0) -> None:
    """Make an open device show an open file. Raises OSError: EBUSY where another was quicker."""
    fcntl.ioctl(device_fd, _CONFIGURE, _CONFIG.pack(file_fd, block_bytes, flags, b""))


def free_loop() -> Path:
    """Return a device that was free a moment ago; its node is made where nobody does that. Raises OSError."""
    control = os.open(_CONTROL, os.O_RDWR | os.O_CLOEXEC)
    try:
        number = fcntl.ioctl(control, _CTL_GET_FREE)
    finally:
        os.close(control)
    path = Path(f"/dev/loop{number}")
    if not path.exists():
        with contextlib.suppress(FileExistsError):  # whoever makes nodes here was quicker
            os.mknod(path, 0o660 | stat.S_IFBLK, os.makedev(_MAJOR, number))
    return path


def loop_of(file: Path) -> Path | None:
    """Return the device that shows a file, if one does. Raises OSError."""
    wanted = file.stat()
    for entry in Path("/sys/block").glob("loop*/loop/backing_file"):
        try:
            shown = Path(entry.read_text().rstrip("\n")).stat()
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENXIO, errno.ENODEV, errno.ENOTDIR):  # it went away meanwhile
                continue
            raise
        if (shown.st_dev, shown.st_ino) == (wanted.st_dev, wanted.st_ino):
            return Path("/dev") / entry.parts[3]
    return None


def loop_flags(device: Path) -> int:
    """Return which of AUTOCLEAR and DIRECT_IO a device has. Raises OSError."""
    folder = Path("/sys/block") / device.name / "loop"
    known = {"autoclear": AUTOCLEAR, "dio": DIRECT_IO}
    return sum(flag for name, flag in known.items() if (folder / name).read_text().strip() == "1")


def renew_size(device_fd: int) -> None:
    """Have an open device notice that its file has grown. Raises OSError."""
    fcntl.ioctl(device_fd, _SET_CAPACITY, 0)
