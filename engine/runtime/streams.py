"""Standard streams of a process to be launched: pipes or a pseudo-terminal, made by the supervisor, who keeps one side.

The supervisor's descriptors block; whoever polls them sets that as it needs.
"""

import os
from collections.abc import Callable
from typing import NamedTuple

from engine.core.launch import ProcessSpec
from engine.linux import pty
from engine.runtime.descriptors import Descriptors


class Streams(NamedTuple):
    """The supervisor's side, -1 where absent; with a terminal it is the terminal alone."""

    stdin: int
    stdout: int
    stderr: int
    terminal: int

    def close(self) -> None:
        for fd in self:
            if fd >= 0:
                os.close(fd)


class ChildStreams(NamedTuple):
    """The process's side. ``stdin`` -1 stands for /dev/null; with a terminal all three are the same descriptor."""

    stdin: int
    stdout: int
    stderr: int
    terminal: bool

    def fds(self) -> list[int]:
        """The descriptors there are, each once."""
        return [fd for fd in {self.stdin, self.stdout, self.stderr} if fd >= 0]


def open_streams(process: ProcessSpec, *, root_uid: int, open_master: Callable[[], int]) -> tuple[Streams, ChildStreams]:
    """Make the streams, owned by the container's root: the process may open them again by /dev/stdout or its tty's name."""
    with Descriptors() as opened:
        if process["tty"]:
            result = _open_terminal(process, root_uid, opened, open_master)
        else:
            result = _open_pipes(root_uid, opened, stdin=process["stdin"])
        opened.let_go()
    return result


def _open_terminal(
    process: ProcessSpec, root_uid: int, opened: Descriptors, open_master: Callable[[], int]
) -> tuple[Streams, ChildStreams]:
    master = opened.add(open_master())
    peer = opened.add(pty.open_peer(master))
    os.fchown(peer, root_uid, -1)
    if process["rows"] and process["columns"]:
        pty.set_window_size(master, rows=process["rows"], columns=process["columns"])
    return Streams(-1, -1, -1, master), ChildStreams(peer, peer, peer, terminal=True)


def _open_pipes(root_uid: int, opened: Descriptors, *, stdin: bool) -> tuple[Streams, ChildStreams]:
    child_stdin, own_stdin = _open_pipe(root_uid, opened) if stdin else (-1, -1)
    stdout, child_stdout = _open_pipe(root_uid, opened)
    stderr, child_stderr = _open_pipe(root_uid, opened)
    return Streams(own_stdin, stdout, stderr, -1), ChildStreams(child_stdin, child_stdout, child_stderr, terminal=False)


def _open_pipe(root_uid: int, opened: Descriptors) -> tuple[int, int]:
    """Reading and writing end; both share the inode whose owner is set."""
    reader, writer = os.pipe2(os.O_CLOEXEC)
    opened.add(reader)
    opened.add(writer)
    os.fchown(reader, root_uid, root_uid)
    return reader, writer
