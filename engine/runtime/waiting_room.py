"""Where a process of an exec is born: a mount and a network namespace with nothing in them, and no command line.

From its birth in the container's process id namespace until it has joined the rest of the container, the container can read what
the kernel tells anyone about a process, traceable or not: mountinfo, the files below net, cmdline. So none of the host's must be
there to be read. Part of the supervisor, which has to have one thread.
"""

from __future__ import annotations

import ctypes
import os

from engine.linux.mount import (
    MNT_DETACH,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_PRIVATE,
    MS_RDONLY,
    MS_REC,
    mount,
    pivot_root,
    umount2,
)
from engine.linux.namespaces import CLONE_NEWNET, CLONE_NEWNS, open_namespace, setns, unshare
from engine.linux.process_title import command_line_range

_STAGE = "/dev"  # a directory of every host; covered in the new namespace only


class WaitingRoom:
    """A context manager: inside, the caller is in the room, and so are the children it makes, who do not leave at its end."""

    def __init__(self) -> None:
        self._own_mounts = open_namespace(os.getpid(), "mnt")
        self._own_network = open_namespace(os.getpid(), "net")
        self._root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self._start, self._length = command_line_range()
        self._command_line = ctypes.string_at(self._start, self._length)
        try:
            unshare(CLONE_NEWNS | CLONE_NEWNET)
            self._mounts = open_namespace(os.getpid(), "mnt")
            self._network = open_namespace(os.getpid(), "net")
            _empty()
        finally:
            self._return()

    def __enter__(self) -> None:
        self._pid = os.getpid()
        ctypes.memset(self._start, 0, self._length)
        setns(self._mounts, CLONE_NEWNS)
        setns(self._network, CLONE_NEWNET)

    def __exit__(self, *_: object) -> None:
        if os.getpid() == self._pid:
            self._return()

    def _return(self) -> None:
        setns(self._own_network, CLONE_NEWNET)
        setns(self._own_mounts, CLONE_NEWNS)
        os.fchdir(self._root)  # joining a mount namespace leads to its root, which need not have been ours
        os.chroot(".")
        ctypes.memmove(self._start, self._command_line, self._length)


def _empty() -> None:
    """Make an empty read-only folder the root and let the host's tree go."""
    mount(None, "/", None, MS_REC | MS_PRIVATE)
    mount("tmpfs", _STAGE, "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=4k,mode=755")
    os.chdir(_STAGE)
    pivot_root(".", ".")
    umount2(".", MNT_DETACH)


_made: list[WaitingRoom] = []


def waiting_room() -> WaitingRoom:
    """The supervisor's one, made when it is first needed."""
    if not _made:
        _made.append(WaitingRoom())
    return _made[0]
