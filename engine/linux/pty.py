"""Pseudo-terminals of a devpts instance: master, its other side, window size, controlling terminal."""

import errno
import fcntl
import os
import stat
import struct
import termios

from engine.linux.files import DEVPTS_SUPER_MAGIC, RESOLVE_IN_ROOT, RESOLVE_NO_MAGICLINKS, filesystem_magic, openat2

_TIOCSPTLCK = 0x40045431
_TIOCGPTPEER = 0x5441
_OPEN = os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC


def open_master(root_fd: int, path: str) -> int:
    """Open the ptmx node at ``path`` below ``root_fd``, having made sure that it is one of a devpts.

    The tree may belong to somebody hostile: nothing is opened before it is known what it is.
    """
    found = openat2(root_fd, path, os.O_PATH, resolve=RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)
    try:
        if not stat.S_ISCHR(os.fstat(found).st_mode) or filesystem_magic(found) != DEVPTS_SUPER_MAGIC:
            raise OSError(errno.ENOTTY, "not a terminal multiplexer", path)
        return os.open(f"/proc/self/fd/{found}", _OPEN)
    finally:
        os.close(found)


def open_peer(master_fd: int) -> int:
    """Unlock and open the other side without going through a path (ioctl_tty(2), TIOCGPTPEER)."""
    fcntl.ioctl(master_fd, _TIOCSPTLCK, struct.pack("i", 0))
    return fcntl.ioctl(master_fd, _TIOCGPTPEER, _OPEN)


def set_window_size(fd: int, *, rows: int, columns: int) -> None:
    """Tell the terminal its size; the foreground job gets SIGWINCH when it changed."""
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def make_controlling(fd: int) -> None:
    """Make it the controlling terminal of the calling session leader."""
    fcntl.ioctl(fd, termios.TIOCSCTTY, 0)
