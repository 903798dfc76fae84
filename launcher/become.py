"""Turns a fresh process into a part of the product: its view of the file system, its user, its program.

It runs as a script of its own under a bare interpreter (`python -I -S`), between the launcher and the part, so that the launcher
itself never changes namespace or user. The order comes as JSON in the only argument. Must not decide anything.
"""

import ctypes
import json
import os
import signal
import sys
from typing import Any

CLONE_NEWNS = 0x00020000
MS_RDONLY = 0x1
MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_REMOUNT = 0x20
MS_BIND = 0x1000
MS_REC = 0x4000
MS_SLAVE = 0x80000
PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None, use_errno=True)


def check(result: int, path: str) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)


def mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    check(_libc.mount(source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), data.encode()), target)


def leave_mounts_of_host() -> None:
    """From here on mounts of this process and its children are unseen by the host and end with them."""
    check(_libc.unshare(CLONE_NEWNS), "mount namespace")
    # Slave, not private: what the host unmounts later must not stay busy in here.
    mount("", "/", "", MS_REC | MS_SLAVE)


def enter_view(covers: list[str], shown: list[dict[str, Any]]) -> None:
    """Cover closed folders and show the needed entries inside them, at the same paths."""
    # Opened before anything is covered: afterwards their paths lead nowhere.
    sources = [os.open(entry["path"], os.O_PATH | os.O_CLOEXEC) for entry in shown]
    for folder in covers:
        mount("tmpfs", folder, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=64k")
    for source_fd, entry in zip(sources, shown, strict=True):
        show(f"/proc/self/fd/{source_fd}", entry["path"], is_writable=entry["is_writable"])
        os.close(source_fd)


def show(source: str, target: str, *, is_writable: bool) -> None:
    if os.path.isdir(source):  # noqa: PTH112 (a bare interpreter starts faster without pathlib)
        os.makedirs(target, mode=0o755, exist_ok=True)  # noqa: PTH103
    else:
        os.makedirs(os.path.dirname(target), mode=0o755, exist_ok=True)  # noqa: PTH103, PTH120
        os.close(os.open(target, os.O_CREAT | os.O_CLOEXEC, 0o644))
    mount(source, target, "", MS_BIND)
    if not is_writable:
        mount("", target, "", MS_BIND | MS_REMOUNT | MS_RDONLY)


def become_user(uid: int, gid: int, groups: list[int]) -> None:
    os.setgroups(groups)
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)


def end_with_parent(parent_pid: int) -> None:
    """Get SIGTERM when the launcher dies. A change of user clears this, so it comes after it."""
    check(_libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0), "parent death signal")
    if os.getppid() != parent_pid:
        os.kill(os.getpid(), signal.SIGTERM)


def main(text: str) -> None:
    order: dict[str, Any] = json.loads(text)
    os.umask(0o022)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])  # the launcher takes its signals synchronously and so blocks them
    if order["covers"] or order["has_own_mounts"]:
        leave_mounts_of_host()
        enter_view(order["covers"], order["shown"])
    os.chdir(order["folder"])
    if order["user"] is not None:
        become_user(**order["user"])
    end_with_parent(order["parent_pid"])
    os.execve(order["argv"][0], order["argv"], order["environment"])


if __name__ == "__main__":
    main(sys.argv[1])
