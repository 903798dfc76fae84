"""The docker command on a pseudo terminal: detach keys, sizes, joining again."""

import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Iterator
from fcntl import ioctl

import pytest

from tests.engine.conformance.cases import Desk

pytestmark = pytest.mark.requires_root

PATIENCE_SECONDS = 15.0


class Terminal:
    """A docker command on a pseudo terminal of 30 rows and 100 columns."""

    def __init__(self, desk: Desk, *arguments: str) -> None:
        self.master_fd, slave_fd = pty.openpty()
        self.size(30, 100)
        self.process = subprocess.Popen(
            ["docker", *arguments],
            env={**desk.environment(), "TERM": "xterm"},
            stdin=slave_fd,
            stdout=slave_fd,
            stderr=slave_fd,
            start_new_session=True,
        )
        os.close(slave_fd)
        self.seen = b""

    def size(self, rows: int, columns: int) -> None:
        ioctl(self.master_fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def expect(self, text: bytes) -> None:
        """Read until ``text`` comes, and forget what was before its end."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while text not in self.seen:
            assert time.monotonic() < deadline, self.seen
            if select.select([self.master_fd], [], [], 0.1)[0]:
                self.seen += self._read()
        self.seen = self.seen.partition(text)[2]

    def _read(self) -> bytes:
        try:
            return os.read(self.master_fd, 4096)
        except OSError as error:  # the other side is closed
            raise AssertionError(self.seen) from error

    def type(self, text: bytes) -> None:
        os.write(self.master_fd, text)

    def exit_code(self) -> int:
        return self.process.wait(PATIENCE_SECONDS)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master_fd)


@pytest.fixture
def terminal(desk: Desk) -> Iterator[Callable[..., Terminal]]:
    opened: list[Terminal] = []

    def open_terminal(*arguments: str) -> Terminal:
        opened.append(Terminal(desk, *arguments))
        return opened[-1]

    yield open_terminal
    for one in opened:
        one.close()


def test_a_shell_is_left_by_its_keys_and_joined_again(desk: Desk, terminal: Callable[..., Terminal]) -> None:
    shell = terminal("run", "-it", "--name", "c1", "busybox", "sh")
    shell.expect(b"# ")
    shell.type(b"\x10\x11")
    assert shell.exit_code() == 0
    assert desk.run("docker ps --format '{{.Names}}'").stdout == "c1\n"
    again = terminal("attach", "c1")
    again.type(b"echo b$((6*7)); exit 5\n")
    again.expect(b"b42")
    assert again.exit_code() == 5


@pytest.mark.parametrize("verb", ["run", "attach", "exec", "start"])
def test_detach_keys_are_the_callers(desk: Desk, terminal: Callable[..., Terminal], verb: str) -> None:
    if verb != "run":
        assert desk.run("docker run -dit --name c1 busybox sh").returncode == 0
    if verb == "start":
        desk.run("docker stop -t 0 c1")
    command = {
        "run": ("run", "-it", "--name", "c1", "--detach-keys", "ctrl-a,x", "busybox", "sh"),
        "attach": ("attach", "--detach-keys", "ctrl-a,x", "c1"),
        "exec": ("exec", "-it", "--detach-keys", "ctrl-a,x", "c1", "sh"),
        "start": ("start", "-ai", "--detach-keys", "ctrl-a,x", "c1"),
    }[verb]
    shell = terminal(*command)
    shell.type(b"echo a$((6*7))\n")
    shell.expect(b"a42")
    shell.type(b"\x01x")
    shell.exit_code()
    assert desk.run("docker ps --format '{{.Names}}'").stdout == "c1\n"


def test_the_size_is_the_terminals_and_follows_it(terminal: Callable[..., Terminal]) -> None:
    shell = terminal("run", "-it", "--rm", "busybox", "sh")
    shell.expect(b"# ")
    shell.type(b"sleep .3; stty size\n")
    shell.expect(b"30 100")
    shell.size(40, 120)
    os.kill(shell.process.pid, signal.SIGWINCH)
    shell.type(b"sleep .3; stty size\n")
    shell.expect(b"40 120")
    shell.type(b"exit 3\n")
    assert shell.exit_code() == 3


def test_an_interrupt_key_reaches_the_program(terminal: Callable[..., Terminal]) -> None:
    shell = terminal("run", "-it", "--rm", "busybox", "sh", "-c", "trap 'exit 9' INT; echo up; while :; do sleep .05; done")
    shell.expect(b"up")
    shell.type(b"\x03")
    assert shell.exit_code() == 9


def test_an_exec_has_a_terminal_of_its_own(desk: Desk, terminal: Callable[..., Terminal]) -> None:
    desk.run("docker run -d --name c1 busybox sleep 600")
    shell = terminal("exec", "-it", "c1", "sh", "-c", "read x; echo got $x; sleep .5; stty size; exit 4")
    shell.type(b"word\n")
    shell.expect(b"got word")
    shell.expect(b"30 100")
    assert shell.exit_code() == 4
