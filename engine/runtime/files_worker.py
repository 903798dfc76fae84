"""The worker on a container's files: a fork of the supervisor that takes the container's root as its own, and few rights.

Whatever is in that tree, links and races included, leads nowhere but inside. It joins the container's user and mount namespaces
but not its pid namespace, so nobody in there sees, signals or traces it. All code is loaded before it enters; afterwards nothing
can be, since what the container calls a library is not ours. Part of the supervisor up to the fork.
"""

from __future__ import annotations

import gc
import os
import resource
import sys
from typing import NamedTuple, NoReturn

from engine.linux.capabilities import drop_bounding, numbers, set_capabilities
from engine.linux.files import close_all_but
from engine.linux.identity import become
from engine.linux.mount import open_tree
from engine.linux.namespaces import CLONE_NEWNS, CLONE_NEWUSER, setns, unshare
from engine.linux.oom import set_oom_score_adj
from engine.linux.prctl import (
    PR_SET_DUMPABLE,
    PR_SET_NO_NEW_PRIVS,
    PR_SET_PDEATHSIG,
    join_new_session_keyring,
    prctl,
)
from engine.linux.process_title import set_title
from engine.linux.seccomp import load_filter
from engine.runtime import control_groups
from engine.runtime.files_mounts import enter_mounts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from engine.core.files import FilesSpec
    from engine.runtime.rootfs import AttachedMount

_SIGKILL = 9
_OOM_SCORE = 500  # it can be asked for again
_MEMORY_BYTES = 2**29
# Of the container's user namespace: what its own root may do with files.
_RIGHTS_INSIDE = ["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID", "CAP_SETFCAP"]
# Of the host, for a look at a writable layer, read-only: marks of the overlay can only be read so.
_RIGHTS_ON_LAYER = ["CAP_DAC_READ_SEARCH", "CAP_SYS_ADMIN"]


class WorkerEnd(NamedTuple):
    """All that the worker keeps of what it inherits; -1 where its view needs none."""

    supervisor_pid: int
    program: bytes
    container_pidfd: int = -1
    userns_fd: int = -1
    rootfs_fd: int = -1
    binds: tuple[AttachedMount, ...] = ()
    lowers: tuple[int, ...] = ()
    tasks: tuple[int, ...] = ()
    data: int = -1
    report: int = -1

    def fds(self) -> list[int]:
        single = (self.container_pidfd, self.userns_fd, self.rootfs_fd, self.data, self.report)
        return [0, 1, 2, *(fd for fd in single if fd >= 0), *(bind.mount_fd for bind in self.binds), *self.lowers, *self.tasks]


def run(spec: FilesSpec, end: WorkerEnd) -> NoReturn:
    """Never returns: serves the request and exits."""
    try:
        gc.disable()
        os.umask(0)
        prctl(PR_SET_DUMPABLE, 0)
        set_title(f"engine files {spec['container_id'][:12]}")
        close_all_but(sorted(set(end.fds())))
        from engine.runtime import files_tasks  # only a fork pays for it, and it must come before the roots change

        report = files_tasks.Report(end.report)
        try:
            _enter(spec, end)
            _keep_little(spec, end)
            files_tasks.perform(spec["task"], spec["container_id"], end, report)
        except BaseException as error:  # whatever it is, the daemon must hear of it
            report.fail(error)
    finally:
        os._exit(0)


def _enter(spec: FilesSpec, end: WorkerEnd) -> None:
    control_groups.join(list(end.tasks))
    set_oom_score_adj(_OOM_SCORE)
    join_new_session_keyring()
    if spec["view"] == "running":
        setns(end.container_pidfd, CLONE_NEWUSER | CLONE_NEWNS)
        become(0, 0, [])
    elif spec["view"] == "stopped":
        setns(end.userns_fd, CLONE_NEWUSER)
        unshare(CLONE_NEWNS)
        become(0, 0, [])
        enter_mounts(end.rootfs_fd, end.binds, readonly=spec["rootfs"]["readonly"])
    else:
        _change_root(end.rootfs_fd)
    if spec["task"]["verb"] == "export":
        _change_root(open_tree("/"))  # without what is mounted on it
    prctl(PR_SET_DUMPABLE, 0)


def _change_root(root_fd: int) -> None:
    os.fchdir(root_fd)
    os.chroot(".")


def _keep_little(spec: FilesSpec, end: WorkerEnd) -> None:
    """Rights, calls, memory and code: no more than the work takes, from here to the end."""
    os.dup2(0, 2)
    close_all_but(sorted({0, 1, 2, end.data, end.report, *end.lowers} - {-1}))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY_BYTES, _MEMORY_BYTES))
    kept = numbers(_RIGHTS_ON_LAYER if spec["view"] == "layer" else _RIGHTS_INSIDE)
    drop_bounding(kept)
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    set_capabilities(kept)
    prctl(PR_SET_PDEATHSIG, _SIGKILL)  # last of what changes rights, since these changes clear it
    if os.getppid() != end.supervisor_pid:
        os._exit(1)
    sys.path.clear()
    sys.meta_path.clear()
    if end.program:
        load_filter(end.program)
