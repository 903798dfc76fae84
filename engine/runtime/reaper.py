"""A small PID 1 for images that bring none: collects orphans, passes signals on, ends as its one child ends.

It stays in the interpreter that was forked; nothing in the container can trace it, as its memory is the host's.
"""

import contextlib
import os
import signal
from typing import NoReturn

from engine.linux.capabilities import drop_bounding, numbers, set_capabilities
from engine.linux.files import close_all_but
from engine.linux.prctl import PR_SET_NO_NEW_PRIVS, prctl
from engine.linux.process_title import set_title
from engine.linux.seccomp import load_filter

_KEPT_CAPABILITIES = numbers(["CAP_KILL"])  # the child may run as any user


def hold_signals() -> None:
    """Keep signals for ``supervise``. Before the child is forked: the kernel drops what nobody blocks, also that it has ended."""
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())


def supervise(child: int, *, programs: list[bytes]) -> NoReturn:
    """Serve until ``child`` ends, then exit as it did. Signals are held. Never returns."""
    set_title("init")
    _keep_little(programs)
    while True:
        number = signal.sigwait(signal.valid_signals())
        if number == signal.SIGCHLD:
            _collect(child)
        else:
            _pass_on(child, number)


def _keep_little(programs: list[bytes]) -> None:
    """No stream, since the child's reader waits for the last one to close it; no right but to signal."""
    null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    for number in (0, 1, 2):
        os.dup2(null, number)
    close_all_but([0, 1, 2])
    drop_bounding(_KEPT_CAPABILITIES)
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    for program in programs[:1]:  # the engine's own; this is no process of the user's, whose filter may forbid what it does
        load_filter(program)
    set_capabilities(_KEPT_CAPABILITIES)


def _collect(child: int) -> None:
    """Reap all that have ended; one SIGCHLD may stand for many."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            os._exit(code if code >= 0 else 128 - code)
        if pid == 0:
            return


def _pass_on(child: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):  # it has just ended; its SIGCHLD is on the way
        os.kill(child, number)
