"""Launching real containers: streams, users, directories, limits of the process, and what a failed command says."""

import os
from pathlib import Path
from typing import Any

import pytest

from engine.core.launch import BindSpec
from engine.core.limits import Limits, cgroup_path, plan_cgroup
from engine.core.tenants import Tenant
from engine.linux.cgroups import detect_layout
from engine.runtime.control_groups import remove_directories
from tests.engine.runtime.container_specs import FIRST_ID
from tests.engine.runtime.launch_bench import Bench

NO_INTERPRETER = ": the interpreter that its first line names, or its loader, is missing; do its lines end in CR LF?"
NO_PROGRAM = ": a script needs #!/bin/sh as its first line, a program is to be for this platform"
pytestmark = pytest.mark.requires_root
BOTH_WAYS = pytest.mark.parametrize("by_path", [False, True], ids=["descriptors", "paths"])


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_command_runs_and_leaves_nothing_in_its_maker(bench: Bench) -> None:
    spec = bench.shell("echo out; echo err >&2; exit 7")
    outcome = bench.run(spec)
    assert (outcome["stdout"], outcome["stderr"], outcome["status"]) == ("out\n", "err\n", 7)
    assert outcome["left"] == {}
    assert not any(Path(directory).exists() for directory in spec["cgroup"]["directories"])


def test_death_by_a_signal_is_seen(bench: Bench) -> None:
    assert bench.run(bench.shell("sh -c 'kill -9 $$'; exit $?"))["status"] == 137


def test_input_reaches_the_command(bench: Bench) -> None:
    assert bench.run(bench.spec("cat", stdin=True), text="hello\n")["stdout"] == "hello\n"


def test_without_input_there_is_dev_null(bench: Bench) -> None:
    assert bench.output("cat; readlink /proc/self/fd/0") == "/dev/null\n"


def test_a_terminal_has_a_name_a_size_and_is_the_controlling_one(bench: Bench) -> None:
    text = bench.output("tty; stty size; echo > /dev/tty; ls -l /dev/console | cut -c1", tty=True)
    assert text.split() == ["/dev/pts/0", "24", "80", "c"]


def test_further_terminals_can_be_opened_by_any_user(bench: Bench) -> None:
    spec = bench.shell("exec 3<>/dev/ptmx; stat -c %u:%g /dev/pts/1", tty=True)
    spec["process"]["user"] = "ada"
    assert bench.run(spec)["terminal"].split() == ["1000:5"], "devpts gives them to whoever opens one"


def test_streams_can_be_opened_again_by_their_names(bench: Bench) -> None:
    spec = bench.shell("echo a > /dev/stdout; echo b > /dev/stderr")
    spec["process"]["user"] = "ada"
    outcome = bench.run(spec)
    assert (outcome["stdout"], outcome["stderr"]) == ("a\n", "b\n")


@pytest.mark.parametrize(
    ("user", "shown"),
    [
        ("", "uid=0(root) gid=0(root) groups=0(root)"),
        ("ada", "uid=1000(ada) gid=1000(ada) groups=1000(ada),2000(lab)"),
        ("ada:lab", "uid=1000(ada) gid=2000(lab) groups=2000(lab)"),
        ("1234:5678", "uid=1234 gid=5678 groups=5678"),
    ],
)
def test_the_user_is_looked_up_in_the_image(bench: Bench, user: str, shown: str) -> None:
    spec = bench.spec("id")
    spec["process"]["user"] = user
    assert bench.run(spec)["stdout"].strip() == shown


@pytest.mark.parametrize(("user", "home"), [("", "/root"), ("ada", "/home/ada"), ("1234", "/")])
def test_home_comes_from_the_image_unless_set(bench: Bench, user: str, home: str) -> None:
    spec = bench.shell("echo $HOME")
    spec["process"]["user"] = user
    assert bench.run(spec)["stdout"] == f"{home}\n"
    spec["process"]["env"].append("HOME=")
    assert bench.run(spec)["stdout"] == f"{home}\n"
    spec["process"]["env"].append("HOME=/elsewhere")
    assert bench.run(spec)["stdout"] == "/elsewhere\n"


@pytest.mark.parametrize(
    ("process", "message", "exit_code"),
    [
        ({"args": ["foo"]}, 'exec: "foo": executable file not found in $PATH', 127),
        ({"args": ["/foo"]}, 'exec: "/foo": stat /foo: no such file or directory', 127),
        (
            {"args": ["/etc/passwd"]},
            'exec: "/etc/passwd": permission denied: it is not executable here, as chmod +x would make it',
            126,
        ),
        ({"args": ["/etc"]}, 'exec: "/etc": is a directory', 126),
        ({"args": ["/etc/passwd/x"]}, 'exec: "/etc/passwd/x": stat /etc/passwd/x: not a directory', 127),
        ({"args": ["/bin/text"]}, f"exec /bin/text: exec format error{NO_PROGRAM}", 126),
        ({"args": ["/bin/script"]}, f"exec /bin/script: no such file or directory{NO_INTERPRETER}", 127),
        ({"user": "bob"}, "unable to find user bob: no matching entries in passwd file", 126),
        ({"user": "ada:band"}, "unable to find group band: no matching entries in group file", 126),
        ({"cwd": "/etc/passwd"}, 'chdir to cwd ("/etc/passwd") failed: not a directory', 126),
    ],
)
def test_a_command_that_cannot_run_says_why(bench: Bench, process: dict[str, Any], message: str, exit_code: int) -> None:
    for name, text in (("text", "no program\n"), ("script", "#!/no/such/interpreter\n")):
        (bench.rootfs / "bin" / name).write_text(text)
        (bench.rootfs / "bin" / name).chmod(0o755)
    spec = bench.shell("true")
    spec["process"].update(process)  # type: ignore[typeddict-item]  # the table names the keys
    outcome = bench.run(spec)
    assert (outcome["error"]["message"], outcome["error"]["exit_code"]) == (message, exit_code)
    assert outcome["left"] == {}


def test_the_working_directory_is_made_when_missing(bench: Bench) -> None:
    spec = bench.shell("pwd")
    spec["process"]["cwd"] = "/srv/data"
    assert bench.run(spec)["stdout"] == "/srv/data\n"
    assert (Path(spec["rootfs"]["upper"]) / "srv/data").is_dir()


@BOTH_WAYS
def test_files_keep_the_containers_own_ids_on_disk(bench: Bench, by_path: bool) -> None:
    spec = bench.shell("echo x > /new; chown 1000:2000 /new; echo y > /tmp/other")
    bench.run(spec, by_path=by_path)
    status = (Path(spec["rootfs"]["upper"]) / "new").stat()
    assert (status.st_uid, status.st_gid) == (1000, 2000)


@BOTH_WAYS
def test_layers_lie_in_order_and_are_never_written(bench: Bench, tmp_path: Path, by_path: bool) -> None:
    for name in ("middle", "top"):
        (tmp_path / name / "etc").mkdir(parents=True)
        (tmp_path / name / "etc/which").write_text(name)
    spec = bench.shell("cat /etc/which; echo changed > /etc/which")
    spec["rootfs"]["lower"] += [str(tmp_path / "middle"), str(tmp_path / "top")]
    assert bench.run(spec, by_path=by_path)["stdout"] == "top"
    assert (tmp_path / "top/etc/which").read_text() == "top"


@BOTH_WAYS
def test_many_layers_can_be_stacked(bench: Bench, tmp_path: Path, by_path: bool) -> None:
    layers = [tmp_path / f"layer-with-a-rather-long-name-{number}" for number in range(125)]
    for number, layer in enumerate(layers):
        layer.mkdir()
        (layer / f"f{number}").touch()
    spec = bench.shell("ls / | grep -c ^f")
    spec["rootfs"]["lower"] += [str(layer) for layer in layers]
    outcome = bench.run(spec, by_path=by_path)
    assert (outcome["stdout"], outcome["left"]) == ("125\n", {})


def test_a_readonly_rootfs_refuses_writes_but_its_tmpfs_takes_them(bench: Bench) -> None:
    spec = bench.shell("echo x > /file; echo y > /tmp/file && cat /tmp/file; echo z > /dev/shm/file && cat /dev/shm/file")
    spec["rootfs"]["readonly"] = True
    spec["tmpfs"] = [{"target": "/tmp", "options": "size=64k,mode=1777", "exec": False}]
    outcome = bench.run(spec)
    assert outcome["stdout"] == "y\nz\n"
    assert "Read-only file system" in outcome["stderr"]


def test_binds_show_a_host_path_and_keep_readonly_ones_so(bench: Bench, tmp_path: Path) -> None:
    for name in ("open", "closed"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    spec = bench.shell("cat /a/file /b/deep/file; echo new > /a/file; echo new > /b/deep/file")
    spec["binds"] = [
        {"source": str(tmp_path / "open"), "target": "/a", "readonly": False, "idmapped": True},
        {"source": str(tmp_path / "closed"), "target": "/b/deep", "readonly": True, "idmapped": True},
    ]
    outcome = bench.run(spec)
    assert outcome["stdout"] == "openclosed"
    assert (tmp_path / "open/file").read_text() == "new\n"
    assert (tmp_path / "closed/file").read_text() == "closed"
    assert "Read-only file system" in outcome["stderr"]


def test_sysctls_of_its_own_namespaces_are_set(bench: Bench) -> None:
    spec = bench.shell("cat /proc/sys/net/ipv4/ip_unprivileged_port_start")
    spec["sysctls"] = {"net.ipv4.ip_unprivileged_port_start": "0"}
    assert bench.run(spec)["stdout"] == "0\n"


def test_rlimits_are_lowered_and_never_raised(bench: Bench) -> None:
    spec = bench.shell("ulimit -n; ulimit -Hn; ulimit -c")
    spec["process"]["rlimits"] = [{"name": "nofile", "soft": 100, "hard": 200}, {"name": "core", "soft": -1, "hard": -1}]
    lines = bench.run(spec)["stdout"].split()
    assert lines[:2] == ["100", "200"]
    assert lines[2] in ("0", "unlimited")


def test_an_unknown_rlimit_is_named(bench: Bench) -> None:
    spec = bench.shell("true")
    spec["process"]["rlimits"] = [{"name": "wishes", "soft": 1, "hard": 1}]
    assert "wishes" in bench.run(spec)["error"]["message"]


def test_root_inside_is_an_ordinary_user_of_the_host(bench: Bench) -> None:
    outcome = bench.run(bench.shell("true"))
    assert outcome["host"]["Uid"].split() == [str(FIRST_ID)] * 4


def test_the_small_init_passes_signals_reaps_and_ends_like_its_child(bench: Bench) -> None:
    spec = bench.shell("ps -o pid,comm,args | head -3; (sleep 0.05 &) ; trap 'exit 9' TERM; kill -TERM 1; sleep 5 & wait")
    spec["init"] = True
    outcome = bench.run(spec)
    assert outcome["status"] == 9
    assert outcome["stdout"].splitlines()[1].split() == ["1", "init", "init"]


def test_the_small_init_sees_a_child_that_ended_before_it_looked(bench: Bench) -> None:
    spec = bench.shell("exit 9")
    spec["init"] = True
    assert bench.run(spec, late_init=True)["status"] == 9


def test_the_small_init_hides_the_hosts_interpreter(bench: Bench) -> None:
    spec = bench.shell("cat /proc/1/exe /proc/1/environ /proc/1/maps; ls /proc/1/fd; ls /proc/1/root/")
    spec["init"] = True
    spec["process"]["capabilities"].append("CAP_SYS_PTRACE")
    outcome = bench.run(spec)
    assert outcome["stdout"] == ""
    assert outcome["stderr"].count("Permission denied") >= 4


def test_limits_planned_for_this_host_can_be_written(bench: Bench) -> None:
    spec = bench.shell("grep Cpus_allowed_list /proc/self/status")
    limits = Limits(memory_bytes=64 * 2**20, nano_cpus=500_000_000, pids=50, cpuset_cpus="0")
    path = cgroup_path(f"test-{os.getpid()}", Tenant("team", "member"), "planned")
    spec["cgroup"] = plan_cgroup(detect_layout(), path, limits)
    outcome = bench.run(spec)
    assert (outcome["stdout"].split(), outcome["left"]) == (["Cpus_allowed_list:", "0"], {})
    own, above = spec["cgroup"]["join"], [one for one in spec["cgroup"]["directories"] if one not in spec["cgroup"]["join"]]
    assert not any(Path(directory).exists() for directory in own)
    assert all(Path(directory).exists() for directory in above)  # they keep the tenant's sums
    remove_directories(above)
    assert not any(Path(directory).exists() for directory in above)


def test_oom_score_is_raised(bench: Bench) -> None:
    spec = bench.shell("cat /proc/self/oom_score_adj")
    spec["process"]["oom_score_adj"] = 500
    assert bench.run(spec)["stdout"] == "500\n"


def test_files_of_proc_are_shown_as_they_are_for_the_container_and_cannot_be_written(bench: Bench, tmp_path: Path) -> None:
    view = tmp_path / "meminfo"
    view.write_text("MemTotal: 7 kB\n")
    spec = bench.shell("cat /proc/meminfo; echo x 2>&- > /proc/meminfo; echo y 2>&- > /proc/missing; cat /proc/meminfo")
    source: BindSpec = {"source": str(view), "target": "/proc/meminfo", "readonly": True, "idmapped": True, "of_engine": True}
    spec["proc_views"] = [source, {**source, "target": "/proc/missing"}]
    outcome = bench.run(spec)
    assert (outcome["stdout"].splitlines(), outcome["left"]) == (["MemTotal: 7 kB"] * 2, {})
    assert view.read_text() == "MemTotal: 7 kB\n"
