"""Tests of the flags of files."""

import fcntl
import os
import struct
from pathlib import Path

import pytest

from engine.linux.inode_flags import spread_folders

_GETFLAGS, _TOPDIR = 0x80086601, 0x20000


def is_top(path: Path) -> bool:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        (flags,) = struct.unpack("l", fcntl.ioctl(descriptor, _GETFLAGS, bytes(8)))
    except OSError:
        pytest.skip("the file system of the tests has no such flags")
    finally:
        os.close(descriptor)
    return bool(flags & _TOPDIR)


def test_only_the_folder_itself_is_the_top_of_a_hierarchy(tmp_path: Path) -> None:
    is_top(tmp_path)  # skips elsewhere
    for _ in range(2):  # a daemon that is started again finds it so
        spread_folders(tmp_path)
    (tmp_path / "layer").mkdir()
    assert is_top(tmp_path) or not _is_ext4(tmp_path)
    assert not is_top(tmp_path / "layer")


def test_file_systems_without_the_flag_are_left_as_they_are() -> None:
    spread_folders(Path("/proc"))


def test_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(OSError, match="link"):
        spread_folders(tmp_path / "link")


def _is_ext4(path: Path) -> bool:
    lines = [line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    here = path.stat().st_dev
    device = f"{os.major(here)}:{os.minor(here)}"
    return any(line[2] == device and line[line.index("-") + 1] == "ext4" for line in lines)
