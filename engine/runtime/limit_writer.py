"""Writing limits of a running container, all or none. Blocking: memory that is in use may have to be given back first.

Owns putting back what was there. Decides nothing about the values.
"""

import contextlib
import errno
import os
from collections.abc import Sequence
from contextlib import ExitStack

from engine.core.launch import CgroupSpec, FileWrite
from engine.runtime.control_groups import make_cgroups, remove_directories

_ROUNDS = 100  # processes may be born while others are moved


def apply_limits(writes: Sequence[FileWrite], groups: CgroupSpec, *, members: str) -> ExitStack:
    """Write all values and let the processes listed in cgroup ``members`` join ``groups``; return what would undo it.

    Raises OSError with the control file in it, and everything as it was.
    """
    with ExitStack() as undo:
        for write in writes:
            _write(write, undo)
        if groups["join"]:
            _join(groups, members, undo)
        return undo.pop_all()


def _write(write: FileWrite, undo: ExitStack) -> None:
    path = write["path"]
    try:
        before = _read(path)
    except FileNotFoundError:
        if write["optional"]:
            return
        raise
    if path.endswith("/memory.max"):
        _refuse_below_use(path, write["value"])
    _put(path, write["value"])
    undo.callback(_put_back, path, before)


def _read(path: str) -> str:
    """The value as it can be written again: of those with a line for each device, the first is the general one."""
    with open(path) as file:
        return file.readline().strip()


def _put(path: str, value: str) -> None:
    try:
        with open(path, "wb", buffering=0) as file:
            file.write(f"{value}\n".encode())
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from None


def _put_back(path: str, value: str) -> None:
    with contextlib.suppress(OSError):  # the container may have ended meanwhile
        _put(path, value)


def _refuse_below_use(path: str, value: str) -> None:
    """Version 2 takes any value and kills until it fits; version 1 refuses, which is what people expect of an update."""
    if not value.isdecimal():
        return
    directory = os.path.dirname(path)
    used = int(_read(f"{directory}/memory.current"))
    with open(f"{directory}/memory.stat") as file:
        caches = [int(line.split()[1]) for line in file if line.startswith(("inactive_file ", "active_file "))]
    if used - sum(caches) > int(value):
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), path)


def _join(groups: CgroupSpec, members: str, undo: ExitStack) -> None:
    made = make_cgroups(groups)
    undo.callback(remove_directories, made)
    for directory in groups["join"]:
        top = os.path.dirname(next(one for one in groups["directories"] if directory.startswith(one)))
        undo.callback(_move, directory, top)
        _move(members, directory)


def _move(source: str, target: str) -> None:
    """Move all processes listed at ``source``; the list may be another hierarchy's, so what is there already is left out."""
    for _ in range(_ROUNDS):
        waiting = _members(source) - _members(target)
        if not waiting:
            return
        for pid in waiting:
            with contextlib.suppress(ProcessLookupError):
                _put(f"{target}/cgroup.procs", str(pid))
    raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), f"{target}/cgroup.procs")


def _members(directory: str) -> set[int]:
    with open(f"{directory}/cgroup.procs") as file:
        return {int(line) for line in file}
