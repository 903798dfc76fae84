"""Attacks by root inside a running container, on whoever enters it and on its neighbours."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.engine.api.raw_client import RawClient
from tests.engine.daemon import EngineDaemon, frames, wait_until

pytestmark = pytest.mark.requires_root

ADA, BOB = "blue/ada", "red/bob"
SLEEP = "touch /ready; exec sleep 600"


@pytest.fixture
def neighbour(engine: EngineDaemon) -> Iterator[str]:
    """Another tenant's container, which must answer before and after."""
    container_id = engine.run("sleep", "600", tenant=BOB)
    assert run_inside(engine, container_id, "echo", "well") == (0, "well\n")
    yield container_id
    assert run_inside(engine, container_id, "echo", "well") == (0, "well\n")


def run_inside(engine: EngineDaemon, container_id: str, *command: str, **fields: Any) -> tuple[int, str]:
    """Run an exec to its end; answers exit code and output."""
    body = {"Cmd": command, "AttachStdout": True, "AttachStderr": True, **fields}
    exec_id = engine.request("POST", f"/containers/{container_id}/exec", body).document["Id"]
    answer = engine.request("POST", f"/exec/{exec_id}/start", {"Tty": bool(fields.get("Tty"))})
    output = answer.body if fields.get("Tty") else b"".join(data for _, data in frames(answer.body))
    return engine.request("GET", f"/exec/{exec_id}/json").document["ExitCode"], output.decode()


def hostile(engine: EngineDaemon, script: str, **host: Any) -> str:
    """A container that prepares an attack and then sleeps."""
    container_id = engine.run("sh", "-c", f"{script}\n{SLEEP}", tenant=ADA, HostConfig={"Memory": 64 * 2**20, **host})
    pid = engine.inspect(container_id)["State"]["Pid"]
    wait_until(lambda: Path(f"/proc/{pid}/root/ready").exists(), "the attack to be prepared")
    return container_id


@pytest.mark.parametrize(
    ("script", "code", "said"),
    [
        ("rm /etc/passwd /etc/group; mkfifo /etc/passwd /etc/group", 0, "in\n"),
        ("ln -sf /dev/ptmx /etc/passwd; ln -sf /dev/zero /etc/group", 0, "in\n"),
        ("rm /etc/passwd; truncate -s 1000000000000 /etc/passwd", 126, "too large"),
        ("ln -sf /proc/1/root/etc/passwd /etc/passwd", 126, "too many levels of symbolic links"),
        ("ln -sf /etc/group /etc/passwd; ln -sf /etc/passwd /etc/group", 126, "too many levels of symbolic links"),
        ("echo root:x:4294967295:4294967295::/: > /etc/passwd", 0, "in\n"),
        ("head -c 900000 /dev/zero > /etc/passwd", 0, "in\n"),
        ("rm /bin/echo; mkfifo /bin/echo; chmod 755 /bin/echo", 127, "not found in $PATH"),
        ("rm /bin/echo; mkdir /bin/echo", 127, "not found in $PATH"),
        ("rm /bin/echo; ln -s echo /bin/echo", 127, "not found in $PATH"),
        ("rm /dev/null /dev/tty; mkfifo /dev/other", 0, "in\n"),
    ],
)
def test_an_image_that_turns_hostile_can_only_spoil_its_own_execs(
    engine: EngineDaemon, neighbour: str, script: str, code: int, said: str
) -> None:
    container_id = hostile(engine, script)
    exit_code, output = run_inside(engine, container_id, "echo", "in")
    assert (exit_code, said in output) == (code, True), output


def test_a_program_that_points_back_at_the_engine_cannot_write_to_it(engine: EngineDaemon, neighbour: str) -> None:
    """A script whose interpreter is the process that runs it, with a loader of the container's own (CVE-2019-5736)."""
    script = (
        "mkdir -p /lib64 /lib /x; for n in /lib64/ld-linux-x86-64.so.2 /lib/ld-linux-aarch64.so.1; do cp /bin/busybox $n; done;"
        " ln -s /proc/self/exe /x/tail; rm /bin/id; printf '#!/x/tail -f\\n' > /bin/id; chmod 755 /bin/id"
    )
    container_id = hostile(engine, script)
    exec_id = engine.request("POST", f"/containers/{container_id}/exec", {"Cmd": ["id"]}).document["Id"]
    engine.request("POST", f"/exec/{exec_id}/start", {"Detach": True})
    attack = "for p in /proc/[0-9]*; do (echo evil >> $p/exe) && echo written; done; (echo evil >> /bin/busybox) && echo own"
    assert "written" not in run_inside(engine, container_id, "sh", "-c", attack)[1]
    engine.request("DELETE", f"/containers/{container_id}?force=1")
    assert run_inside(engine, neighbour, "echo", "well") == (0, "well\n")


@pytest.mark.parametrize("tty", [False, True])
def test_an_exec_holds_its_own_streams_only(engine: EngineDaemon, neighbour: str, tty: bool) -> None:
    container_id = engine.run("sleep", "600", tenant=ADA)
    _, shown = run_inside(engine, container_id, "sh", "-c", "ls /proc/$$/fd; ls /proc/1/fd", Tty=tty)
    own = ["0", "1", "10", "2"] if tty else ["0", "1", "2"]  # the shell keeps its terminal at 10
    assert [name for name in shown.split() if name.isdecimal()] in ([*own, "0", "1", "2"], ["0", "1", "2"] * 2)


@pytest.mark.parametrize("number", range(3, 16))
def test_no_descriptor_can_be_the_working_directory_of_an_exec(engine: EngineDaemon, number: int) -> None:
    container_id = engine.run("sleep", "600", tenant=ADA)
    code, output = run_inside(engine, container_id, "ls", WorkingDir=f"/proc/self/fd/{number}/../..")
    assert (code, "chdir to cwd" in output) in ((126, True), (127, True)), output


ATTACKER = r"""
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <time.h>
#include <unistd.h>
/* Looks at every process that comes, for some seconds: whose program is not the container's must be closed to us. */
int main(void) {
  int seen = 0, broken = 0;
  puts("ready");
  fflush(stdout);
  for (time_t end = time(0) + 3; time(0) < end;)
    for (int pid = 2; pid < 300; pid++) {
      char path[64], program[256];
      snprintf(path, sizeof path, "/proc/%d/exe", pid);
      int length = readlink(path, program, sizeof program - 1);
      if (length < 0 && errno == EACCES) seen++;
      if (length > 0) {
        program[length] = 0;
        broken += !strstr(program, "busybox") && !strstr(program, "attacker");
      }
      if (ptrace(PTRACE_SEIZE, pid, 0, 0) == 0) {
        length = readlink(path, program, sizeof program - 1);
        program[length > 0 ? length : 0] = 0;
        broken += length > 0 && !strstr(program, "busybox") && !strstr(program, "attacker");
        ptrace(PTRACE_DETACH, pid, 0, 0);
      }
    }
  printf("seen %d broken %d\n", seen, broken);
}
"""


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler to make the attacker with")
def test_a_process_that_enters_can_be_seen_but_neither_traced_nor_read(
    engine: EngineDaemon, neighbour: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("attacker")
    (folder / "attacker.c").write_text(ATTACKER)
    subprocess.run(["cc", "-static", "-O1", "-o", folder / "attacker", folder / "attacker.c"], check=True)
    receive: dict[str, Any] = {"OpenStdin": True, "StdinOnce": True, "AttachStdin": True}
    container_id = engine.run("sh", "-c", "cat > /attacker; chmod 755 /attacker; exec /attacker", tenant=ADA, **receive)
    with RawClient(engine) as client:
        client.post(f"/containers/{container_id}/attach?stream=1&stdin=1", upgrade=True)
        client.head()
        client.socket.sendall((folder / "attacker").read_bytes())
        client.half_close()
        wait_until(lambda: b"ready" in engine.output(container_id), "the attacker to look")
        while engine.inspect(container_id)["State"]["Running"] and b"broken" not in engine.output(container_id):
            exec_id = engine.request("POST", f"/containers/{container_id}/exec", {"Cmd": ["true"]}).document.get("Id")
            if exec_id is not None:
                engine.request("POST", f"/exec/{exec_id}/start", {"Detach": True})
    assert b"broken 0" in engine.output(container_id)


def test_processes_that_enter_can_be_stopped_but_stop_nobody_else(engine: EngineDaemon, neighbour: str) -> None:
    container_id = hostile(engine, "touch /ready; (while :; do kill -STOP -1; done) &")
    for _ in range(5):
        exec_id = engine.request("POST", f"/containers/{container_id}/exec", {"Cmd": ["true"]}).document["Id"]
        with RawClient(engine) as client:
            client.post(f"/exec/{exec_id}/start", body=b"{}")
            assert run_inside(engine, neighbour, "echo", "well") == (0, "well\n")
    assert engine.request("DELETE", f"/containers/{container_id}?force=1").status == 204


def test_a_terminal_replaced_by_a_pipe_does_not_stall_the_engine(engine: EngineDaemon, neighbour: str) -> None:
    container_id = hostile(engine, "mkfifo /dev/pts/ptmx", Tmpfs={"/dev/pts": ""})
    code, output = run_inside(engine, container_id, "true", Tty=True)
    assert (code, "not a terminal multiplexer" in output) == (126, True)


def test_a_neighbour_answers_beside_a_fork_bomb_and_the_bomb_can_be_entered_and_removed(
    engine: EngineDaemon, neighbour: str
) -> None:
    container_id = hostile(engine, 'sh -c "while :; do sleep 600 & done"', PidsLimit=40, NanoCpus=500_000_000)
    assert run_inside(engine, neighbour, "sh", "-c", "echo well | cat") == (0, "well\n")
    assert "fork" in run_inside(engine, container_id, "sh", "-c", "(true); true")[1]
    assert engine.request("DELETE", f"/containers/{container_id}?force=1").status == 204


def test_a_neighbour_answers_beside_a_memory_hog(engine: EngineDaemon, neighbour: str) -> None:
    container_id = hostile(engine, "(while :; do tail /dev/zero; done) &", Memory=32 * 2**20, NanoCpus=500_000_000)
    for _ in range(5):
        assert run_inside(engine, neighbour, "echo", "well") == (0, "well\n")
    assert engine.request("DELETE", f"/containers/{container_id}?force=1").status == 204


def memory_of(pid: int | None) -> int:
    """Peak of resident memory in bytes."""
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))


def test_a_flood_without_a_line_end_and_a_reader_who_waits_take_no_memory(engine: EngineDaemon, neighbour: str) -> None:
    size = 100 * 2**20
    container_id = hostile(engine, f"head -c {size} /dev/zero")
    pids = (engine.pid, engine.supervisor_pid())
    before = [memory_of(pid) for pid in pids]
    with RawClient(engine) as client:
        client.socket.sendall(
            f"GET /containers/{container_id}/logs?stdout=1&timestamps=1&tail=1 HTTP/1.1\r\nHost: engine\r\n\r\n".encode()
        )
        client.head()
        assert run_inside(engine, neighbour, "echo", "well") == (0, "well\n")
    assert all(memory_of(pid) - was < 20 * 2**20 for pid, was in zip(pids, before, strict=True))


def test_the_sockets_names_and_memory_of_neighbours_are_out_of_sight(engine: EngineDaemon, neighbour: str) -> None:
    run_inside(engine, neighbour, "sh", "-c", "touch /dev/shm/mine; (nc -ll -p 7777 local:/run >/dev/null 2>&1 &)")
    container_id = engine.run("sleep", "600", tenant=ADA)
    show = "ls /dev/shm; tail -n +2 /proc/net/unix; tail -n +2 /proc/sysvipc/shm; tail -n +2 /proc/net/tcp"
    assert run_inside(engine, container_id, "sh", "-c", show)[1] == ""
