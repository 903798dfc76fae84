"""The docker command against the engine, as people use it."""

import json
import os
import pty
import select
import subprocess
import time

import pytest

from tests.engine.daemon import EngineDaemon

pytestmark = pytest.mark.requires_root


class Terminal:
    """A docker command on a pseudo terminal."""

    def __init__(self, engine: EngineDaemon, *arguments: str) -> None:
        self._master, slave = pty.openpty()
        command = ["docker", "-H", f"unix://{engine.socket_path}", *arguments]
        self._process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
        os.close(slave)
        self.seen = b""

    def expect(self, text: bytes) -> None:
        """Read until ``text`` comes, and forget what was before its end."""
        deadline = time.monotonic() + 15
        while text not in self.seen:
            assert time.monotonic() < deadline, self.seen
            if select.select([self._master], [], [], 0.1)[0]:
                self.seen += os.read(self._master, 4096)
        self.seen = self.seen.partition(text)[2]

    def type(self, text: bytes) -> None:
        os.write(self._master, text)

    def exit_code(self) -> int:
        code = self._process.wait(15)
        os.close(self._master)
        return code


def test_run_passes_output_errors_and_the_exit_code(engine: EngineDaemon) -> None:
    done = engine.cli("run", "--rm", "busybox", "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (done.stdout, done.stderr, done.returncode) == (b"out\n", b"err\n", 7)
    assert engine.cli("ps", "-aq").stdout == b""


def test_run_passes_input_and_its_end(engine: EngineDaemon) -> None:
    done = engine.cli("run", "--rm", "-i", "busybox", "wc", "-c", stdin=b"x" * 1_000_000)
    assert (done.stdout, done.returncode) == (b"1000000\n", 0)


def test_a_command_that_does_not_exist_ends_with_127(engine: EngineDaemon) -> None:
    done = engine.cli("run", "--rm", "busybox", "nosuch")
    assert (done.returncode, b"executable file not found in $PATH" in done.stderr) == (127, True)
    assert engine.cli("ps", "-aq").stdout == b""


def test_an_interactive_shell_is_left_and_joined_again(engine: EngineDaemon) -> None:
    shell = Terminal(engine, "run", "-it", "--name", "shell", "busybox", "sh")
    shell.expect(b"# ")
    shell.type(b"echo a$((6*7))\n")
    shell.expect(b"a42")
    shell.type(b"\x10\x11")
    assert shell.exit_code() == 0
    assert engine.cli("ps", "--format", "{{.Names}}").stdout == b"shell\n"
    again = Terminal(engine, "attach", "shell")
    again.type(b"echo b$((6*7))\n")
    again.expect(b"b42")
    again.type(b"exit 5\n")
    assert again.exit_code() == 5


def test_exec_with_and_without_a_terminal(engine: EngineDaemon) -> None:
    engine.run("sleep", "600", name="lab")
    done = engine.cli("exec", "-i", "lab", "sh", "-c", "cat; exit 3", stdin=b"hello\n")
    assert (done.stdout, done.returncode) == (b"hello\n", 3)
    shell = Terminal(engine, "exec", "-it", "lab", "sh")
    shell.expect(b"# ")
    shell.type(b"tty; exit 4\n")
    shell.expect(b"/dev/pts/")
    assert shell.exit_code() == 4


def test_detached_runs_are_listed_followed_stopped_and_removed(engine: EngineDaemon) -> None:
    container_id = engine.cli(
        "run", "-d", "--name", "job", "busybox", "sh", "-c", "for i in 1 2 3; do echo $i; sleep 0.1; done"
    ).stdout
    assert len(container_id.strip()) == 64
    assert engine.cli("logs", "-f", "job").stdout == b"1\n2\n3\n"
    assert engine.cli("wait", "job").stdout == b"0\n"
    assert b"Exited (0)" in engine.cli("ps", "-a").stdout
    engine.cli("start", "job", check=True)
    engine.cli("stop", "-t", "0", "job", check=True)
    engine.cli("rm", "-f", "job", check=True)
    assert engine.cli("ps", "-aq").stdout == b""


def test_images_are_imported_loaded_tagged_and_removed(engine: EngineDaemon) -> None:
    engine.cli("tag", "busybox", "other:1", check=True)
    assert b"other" in engine.cli("images").stdout
    assert engine.cli("rmi", "other:1").returncode == 0
    assert json.loads(engine.cli("image", "inspect", "busybox").stdout)[0]["RepoTags"] == ["busybox:latest"]


@pytest.mark.parametrize(
    "command", [["info"], ["version"], ["network", "ls"], ["volume", "ls"], ["system", "df"], ["history", "busybox"]]
)
def test_looking_around_works(engine: EngineDaemon, command: list[str]) -> None:
    done = engine.cli(*command)
    assert (done.returncode, done.stderr) == (0, b"")


def test_files_of_the_host_are_roots_inside(engine: EngineDaemon) -> None:
    shared = engine.root / "shared"
    shared.mkdir(exist_ok=True)
    (shared / "file").write_text("hello\n")
    done = engine.cli(
        "run",
        "--rm",
        "-v",
        f"{shared}:/shared",
        "busybox",
        "sh",
        "-c",
        "cat /shared/file; stat -c %u /shared/file; id -u > /shared/made",
    )
    assert done.stdout == b"hello\n0\n"
    assert (shared / "made").stat().st_uid == 0
    done = engine.cli("run", "--rm", "-v", f"{shared}:/shared:ro", "busybox", "touch", "/shared/file")
    assert b"Read-only file system" in done.stderr


def test_options_take_effect(engine: EngineDaemon) -> None:
    def run(*arguments: str) -> bytes:
        return engine.cli("run", "--rm", *arguments).stdout

    assert run("-h", "lab", "busybox", "hostname") == b"lab\n"
    assert run("-u", "ada", "busybox", "id", "-u") == b"1000\n"
    assert run("-w", "/tmp/new", "busybox", "pwd") == b"/tmp/new\n"
    assert run("-e", "A=b", "busybox", "sh", "-c", "echo $A") == b"b\n"
    assert run("--entrypoint", "echo", "busybox", "hi") == b"hi\n"
    assert run("--add-host", "db:192.0.2.7", "busybox", "grep", "db", "/etc/hosts") == b"192.0.2.7\tdb\n"
    assert b"nameserver 192.0.2.53" in run("--dns", "192.0.2.53", "busybox", "cat", "/etc/resolv.conf")
    assert b"size=1024k" in run("--tmpfs", "/data:size=1m", "busybox", "grep", "/data", "/proc/mounts")
    assert run("--read-only", "busybox", "sh", "-c", "touch /x 2>/dev/null || echo no") == b"no\n"
    assert run("--ulimit", "nofile=100:100", "busybox", "sh", "-c", "ulimit -n") == b"100\n"
    assert run("--init", "busybox", "sh", "-c", "echo $$") != b"1\n"
    assert run("--cap-drop", "ALL", "busybox", "grep", "CapEff", "/proc/self/status").split()[1] == b"0000000000000000"
