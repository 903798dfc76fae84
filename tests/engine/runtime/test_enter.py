"""Further processes in a running container."""

from pathlib import Path
from typing import Any

import pytest

from engine.core.capabilities import effective_capabilities
from engine.runtime.seccomp_cache import SeccompCache
from tests.engine.runtime.container_specs import exec_spec
from tests.engine.runtime.launch_bench import Bench

pytestmark = pytest.mark.requires_root


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_it_is_in_all_namespaces_of_the_container(bench: Bench) -> None:
    names = "cgroup ipc mnt net pid uts user"
    script = f"for n in {names}; do [ $(readlink /proc/self/ns/$n) = $(readlink /proc/1/ns/$n) ] || echo $n; done"
    (outcome,) = bench.run_execs([["sh", "-c", f"{script}; hostname; ps -o pid,comm | head -2"]])
    assert outcome["stdout"].split() == ["c1", "PID", "COMMAND", "1", "sleep"]


def test_it_is_in_the_containers_cgroups(bench: Bench) -> None:
    (outcome,) = bench.run_execs([["sh", "-c", "cmp /proc/self/cgroup /proc/1/cgroup && cut -d: -f2,3 /proc/self/cgroup"]])
    assert {line.rpartition(":")[2] for line in outcome["stdout"].splitlines()} == {"/"}


def test_exit_codes_and_streams_come_back(bench: Bench) -> None:
    results = bench.run_execs([["sh", "-c", "echo a; echo b >&2; exit 4"], ["sh", "-c", "kill -15 $$"], ["true"]])
    assert [outcome["status"] for outcome in results] == [4, 143, 0]
    assert (results[0]["stdout"], results[0]["stderr"]) == ("a\n", "b\n")


def test_a_terminal_is_one_of_the_containers_own(bench: Bench) -> None:
    (outcome,) = bench.run_execs([["sh", "-c", "tty; stty size; echo > /dev/tty; ls /dev/pts"]], tty=True)
    assert outcome["terminal"].split() == ["/dev/pts/0", "24", "80", "0", "ptmx"]


def test_a_terminal_belongs_to_the_user(bench: Bench) -> None:
    (outcome,) = bench.run_execs([["sh", "-c", "id -un; stat -c %U:%G:%a $(tty)"]], tty=True, user="ada")
    assert outcome["terminal"].split() == ["ada", "ada:tty:620"]


def test_only_its_three_streams_are_open(bench: Bench) -> None:
    (outcome,) = bench.run_execs([["sh", "-c", "ls /proc/$$/fd; readlink /proc/$$/fd/0"]])
    assert outcome["stdout"].split() == ["0", "1", "2", "/dev/null"]


def test_its_rights_are_cut_like_those_of_the_first_process(bench: Bench) -> None:
    capabilities = effective_capabilities(add=[], drop=[])
    program = SeccompCache(bench.base / "seccomp").path(capabilities)
    (outcome,) = bench.run_execs(
        [["sh", "-c", "grep -E '^(CapBnd|CapEff|Seccomp:)' /proc/self/status; mount -t tmpfs none /tmp || echo refused"]],
        capabilities=capabilities,
        seccomp=program,
        no_new_privileges=False,
    )
    assert outcome["stdout"].split() == ["CapEff:", "00000000a80425fb", "CapBnd:", "00000000a80425fb", "Seccomp:", "2", "refused"]


@pytest.mark.parametrize(
    ("command", "changes", "message", "exit_code"),
    [
        (["foo"], {}, 'exec: "foo": executable file not found in $PATH', 127),
        (
            ["/etc/passwd"],
            {},
            'exec: "/etc/passwd": permission denied: it is not executable here, as chmod +x would make it',
            126,
        ),
        (["true"], {"cwd": "/nope"}, 'chdir to cwd ("/nope") failed: no such file or directory', 126),
        (["true"], {"user": "bob"}, "unable to find user bob: no matching entries in passwd file", 126),
    ],
)
def test_a_command_that_cannot_run_says_why(
    bench: Bench, command: list[str], changes: dict[str, Any], message: str, exit_code: int
) -> None:
    (outcome,) = bench.run_execs([command], **changes)
    assert (outcome["error"]["message"], outcome["error"]["exit_code"]) == (message, exit_code)


def test_a_missing_working_directory_is_not_made(bench: Bench) -> None:
    spec = bench.spec("sleep", "1000")
    bench.run_execs([["true"]], spec=spec, cwd="/nope")
    assert not (Path(spec["rootfs"]["upper"]) / "nope").exists()


def test_a_container_that_replaces_its_terminals_fools_nobody(bench: Bench) -> None:
    spec = bench.shell("umount /dev/pts; mount -t tmpfs t /dev/pts; ln -s /etc/passwd /dev/pts/ptmx; exec sleep 1000")
    spec["process"]["capabilities"] = ["CAP_SYS_ADMIN"]
    ready = exec_spec(bench.base, spec["container_id"], "r", "sh", "-c", "until [ -L /dev/pts/ptmx ]; do sleep 0.01; done")
    terminal = exec_spec(bench.base, spec["container_id"], "t", "true", tty=True)
    for wanted in (ready, terminal):
        wanted["cgroup_join"] = spec["cgroup"]["join"]
    outcome = bench.order(spec, [ready, terminal])
    assert outcome["execs"][1]["error"]["step"] == "streams"
    assert "not a terminal multiplexer" in outcome["execs"][1]["error"]["message"]
    assert outcome["left"] == {}
