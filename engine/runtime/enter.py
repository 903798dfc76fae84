"""The child side of an exec: a fork of the supervisor, already counted in the container's pid namespace, joins the rest of it.

Between the fork and the exec it holds the host's rights for a moment inside the container's pid namespace; it is not dumpable all
that time, so nothing in there can trace it or look into it.
"""

import gc
import os
from typing import NamedTuple, NoReturn

from engine.core.launch import ExecSpec
from engine.linux.files import close_all_but
from engine.linux.identity import become
from engine.linux.namespaces import (
    CLONE_NEWCGROUP,
    CLONE_NEWIPC,
    CLONE_NEWNET,
    CLONE_NEWNS,
    CLONE_NEWUSER,
    CLONE_NEWUTS,
    setns,
)
from engine.linux.prctl import PR_SET_DUMPABLE, join_new_session_keyring, prctl
from engine.runtime import control_groups, steps
from engine.runtime.command import run_command
from engine.runtime.rlimits import raise_hard_limits
from engine.runtime.streams import ChildStreams

_NAMESPACES = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWCGROUP


class EnterEnd(NamedTuple):
    """All that the child keeps of what it inherits."""

    container_pidfd: int
    tasks: list[int]
    streams: ChildStreams
    programs: list[bytes]
    errors_fd: int

    def fds(self) -> list[int]:
        return [0, 1, 2, self.container_pidfd, *self.tasks, *self.streams.fds(), self.errors_fd]


def run(spec: ExecSpec, end: EnterEnd) -> NoReturn:
    """Never returns: becomes the command, or reports why not and exits."""
    try:
        gc.disable()
        os.umask(0o022)
        prctl(PR_SET_DUMPABLE, 0)
        close_all_but(sorted(set(end.fds())))
        _run(spec, end)
    except Exception as error:  # whatever it is, the parent must hear of it
        failure = steps.report(end.errors_fd, error)
        os._exit(failure.exit_code or 1)
    finally:
        os._exit(1)


def _run(spec: ExecSpec, end: EnterEnd) -> NoReturn:
    steps.reach("join")
    control_groups.join(end.tasks)
    raise_hard_limits(spec["process"]["rlimits"], pid=0)
    join_new_session_keyring()
    setns(end.container_pidfd, _NAMESPACES)
    prctl(PR_SET_DUMPABLE, 0)
    become(0, 0, [])
    run_command(spec["process"], end.streams, programs=end.programs, errors_fd=end.errors_fd, make_directory=False)
