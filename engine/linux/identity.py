"""User and group ids of the calling process: the plain ones, and those for file access (setfsuid(2))."""

import errno
import os

from engine.linux.libc import libc

_ID_BITS = 0xFFFFFFFF  # ctypes reads the answer as a signed number


def become(uid: int, gid: int, groups: list[int]) -> None:
    """Take the ids for good, groups first, as they need the capabilities that the user id takes away."""
    os.setgroups(groups)
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)


def set_file_ids(uid: int, gid: int) -> None:
    """The ids for file access only. The call cannot fail visibly, so the answer of a second one is compared."""
    libc.setfsgid(gid)
    libc.setfsuid(uid)
    if libc.setfsgid(gid) & _ID_BITS != gid or libc.setfsuid(uid) & _ID_BITS != uid:
        raise PermissionError(errno.EPERM, f"cannot take the file access ids {uid}:{gid}")


def set_effective_user(uid: int) -> None:
    """The user id that rights are checked with and that owns what is made; the real and the saved one stay. Raises OSError."""
    os.setresuid(-1, uid, -1)
