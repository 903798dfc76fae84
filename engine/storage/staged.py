"""An overlay for kernels that take its layers as one text of paths (before 6.8), made where the paths can be short.

Owns a passing process: it makes the mount in a mount namespace of its own, hands it over as a descriptor and ends. The daemon has
threads, so it cannot go there itself.
"""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypedDict

import engine
from engine.linux.mount import MS_PRIVATE, MS_REC, mount, mount_setattr, open_tree
from engine.linux.namespaces import CLONE_NEWNS, unshare
from engine.storage.tree import OPEN_FOLDER

_SOURCE_PATH = Path(engine.__file__).parent.parent
_PROGRAM = "import sys; sys.path.insert(0, {path!r}); from engine.storage.staged import main; main()"
_SECONDS = 20.0
_STAGE = "/dev"  # a directory of every host; covered in the passing namespace only


class _Order(TypedDict):
    """What the daemon asks for; ``socket`` is the descriptor that takes the answer."""

    lower: list[str]
    writable: dict[str, str]
    options: list[str]
    attributes: int
    socket: int


def mount_by_path(lower: Sequence[Path], writable: Mapping[str, Path], options: Sequence[str], attributes: int) -> int:
    """A detached overlay of ``lower`` (topmost first) as a descriptor. Blocking, for a process's start. Raises OSError."""
    own, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with own, theirs:
        order: _Order = {
            "lower": [str(path) for path in lower],
            "writable": {key: str(path) for key, path in writable.items()},
            "options": list(options),
            "attributes": attributes,
            "socket": theirs.fileno(),
        }
        _run(json.dumps(order).encode(), theirs.fileno())
        theirs.close()
        number, descriptors, _, _ = socket.recv_fds(own, 16, 1)
    if not descriptors:
        code = int(number or b"0")
        raise OSError(code, os.strerror(code), "overlay")
    os.set_inheritable(descriptors[0], False)
    return descriptors[0]


def main() -> None:
    """In the passing process."""
    order: _Order = json.load(sys.stdin)
    with socket.socket(fileno=order["socket"]) as connection:
        try:
            tree = _mount_on_stage(order)
        except OSError as error:
            connection.send(str(error.errno).encode())
        else:
            socket.send_fds(connection, [b"0"], [tree])


def _run(order: bytes, passed: int) -> None:
    program = _PROGRAM.format(path=str(_SOURCE_PATH))
    command = [sys.executable, "-S", "-E", "-c", program]
    try:
        subprocess.run(command, input=order, capture_output=True, timeout=_SECONDS, check=True, pass_fds=(passed,))
    except subprocess.SubprocessError as error:
        raise OSError(f"cannot mount layers: {type(error).__name__}") from error


def _mount_on_stage(order: _Order) -> int:
    """Links of few letters, as all options together must fit into a page of memory. Raises OSError."""
    lower, writable = order["lower"], order["writable"]
    unshare(CLONE_NEWNS)
    mount(None, "/", None, MS_REC | MS_PRIVATE)
    folders = [os.open(path, OPEN_FOLDER) for path in (*lower, *writable.values())]  # seen before anything is covered
    mount("tmpfs", _STAGE, "tmpfs")
    os.chdir(_STAGE)
    names = [str(number) for number in range(len(folders))]
    for name, folder in zip(names, folders, strict=True):
        Path(name).symlink_to(f"/proc/self/fd/{folder}")
    target = Path("merged")
    target.mkdir()
    options = [f"lowerdir={':'.join(names[: len(lower)])}"]
    options += [f"{key}={name}" for key, name in zip(writable, names[len(lower) :], strict=True)]
    mount("overlay", str(target), "overlay", 0, ",".join([*options, *order["options"]]))
    tree = open_tree(str(target))
    mount_setattr(tree, attributes=order["attributes"])
    return tree
