"""Records on disk that are either the old or the new ones, never half of one. Knows nothing of what they say."""

import ctypes
import os
from pathlib import Path

ASIDE = ".unreadable"
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2
_libc = ctypes.CDLL(None, use_errno=True)


def write_atomically(path: Path, content: bytes) -> None:
    """Publish a file: temporary file, fsync, rename, fsync of the folder. A host that stops in between keeps the old one."""
    write_aside(path, content).rename(path)
    sync_folder(path.parent)


def write_record(path: Path, content: bytes) -> None:
    """Publish a file: temporary file, fsync, rename. After a power cut it is the new one or, for some seconds, the old one."""
    write_aside(path, content).rename(path)


def write_aside(path: Path, content: bytes) -> Path:
    """Write and sync what is to become a file by a rename; return where it is. What was there of an earlier attempt goes."""
    temporary = path.with_name(f".{path.name}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return temporary


def set_aside(path: Path) -> str:
    """Take what cannot be read out of the way, deleting nothing; return in words where it is now.

    Where it cannot even be renamed it stays, and is as little read.
    """
    aside = path.with_name(f"{path.name}{ASIDE}")
    number = 1
    while aside.exists():
        number += 1
        aside = path.with_name(f"{path.name}.{number}{ASIDE}")
    try:
        path.rename(aside)
    except OSError as error:
        return f"it cannot be set aside ({error})"
    return f"it is set aside as {aside}"


def sync_folder(path: Path) -> None:
    """Make renames inside a folder survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def exchange(first: Path, second: Path) -> None:
    """Let two files or folders change places in one step, renameat2(2). Raises OSError."""
    if _libc.renameat2(_AT_FDCWD, os.fsencode(first), _AT_FDCWD, os.fsencode(second), _RENAME_EXCHANGE) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(second))


def sync_filesystem(path: Path) -> None:
    """Write out everything of the filesystem that holds ``path``: a whole unpacked tree at once. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if _libc.syncfs(descriptor) < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(path))
    finally:
        os.close(descriptor)
