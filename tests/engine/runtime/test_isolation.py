"""What a container cannot see or do, seen from inside a real one."""

import os
from pathlib import Path

import pytest

from engine.core.capabilities import effective_capabilities
from engine.core.launch import LaunchSpec
from engine.runtime.seccomp_cache import SeccompCache
from engine.service.launch_spec import MASKED_PATHS, READONLY_PATHS
from tests.engine.runtime.container_specs import CGROUP_PATH
from tests.engine.runtime.launch_bench import Bench

pytestmark = pytest.mark.requires_root


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def guarded(bench: Bench, script: str, *, added: list[str] | None = None) -> LaunchSpec:
    """A container as the engine makes it: default rights, filter, hidden paths."""
    spec = bench.shell(script)
    capabilities = effective_capabilities(add=added or [], drop=[])
    spec["process"]["capabilities"] = capabilities
    spec["process"]["no_new_privileges"] = False
    spec["process"]["seccomp"] = SeccompCache(bench.base / "seccomp").path(capabilities)
    spec["masked_paths"] = list(MASKED_PATHS)
    spec["readonly_paths"] = list(READONLY_PATHS)
    return spec


def test_it_sees_its_own_processes_only(bench: Bench) -> None:
    assert bench.run(guarded(bench, "echo /proc/[0-9]*"))["stdout"] == "/proc/1\n"


def test_it_sees_its_own_name_and_interfaces_only(bench: Bench) -> None:
    spec = guarded(bench, "hostname; ls /sys/class/net; cat /proc/net/dev | grep -c :")
    assert bench.run(spec)["stdout"].split() == [spec["hostname"], "lo", "1"]


def test_it_sees_its_own_files_only(bench: Bench) -> None:
    shown = bench.run(guarded(bench, "ls /; ls /proc/1/root/; ls /.. ; cat /proc/self/mountinfo"))["stdout"]
    assert str(bench.base) not in shown
    assert shown.split()[:7] == ["bin", "dev", "etc", "proc", "root", "sys", "tmp"]


def test_no_descriptor_of_the_host_is_left_open(bench: Bench) -> None:
    assert bench.run(guarded(bench, "ls /proc/1/fd; readlink /proc/1/fd/0"))["stdout"].split() == ["0", "1", "2", "/dev/null"]


def test_its_capabilities_are_dockers_default_ones(bench: Bench) -> None:
    lines = bench.run(guarded(bench, "grep -E '^(Cap|Seccomp:|NoNewPrivs)' /proc/self/status"))["stdout"].split()
    values = dict(zip(lines[::2], lines[1::2], strict=True))
    default = "00000000a80425fb"
    assert (values["CapPrm:"], values["CapEff:"], values["CapBnd:"]) == (default, default, default)
    assert (int(values["CapInh:"], 16), int(values["CapAmb:"], 16)) == (0, 0)
    assert (values["Seccomp:"], values["NoNewPrivs:"]) == ("2", "0")


def test_a_user_who_is_not_root_has_no_capability(bench: Bench) -> None:
    spec = guarded(bench, "grep -E '^Cap(Prm|Eff)' /proc/self/status")
    spec["process"]["user"] = "ada"
    assert set(bench.run(spec)["stdout"].split()) == {"CapPrm:", "CapEff:", "0000000000000000"}


@pytest.mark.parametrize(
    "command",
    [
        "mount -t tmpfs none /tmp",
        "mount -o remount,rw /sys",
        "mount -o remount,bind,rw /proc/sys",
        "umount /proc/kcore",
        "umount /sys/firmware",
        "unshare -U true",
        "unshare -m true",
        "date -s 2030-01-01 && date | grep 2030",
        "insmod /bin/busybox",
        "hostname other",
        "reboot -f",
        "swapoff -a && swapon /bin/busybox",
        "dmesg",
        "ip link add d0 type dummy",
        "chroot /proc/1/root mount -t proc none /proc",
        "mknod /tmp/disk b 254 0",
        "echo 1 > /proc/sysrq-trigger",
        "echo x > /proc/sys/kernel/hostname",
        "echo 1 > /sys/kernel/mm/ksm/run",
        "echo 0 > /sys/fs/cgroup/memory/cgroup.procs || echo 0 > /sys/fs/cgroup/cgroup.procs",
        "mkdir /sys/fs/cgroup/memory/own || mkdir /sys/fs/cgroup/own",
    ],
)
def test_root_inside_cannot(bench: Bench, command: str) -> None:
    before = Path("/proc/sys/kernel/hostname").read_text()
    outcome = bench.run(guarded(bench, f"({command}) && echo done"))
    assert "done" not in outcome["stdout"], outcome
    assert Path("/proc/sys/kernel/hostname").read_text() == before


def test_masked_paths_are_empty_and_readonly_ones_cannot_be_written(bench: Bench) -> None:
    script = "cat /proc/kcore /proc/keys /proc/timer_list; ls /sys/firmware /proc/acpi; echo x > /proc/sys/kernel/core_pattern"
    outcome = bench.run(guarded(bench, script))
    assert [line for line in outcome["stdout"].split() if not line.endswith(":")] == []
    assert "Read-only file system" in outcome["stderr"]


def test_device_nodes_of_an_image_open_nothing(bench: Bench) -> None:
    for name, mode, device in (("random", 0o020666, os.makedev(1, 8)), ("disk", 0o060666, Path("/").stat().st_dev)):
        os.mknod(bench.rootfs / name, mode, device)
        (bench.rootfs / name).chmod(0o666)
    outcome = bench.run(guarded(bench, "head -c1 /random; head -c1 /disk; head -c1 /dev/zero | wc -c"))
    assert outcome["stdout"] == "1\n"
    assert outcome["stderr"].count("Permission denied") == 2


def test_its_devices_are_the_harmless_ones(bench: Bench) -> None:
    script = "ls /dev; stat -c %t:%T /dev/null /dev/tty; readlink /dev/ptmx; readlink /dev/stdin"
    names = ["core", "fd", "full", "mqueue", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin", "stdout"]
    names += ["tty", "urandom", "zero"]
    assert bench.run(guarded(bench, script))["stdout"].split() == [*names, "1:3", "5:0", "pts/ptmx", "/proc/self/fd/0"]


def test_signals_reach_nobody_outside(bench: Bench) -> None:
    outcome = bench.run(guarded(bench, f"kill -0 {os.getpid()}; kill -0 {os.getppid()}; echo $?"))
    assert outcome["stdout"] == "1\n"


def test_no_new_privileges_is_set_when_wanted(bench: Bench) -> None:
    spec = guarded(bench, "grep NoNewPrivs /proc/self/status")
    spec["process"]["no_new_privileges"] = True
    assert bench.run(spec)["stdout"].split() == ["NoNewPrivs:", "1"]


def test_a_fork_bomb_stops_at_its_limit_of_processes(bench: Bench) -> None:
    spec = guarded(bench, "i=0; while [ $i -lt 50 ]; do sleep 3 & i=$((i+1)); done; echo all")
    directory = next(path for path in spec["cgroup"]["join"] if "/pids/" in path or not path.startswith(f"{CGROUP_PATH}/memory"))
    spec["cgroup"]["writes"].append({"path": f"{directory}/pids.max", "value": "10", "optional": False})
    outcome = bench.run(spec)
    assert "all" not in outcome["stdout"]
    assert "fork" in outcome["stderr"]


def test_a_memory_hog_is_killed_at_its_limit(bench: Bench) -> None:
    spec = bench.shell("tail /dev/zero; echo $?", memory_bytes=32 * 2**20)
    assert bench.run(spec)["stdout"] == "137\n"


def test_it_reads_its_own_limit_where_programs_look_for_it(bench: Bench) -> None:
    names = "/sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max"
    spec = bench.shell(f"cat {names} 2>/dev/null; cut -d: -f3 /proc/self/cgroup | sort -u", memory_bytes=32 * 2**20)
    assert bench.run(spec)["stdout"].split() == [str(32 * 2**20), "/"]


@pytest.mark.parametrize(
    ("added", "command", "shown"),
    [
        ([], "unshare -u hostname other; hostname", ""),
        (["CAP_SYS_ADMIN"], "hostname other; hostname", "other\n"),
        (["CAP_SYS_ADMIN"], "mount -t tmpfs none /tmp && echo mounted", "mounted\n"),
        (["CAP_NET_ADMIN"], "ip addr add 10.9.9.1/32 dev lo && echo added", "added\n"),
    ],
)
def test_an_added_capability_opens_its_system_calls_inside_only(bench: Bench, added: list[str], command: str, shown: str) -> None:
    before = Path("/proc/sys/kernel/hostname").read_text()
    spec = guarded(bench, command, added=added)
    assert bench.run(spec)["stdout"] == (shown or f"{spec['hostname']}\n")
    assert Path("/proc/sys/kernel/hostname").read_text() == before


def test_even_with_sys_admin_it_gets_no_way_to_the_hosts_devices(bench: Bench) -> None:
    for name, device in (("kmsg", os.makedev(1, 11)), ("own-null", os.makedev(1, 3))):
        os.mknod(bench.rootfs / name, 0o020666, device)
        (bench.rootfs / name).chmod(0o666)
    script = "mount -o remount,bind,dev /; : > /own-null && echo null; : > /kmsg && echo kmsg"
    outcome = bench.run(guarded(bench, script, added=["CAP_SYS_ADMIN"]))
    assert (outcome["stdout"], outcome["stderr"].count("Operation not permitted")) == ("null\n", 1)
