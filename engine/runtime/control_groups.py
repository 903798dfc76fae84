"""A container's cgroup directories, as the launch specification lists them: make, enter, show inside, remove.

Decides nothing about limits: paths and values come from the daemon. Both cgroup versions, also side by side.
"""

import contextlib
import errno
import os
import signal
import time
from typing import NamedTuple

from engine.core.launch import CgroupSpec, FileWrite
from engine.linux.files import CGROUP2_SUPER_MAGIC, RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS, filesystem_magic, openat2
from engine.runtime.descriptors import Descriptors

MOUNT_POINT = "/sys/fs/cgroup"

_CPUSET_V1_ONLY = "cpuset.memory_migrate"

# What the kernel names in /sys/kernel/cgroup/delegate, but for what no container needs.
_DELEGATED = ("cgroup.procs", "cgroup.threads", "cgroup.subtree_control")
_MOST_DESCENDANTS = 500  # cgroups below a delegated one: each costs the kernel memory
_REMOVE_ATTEMPTS = 50
_REMOVE_PAUSE_SECONDS = 0.002


class Membership(NamedTuple):
    """How a child gets in: born in ``into`` (a v2 directory, -1 for none), then writing itself to each of ``tasks``."""

    into: int
    tasks: list[int]


def make_cgroups(spec: CgroupSpec) -> list[str]:
    """Make the directories and write the values; answers the directories that were not there. Undoes itself on failure.

    A directory's values are written before those below it are made, since some are inherited at that moment.
    """
    made: list[str] = []
    try:
        _write_values(spec, "", outside=spec["directories"])
        for directory in spec["directories"]:
            if _make_directory(directory):
                made.append(directory)
            _write_values(spec, directory, outside=[])
    except OSError:
        remove_directories(made)
        raise
    return made


def open_membership(directories: list[str], opened: Descriptors) -> Membership:
    """Open the ways in. Permission is checked against who opened them, so a child without rights may use them."""
    into = -1
    tasks = []
    for directory in directories:
        fd = opened.add(os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
        if into < 0 and filesystem_magic(fd) == CGROUP2_SUPER_MAGIC:
            into = fd
        else:
            tasks.append(opened.add(os.open("tasks", os.O_WRONLY | os.O_CLOEXEC, dir_fd=fd)))
    return Membership(into, tasks)


def is_version_2(directory: str) -> bool:
    """Whether a directory lies in the version 2 tree."""
    return os.path.exists(f"{directory}/cgroup.procs") and not os.path.exists(f"{directory}/tasks")


def open_cgroup_of(pid: int, container_fd: int) -> int:
    """The version 2 cgroup of a process that is in a container's or below it. Raises OSError when it has left that."""
    with open(f"/proc/{pid}/cgroup") as file:
        path = next(line.rstrip("\n")[3:] for line in file if line.startswith("0::"))
    container = os.readlink(f"/proc/self/fd/{container_fd}")
    _, _, below = path.partition(f"/{os.path.basename(container)}/")
    resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS
    return openat2(container_fd, below or ".", os.O_RDONLY | os.O_DIRECTORY, resolve=resolve)


def delegate(cgroup_fd: int, owner: int) -> None:
    """Let ``owner`` make cgroups below a version 2 one and move its own processes among them; its limits stay the host's."""
    fd = os.open("cgroup.max.descendants", os.O_WRONLY | os.O_CLOEXEC, dir_fd=cgroup_fd)
    try:
        os.write(fd, str(_MOST_DESCENDANTS).encode())
    finally:
        os.close(fd)
    for name in (*_DELEGATED, "."):
        os.chown(name, owner, owner, dir_fd=cgroup_fd)


def join(tasks: list[int]) -> None:
    """Move the calling process in, which must be single-threaded.

    A thread that moves itself ("0" to "tasks") needs no lock on all processes; the same through cgroup.procs waits for an RCU
    grace period, 7 to 20 ms, whenever the last such move was a moment ago.
    """
    for fd in tasks:
        os.write(fd, b"0")


def remove_cgroups(spec: CgroupSpec) -> None:
    """Kill what is left in the container's own directories and remove them; those above are its tenant's, whose sums they keep.

    Raises OSError when one stays busy.
    """
    for directory in spec["join"]:
        if not _remove(directory):
            _kill_all(directory)
            _remove_busy(directory)


def remove_directories(directories: list[str]) -> None:
    """Remove directories, last one first, leaving those that others still use."""
    for directory in reversed(directories):
        try:
            os.rmdir(directory)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.EBUSY, errno.ENOTEMPTY):
                raise


def _make_directory(path: str) -> bool:
    try:
        os.mkdir(path, 0o755)
    except FileExistsError:
        return False
    if os.path.exists(f"{path}/{_CPUSET_V1_ONLY}"):
        _inherit_cpuset(path)
    return True


def _inherit_cpuset(path: str) -> None:
    """A new cpuset of version 1 is empty and takes no process; it starts as the one above it."""
    for name in ("cpuset.cpus", "cpuset.mems"):
        with open(f"{os.path.dirname(path)}/{name}", "rb") as above, open(f"{path}/{name}", "wb", buffering=0) as own:
            own.write(above.read())


def _write_values(spec: CgroupSpec, directory: str, *, outside: list[str]) -> None:
    """Write what belongs into ``directory``, or, with ``outside``, into none of those."""
    for write in spec["writes"]:
        parent = os.path.dirname(write["path"])
        if parent not in outside if outside else parent == directory:
            _write_value(write)


def _write_value(write: FileWrite) -> None:
    try:
        fd = os.open(write["path"], os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(fd, write["value"].encode())
        finally:
            os.close(fd)
    except OSError as error:
        if not (write["optional"] and _means_missing(write["path"], error)):
            raise OSError(error.errno, f"{error.strerror} (writing {write['value']!r})", write["path"]) from None


def _means_missing(path: str, error: OSError) -> bool:
    """Whether the host lacks the file, or the controller that is to be switched on."""
    if error.errno in (errno.ENOENT, errno.EOPNOTSUPP):
        return True
    return error.errno == errno.EINVAL and path.endswith("/cgroup.subtree_control")


def _kill_all(directory: str) -> None:
    """cgroup.kill takes the whole subtree at once, where there is one (v2, Linux 5.14); else one signal for each process."""
    try:
        with open(f"{directory}/cgroup.kill", "wb", buffering=0) as file:
            file.write(b"1")
        return
    except OSError:
        pass
    try:
        with open(f"{directory}/cgroup.procs") as file:
            pids = [int(line) for line in file]
    except FileNotFoundError:
        return
    for pid in pids:
        if pid > 0:
            _kill(pid)


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _remove_busy(directory: str) -> None:
    """Processes that were killed leave a little later; their directory is busy until then."""
    for _ in range(_REMOVE_ATTEMPTS):
        if _remove(directory):
            return
        time.sleep(_REMOVE_PAUSE_SECONDS)
    raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), directory)


def _remove(directory: str) -> bool:
    """Remove one directory, with those that a container has made below it; False while processes are in it. Raises OSError."""
    try:
        os.rmdir(directory)
    except FileNotFoundError:
        pass
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        return _remove_below(directory) and _remove(directory)
    return True


def _remove_below(directory: str) -> bool:
    """Whether there was anything to remove below, and all of it is gone."""
    try:
        with os.scandir(directory) as entries:
            below = [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        return True
    return bool(below) and all(_remove(path) for path in below)
