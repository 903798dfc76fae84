"""Starts a supervisor, or finds the one that lives; reaps what a dead one leaves to the daemon.

Owns the socket's path and the command line. Knows nothing of the messages.
"""

import asyncio
import contextlib
import os
import signal
import socket
import time
from pathlib import Path

import engine
from engine.linux.files import keep_from_programs
from engine.linux.pidfd import send_signal

_SOURCE_PATH = Path(engine.__file__).parent.parent
# -S and -E: no site packages and no environment of Python's, since every fork pays for the supervisor's memory. The path is put
# in by hand, for -m would import whatever the working directory holds.
_PROGRAM = "import sys; sys.path.insert(0, {path!r}); from engine.runtime.supervisor import main; main({run!r}, {listener})"
_TRIAL = "import sys; sys.path.insert(0, {path!r}); import engine.runtime.supervisor"
_OPTIONS = ("-S", "-E", "-c")
_OWN_PREFIX = "ATELIER_"
_BACKLOG = 4
_LISTENER_FD = 3
_TRACED_SECONDS = 0.1
_STRAYS_SECONDS = 5.0
_STRAYS_PAUSE_SECONDS = 0.002


def socket_path(run_path: Path) -> Path:
    return run_path / "supervisor" / "control.sock"


def connect(run_path: Path) -> socket.socket | None:
    """A connection to the living supervisor of this folder, or None. Raises PermissionError when it is not the caller's own."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        sock.connect(str(socket_path(run_path)))
    except (FileNotFoundError, ConnectionRefusedError):
        sock.close()
        return None
    return sock


def start(run_path: Path, *, python: str) -> tuple[int, socket.socket]:
    """Start a supervisor and connect to it; answers its pid as well.

    The listening socket is made here and inherited, so that there is no moment in which it does not answer.
    """
    path = socket_path(run_path)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.parent.chmod(0o700)
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(path))
        path.chmod(0o600)
        listener.listen(_BACKLOG)
        pid = _spawn(python, run_path, listener)
        sock = connect(run_path)
    if sock is None:
        raise ConnectionRefusedError(str(path))
    return pid, sock


def command(run_path: Path, *, python: str) -> list[str]:
    """The command line of a supervisor whose listening socket is in its place already."""
    return [python, *_OPTIONS, _PROGRAM.format(path=str(_SOURCE_PATH), run=str(run_path), listener=_LISTENER_FD)]


def can_start(*, python: str) -> bool:
    """Whether the supervisor's code can be loaded at all. Blocking, about a tenth of a second."""
    pid = os.posix_spawn(python, [python, *_OPTIONS, _TRIAL.format(path=str(_SOURCE_PATH))], _environment())
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def _environment() -> dict[str, str]:
    """Nothing of the daemon's own: ps shows it of every fork that counts as a container's, and it may hold the host's secrets."""
    return {name: value for name, value in os.environ.items() if name == "PATH" or name.startswith(_OWN_PREFIX)}


def _spawn(python: str, run_path: Path, listener: socket.socket) -> int:
    log = os.open(socket_path(run_path).with_name("supervisor.log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    keep_from_programs(_LISTENER_FD)  # a library's sockets among them
    try:
        return os.posix_spawn(
            python,
            command(run_path, python=python),
            _environment(),
            file_actions=[
                (os.POSIX_SPAWN_DUP2, log, 2),
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDWR, 0),
                (os.POSIX_SPAWN_DUP2, 0, 1),
                (os.POSIX_SPAWN_DUP2, listener.fileno(), _LISTENER_FD),  # last: the number may be that of the log
            ],
            setsid=True,
        )
    finally:
        os.close(log)


def reap(pidfd: int) -> int | None:
    """The wait status of an exited child of the daemon, or None when it is not to be had yet, since somebody traces it.

    Raises ChildProcessError when it is no child of the daemon.
    """
    found = os.waitid(os.P_PIDFD, pidfd, os.WEXITED | os.WNOHANG)
    if found is None:
        return None
    return found.si_status << 8 if found.si_code == os.CLD_EXITED else found.si_status


async def reap_patiently(pidfd: int) -> int | None:
    """Reap a dead child whoever traces it, however long that takes; None when it is no child of ours. Closes ``pidfd``."""
    try:
        while (wait_status := reap(pidfd)) is None:  # noqa: ASYNC110 - only a look tells that a tracer has let go
            await asyncio.sleep(_TRACED_SECONDS)
        return wait_status
    except ChildProcessError:
        return None
    finally:
        os.close(pidfd)


def reap_all(pids: set[int]) -> None:
    """Take those out of ``pids`` that have ended and are reaped now, or are no children of the daemon."""
    for pid in list(pids):
        try:
            if os.waitpid(pid, os.WNOHANG) != (0, 0):
                pids.discard(pid)
        except ChildProcessError:
            pids.discard(pid)


def end_child(pidfd: int) -> None:
    """Kill a process, and reap it if it is the daemon's child."""
    with contextlib.suppress(ProcessLookupError, ChildProcessError):
        send_signal(pidfd, signal.SIGKILL)
        os.waitid(os.P_PIDFD, pidfd, os.WEXITED)


def reap_strays(*, session: int, known: set[int]) -> None:
    """End and reap the children that a dead supervisor left half-made.

    Such a child is still in the supervisor's session, or in a process id namespace below the daemon's. All are killed before any
    is waited for: the first process of a namespace does not end before the daemon has reaped the others in it.
    """
    strays = {pid for pid in _children() if pid not in known and (_session(pid) == session or _is_in_lower_namespace(pid))}
    for pid in strays:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)  # a child that is not reaped keeps its number
    deadline = time.monotonic() + _STRAYS_SECONDS
    while strays and time.monotonic() < deadline:
        reap_all(strays)
        time.sleep(_STRAYS_PAUSE_SECONDS if strays else 0)


def _children() -> list[int]:
    found: list[int] = []
    for task in os.listdir("/proc/self/task"):
        with contextlib.suppress(FileNotFoundError):
            found += map(int, Path(f"/proc/self/task/{task}/children").read_text().split())
    return found


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return -1


def _is_in_lower_namespace(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return any(line.startswith("NSpid:") and len(line.split()) > 2 for line in status.splitlines())
