"""Starts a resolver, or finds the one that lives. Owns the socket's path and the command line; knows nothing of the messages."""

import contextlib
import os
import socket
import sys
from pathlib import Path

import engine
from engine.linux.files import keep_from_programs

_SOURCE_PATH = Path(engine.__file__).parent.parent
# -I: neither the environment nor the working directory say what is imported.
_PROGRAM = "import sys; sys.path.insert(0, {path!r}); from engine.network.names_server import main; main({run!r}, {listener})"
_BACKLOG = 4
_LISTENER_FD = 3


def socket_path(run_path: Path) -> Path:
    return run_path / "names" / "control.sock"


def connect(run_path: Path) -> socket.socket | None:
    """A connection to the living resolver of this folder, or None. Raises PermissionError when it is not the caller's own."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        connection.connect(str(socket_path(run_path)))
    except (FileNotFoundError, ConnectionRefusedError):
        connection.close()
        return None
    return connection


def start(run_path: Path) -> tuple[int, socket.socket]:
    """Start a resolver and connect to it; answers its pid as well.

    The listening socket is made here and inherited, so that there is no moment in which it does not answer. Raises OSError.
    """
    path = socket_path(run_path)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.parent.chmod(0o700)
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(path))
        path.chmod(0o600)
        listener.listen(_BACKLOG)
        pid = _spawn(run_path, listener)
        connection = connect(run_path)
    if connection is None:
        raise ConnectionRefusedError(str(path))
    return pid, connection


def _spawn(run_path: Path, listener: socket.socket) -> int:
    program = _PROGRAM.format(path=str(_SOURCE_PATH), run=str(run_path), listener=_LISTENER_FD)
    log = os.open(socket_path(run_path).with_name("names.log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    keep_from_programs(_LISTENER_FD)  # a library's sockets among them
    try:
        return os.posix_spawn(
            sys.executable,
            [sys.executable, "-I", "-c", program],
            {"PATH": os.environ.get("PATH", os.defpath)},  # ps shows it, and the daemon's own may hold secrets
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


def reap(pid: int) -> None:
    """Take note of the end of a child; nothing for one that lives, or is another's."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
