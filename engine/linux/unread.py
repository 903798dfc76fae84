"""Whether a socket's peer has taken what was sent (SIOCOUTQ, unix(7), tcp(7))."""

import fcntl
import struct
import termios


def has_unread(fd: int) -> bool:
    """Whether something that was sent through a connected socket still waits to be read or acknowledged."""
    (waiting,) = struct.unpack("i", fcntl.ioctl(fd, termios.TIOCOUTQ, bytes(4)))
    return bool(waiting)
