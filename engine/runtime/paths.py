"""Paths in a rootfs that an image made: links read as text and resolved against the root, missing parts created.

Only for a process whose root is that rootfs already; links of /proc are then as harmless as any, as they are read, not followed.
"""

import errno
import os

_MOST_LINKS = 40


def resolve_inside(path: str, *, directory: bool) -> str:
    """The absolute path without links that ``path`` leads to; the end is made as a directory or an empty file when missing.

    A link that leads nowhere is followed too, and its target made: images link /etc/resolv.conf to a folder of a service that is
    not running. Raises OSError.
    """
    pending = _parts(path)
    current = ""
    links = 0
    while pending:
        name = pending.pop(0)
        if name == "..":
            current = current.rpartition("/")[0]
            continue
        candidate = f"{current}/{name}"
        target = _read_link(candidate)
        if target is None:
            _ensure(candidate, directory=directory or bool(pending))
            current = candidate
            continue
        links += 1
        if links > _MOST_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
        pending = _parts(target) + pending
        current = "" if target.startswith("/") else current
    return current or "/"


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in ("", ".")]


def _read_link(path: str) -> str | None:
    try:
        return os.readlink(path)
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.ENOENT):
            return None
        raise


def _ensure(path: str, *, directory: bool) -> None:
    if os.path.lexists(path):
        return
    if directory:
        os.mkdir(path, 0o755)
    else:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644))
