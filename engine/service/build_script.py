"""A script that a RUN brings along (``<<EOF`` with ``#!``): lies in the container's writable layer while it runs, and no longer.

Its folder is the top of the layer, which nobody but the engine opens while the container does not run.
"""

import contextlib
import os
import secrets
from pathlib import Path

from engine.storage.rootfs import rootfs_of


def new_script_name() -> str:
    """Draw a name that no image has."""
    return f".run-{secrets.token_hex(12)}"


def put_script(container_path: Path, name: str, content: bytes) -> None:
    """Write the script, for every user of the container to execute. Raises OSError."""
    path = rootfs_of(container_path).upper / name
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o700), "wb") as file:
        file.write(content)
        os.fchmod(file.fileno(), 0o755)


def take_script(container_path: Path, name: str) -> None:
    """Remove the script; what the command has put in its place on purpose is the command's."""
    with contextlib.suppress(OSError):
        (rootfs_of(container_path).upper / name).unlink()
