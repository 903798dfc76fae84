"""The last stretch of every process in a container, init and exec alike: session, streams, user, directory, rights, exec.

Runs inside the container's namespaces as its root. Up to the exec the process is not dumpable, so nothing in the container can
trace it or reach its memory, its descriptors or the interpreter's file (CVE-2016-9962, CVE-2019-5736).
"""

import errno
import os
import signal
import stat
from typing import NoReturn

from engine.core.launch import ProcessSpec
from engine.linux.capabilities import drop_bounding, numbers, set_capabilities
from engine.linux.files import RESOLVE_NO_MAGICLINKS, close_all_but, openat2
from engine.linux.identity import become
from engine.linux.mount import AT_FDCWD
from engine.linux.prctl import PR_SET_NO_NEW_PRIVS, prctl
from engine.linux.pty import make_controlling
from engine.linux.seccomp import load_filter
from engine.linux.sigaction import reset_library_signals
from engine.runtime import steps
from engine.runtime.core_dumps import keep_from_host
from engine.runtime.paths import resolve_inside
from engine.runtime.rlimits import lower_limits
from engine.runtime.search import find_program
from engine.runtime.streams import ChildStreams
from engine.runtime.users import Account, find_account

_LARGEST_ACCOUNT_FILE = 1024 * 1024
_NOT_FOUND = 127
_NOT_EXECUTABLE = 126

# The file itself is there, since it was found: what most often is the matter with it.
_NO_INTERPRETER = ": the interpreter that its first line names, or its loader, is missing; do its lines end in CR LF?"
_NO_PROGRAM = ": a script needs #!/bin/sh as its first line, a program is to be for this platform"


def run_command(
    process: ProcessSpec, streams: ChildStreams, *, programs: list[bytes], errors_fd: int, make_directory: bool
) -> NoReturn:
    """Become the user's command; ``programs`` are the seccomp filters. Raises OSError or LaunchError, then the caller exits."""
    steps.reach("session")
    os.setsid()
    _take_streams(streams, errors_fd)
    steps.reach("user")
    account = find_account(process["user"], process["groups"], passwd=_read("/etc/passwd"), group=_read("/etc/group"))
    _give_streams(account)
    steps.reach("directory")
    _enter_directory(process["cwd"], make=make_directory)
    steps.reach("rlimits")
    lower_limits(process["rlimits"])
    keep_from_host()
    _reset_signals()
    _drop_rights(process, account, programs)
    _execute(process, account)


def _take_streams(streams: ChildStreams, errors_fd: int) -> None:
    """Standard streams at their numbers; every other descriptor goes, so none of the host's can be found through /proc."""
    stdin = streams.stdin if streams.stdin >= 0 else os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
    for number, fd in enumerate((stdin, streams.stdout, streams.stderr)):
        os.dup2(fd, number)
    if streams.terminal:
        make_controlling(0)
    close_all_but([0, 1, 2, errors_fd])


def _give_streams(account: Account) -> None:
    """The streams belong to the container's root so far; another user needs to open them again by name."""
    if account.uid:
        for fd in (0, 1, 2):
            if not stat.S_ISCHR(os.fstat(fd).st_mode) or os.isatty(fd):
                os.fchown(fd, account.uid, -1)


def _read(path: str) -> str:
    """A file of the image, empty when it is missing or no regular file; opening cannot block. Raises OSError when too large."""
    try:
        fd = openat2(AT_FDCWD, path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY, resolve=RESOLVE_NO_MAGICLINKS)
    except (FileNotFoundError, NotADirectoryError):
        return ""
    with open(fd, "rb") as file:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            return ""
        if status.st_size > _LARGEST_ACCOUNT_FILE:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), path)
        return file.read(_LARGEST_ACCOUNT_FILE).decode(errors="replace")


def _enter_directory(cwd: str, *, make: bool) -> None:
    """Change to the directory without following links of /proc, and make sure that it lies in the container (CVE-2024-21626)."""
    try:
        path = resolve_inside(cwd, directory=True) if make else cwd
        fd = openat2(AT_FDCWD, path, os.O_PATH | os.O_DIRECTORY, resolve=RESOLVE_NO_MAGICLINKS)
        os.fchdir(fd)
        os.close(fd)
        _check_directory(os.getcwd())
    except OSError as error:
        reason = steps.describe(OSError(error.errno, error.strerror))
        message = f'chdir to cwd ("{cwd}") failed: {reason}'
        raise steps.LaunchError(message, step="directory", exit_code=_NOT_EXECUTABLE) from None


def _check_directory(path: str) -> None:
    """The kernel marks a working directory outside the root as "(unreachable)"."""
    if not path.startswith("/"):
        raise OSError(errno.ENOENT, "not inside the container")


def _reset_signals() -> None:
    """The interpreter ignores some signals, and that would be inherited; handlers end with the exec by themselves."""
    for number in range(1, signal.NSIG):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    reset_library_signals()
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def _drop_rights(process: ProcessSpec, account: Account, programs: list[bytes]) -> None:
    """Without no_new_privs a filter can only be loaded while there is CAP_SYS_ADMIN, so it comes before the user."""
    steps.reach("capabilities")
    kept = numbers(process["capabilities"])
    drop_bounding(kept)
    if process["no_new_privileges"]:
        prctl(PR_SET_NO_NEW_PRIVS, 1)
    steps.reach("seccomp")
    for program in programs:
        load_filter(program)
    become(account.uid, account.gid, account.groups)
    set_capabilities(kept if account.uid == 0 else frozenset())


def _execute(process: ProcessSpec, account: Account) -> NoReturn:
    steps.reach("exec")
    environment = dict(entry.split("=", 1) for entry in process["env"] if entry.find("=") > 0)
    environment["HOME"] = environment.get("HOME") or account.home  # an empty one is none, as with runc
    path = find_program(process["args"][0], environment.get("PATH"))
    try:
        os.execve(path, process["args"], environment)  # noqa: S606 - to become the user's program is the purpose
    except OSError as error:
        missing = error.errno in (errno.ENOENT, errno.ENOTDIR)
        reason = f"exec {path}: {steps.describe(OSError(error.errno, error.strerror))}"
        hint = _NO_INTERPRETER if missing else _NO_PROGRAM if error.errno == errno.ENOEXEC else ""
        raise steps.LaunchError(reason + hint, step="exec", exit_code=_NOT_FOUND if missing else _NOT_EXECUTABLE) from None
