"""The kernel's files in a container: none can be written that is not the container's own, none tells of the host."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.engine.escapes.cells import BOB, Cell

pytestmark = pytest.mark.requires_root

# Opened for appending, which writes nothing. A process's own files are its own affair.
TRY_ALL = r"""
find {top} -xdev -type f ! -path '/proc/[0-9]*' ! -path '/proc/self/*' ! -path '/proc/thread-self/*' 2>/dev/null |
while read -r path; do (: >> "$path") 2>/dev/null && echo "$path"; done; true
"""


def test_no_file_of_sys_can_be_opened_for_writing(cell: Cell) -> None:
    assert (
        cell.shell(TRY_ALL.format(top="/sys/kernel /sys/module /sys/power /sys/bus /sys/fs /sys/class/net /sys/devices/system"))
        == ""
    )


def test_no_file_of_proc_outside_its_processes_can_be_opened_for_writing(cell: Cell) -> None:
    opened = set(cell.shell(TRY_ALL.format(top="/proc")).split())
    assert {path for path in opened if not path.startswith("/proc/pressure/")} == set()  # a watch on one's own waiting


@pytest.mark.parametrize(
    "path",
    [
        *(
            f"/proc/sys/kernel/{name}"
            for name in ("core_pattern", "modprobe", "hostname", "sysrq", "panic", "printk", "dmesg_restrict")
        ),
        *(
            f"/proc/sys/kernel/{name}"
            for name in ("kptr_restrict", "pid_max", "ns_last_pid", "unprivileged_bpf_disabled", "keys/maxkeys")
        ),
        *(f"/proc/sys/vm/{name}" for name in ("drop_caches", "overcommit_memory", "panic_on_oom", "mmap_min_addr")),
        *(f"/proc/sys/fs/{name}" for name in ("file-max", "suid_dumpable", "protected_symlinks", "inotify/max_user_instances")),
        *(f"/proc/sys/net/ipv4/{name}" for name in ("ip_forward", "conf/all/route_localnet", "conf/eth0/rp_filter")),
        *("/proc/sysrq-trigger", "/proc/irq/default_smp_affinity", "/proc/mtrr", "/proc/fs/ext4", "/proc/bus/pci/devices"),
        *(
            "/sys/kernel/uevent_helper",
            "/sys/kernel/profiling",
            "/sys/power/state",
            "/sys/kernel/mm/ksm/run",
            "/sys/bus/pci/rescan",
        ),
        *(
            "/sys/kernel/debug/sched_features",
            "/sys/kernel/security/lsm",
            "/sys/fs/cgroup/release_agent",
            "/sys/fs/cgroup/cgroup.procs",
        ),
        *("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/devices/devices.allow", "/sys/fs/cgroup/pids/pids.max"),
        *("/sys/fs/cgroup/unified/cgroup.procs", "/sys/fs/cgroup/memory/cgroup.procs", "/sys/fs/cgroup/memory/release_agent"),
        *("/sys/fs/cgroup/memory/notify_on_release", "/sys/class/net/eth0/mtu", "/proc/self/uid_map"),
        *("/proc/self/gid_map", "/proc/self/setgroups", "/proc/1/uid_map", "/proc/self/projid_map"),
    ],
)
def test_a_control_file_cannot_be_written(cell: Cell, path: str) -> None:
    assert "done" not in cell.shell(f"echo 1 > {path} && echo done")


@pytest.mark.parametrize(
    "path", ["/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/sched_debug", "/proc/interrupts", "/proc/scsi"]
)
def test_a_file_that_tells_of_the_host_is_empty(cell: Cell, path: str) -> None:
    assert cell.run("head", "-c", "1", path)[1] in ("", f"head: {path}: No such file or directory\n")


@pytest.mark.parametrize(
    "path",
    [
        *("/proc/slabinfo", "/proc/vmallocinfo", "/proc/kpagecount", "/proc/kpageflags", "/proc/pagetypeinfo", "/proc/kmsg"),
        *("/sys/kernel/slab", "/sys/class/dmi/id/product_uuid", "/sys/class/dmi/id/product_serial", "/proc/1/stack"),
    ],
)
def test_a_file_for_the_hosts_root_is_closed(cell: Cell, path: str) -> None:
    code, output = cell.run("head", "-c", "1", path)
    assert code != 0, output


@pytest.mark.parametrize("path", ["/proc/kallsyms", "/proc/modules"])
def test_no_address_of_the_kernel_is_shown(cell: Cell, path: str) -> None:
    fields = cell.shell(f"[ -e {path} ] && head -n 2000 {path}").split()
    assert [field for field in fields if re.fullmatch(r"(0x)?f{4,8}[0-9a-f]{8,12}", field)] == []


def test_the_kernels_log_is_closed(cell: Cell) -> None:
    assert "not permitted" in cell.shell("dmesg")


def test_no_folder_of_the_engine_stands_in_the_mounts_but_those_of_its_own_network_files(cell: Cell) -> None:
    own = f"{cell.engine.data_path}/engine/containers/{cell.container_id}/"
    lines = cell.shell("cat /proc/self/mountinfo /proc/self/mounts /proc/self/mountstats").splitlines()
    telling = [line for line in lines if str(cell.engine.root) in line]
    assert [line for line in telling if own not in line or "/etc/" not in line] == []
    overlay = next(line for line in lines if " - overlay " in line)
    assert str(cell.engine.root) not in overlay


def test_a_container_sees_its_own_cgroup_as_the_root_of_all(cell: Cell) -> None:
    assert {line.split(":", 2)[2] for line in cell.shell("cat /proc/self/cgroup /proc/1/cgroup").splitlines()} == {"/"}
    assert cell.shell("ls -d /sys/fs/cgroup/*/../atelier* /sys/fs/cgroup/*/atelier* 2>/dev/null") == ""


def test_processes_and_users_of_others_stand_in_no_table(cell: Cell, new_cell: Callable[..., Cell]) -> None:
    other = new_cell(tenant=BOB)
    other.start("sh", "-c", "nc -l -p 4242; touch /dev/shm/theirs")
    shown = cell.shell(
        "cat /proc/net/tcp /proc/net/udp /proc/net/unix /proc/net/raw /proc/net/arp /proc/sysvipc/* /proc/locks /proc/key-users"
    )
    assert ":1092 " not in shown  # port 4242
    assert str(cell.engine.run_path) not in shown
    assert cell.shell("ls -d /proc/[0-9]* | wc -l").strip() in ("2", "3", "4")


def test_the_data_folder_is_closed_to_all_but_root(cell: Cell) -> None:
    """Files there have the containers' own ids and modes: a program of root's with the setuid bit must not be reached."""
    engine = cell.engine
    cell.shell("cp /bin/sys /home/sys; chmod 4755 /home/sys")
    top = engine.data_path / "engine"
    found = next(path for path in top.glob("containers/*/**/home/sys"))
    assert found.stat().st_mode & 0o4000
    assert found.stat().st_uid == 0
    assert any(path.stat().st_mode & 0o077 == 0 for path in [top, engine.data_path])
    assert (engine.run_path / "supervisor").stat().st_mode & 0o077 == 0
    assert engine.socket_path.stat().st_mode & 0o007 == 0


def test_a_setuid_program_gives_the_containers_root_and_no_more(new_cell: Callable[..., Cell]) -> None:
    cell, other = new_cell(), new_cell(tenant=BOB)
    cell.shell("cp /bin/sys /home/sys; chmod 4755 /home/sys")
    assert "ok 0" in cell.run("/home/sys", "107", User="ada")[1]
    assert other.shell("ls /home") == "ada\n"  # the layer is shared, what is written to it is not
    uid = int(Path(f"/proc/{cell.pid}/uid_map").read_text().split()[1])
    assert uid >= 100_000
    assert uid != int(Path(f"/proc/{other.pid}/uid_map").read_text().split()[1])


def test_a_setuid_program_gives_nothing_where_new_privileges_are_refused(new_cell: Callable[..., Cell]) -> None:
    cell = new_cell(HostConfig={"SecurityOpt": ["no-new-privileges"]})
    cell.shell("cp /bin/sys /home/sys; chmod 4755 /home/sys")
    assert "ok 1000" in cell.run("/home/sys", "107", User="ada")[1]
    assert "ok 0" not in cell.run("/home/sys", "107", User="ada")[1]


@pytest.mark.parametrize("place", ["/dev/shm", "/dev", "/tmp", "/proc", "/sys", "/dev/mqueue", "/dev/pts"])
def test_no_setuid_program_or_device_works_on_a_file_system_of_memory(new_cell: Callable[..., Cell], place: str) -> None:
    cell = new_cell(HostConfig={"Tmpfs": {"/tmp": "exec"}})
    cell.shell(f"cp /bin/sys {place}/sys; chmod 4755 {place}/sys")
    assert "ok 0" not in cell.run(f"{place}/sys", "107", User="ada")[1]
    options = next(line.split()[3] for line in cell.shell("cat /proc/mounts").splitlines() if line.split()[1] == place)
    assert "nosuid" in options.split(",")


def test_release_agent_is_out_of_reach_even_of_an_administrators_capabilities(
    new_cell: Callable[..., Cell], tmp_path: Path
) -> None:
    """CVE-2022-0492: a cgroup of version 1, mounted by whoever has CAP_SYS_ADMIN in a namespace, names a program for the host."""
    cell = new_cell(tenant="", HostConfig={"CapAdd": ["SYS_ADMIN"]})
    mark = tmp_path / "escaped"
    attack = f"""
      printf '#!/bin/sh\\ntouch {mark}\\n' > /agent; chmod 755 /agent
      for kind in memory rdma pids cpu freezer misc none,name=own; do
        mkdir -p /c/$kind; mount -t cgroup -o $kind cgroup /c/$kind || continue
        mkdir -p /c/$kind/x; echo /agent > /c/$kind/release_agent && echo set
        echo 1 > /c/$kind/x/notify_on_release; (echo $$ > /c/$kind/x/cgroup.procs)
      done
      for kind in memory pids cpu devices unified; do
        [ -d /sys/fs/cgroup/$kind ] || continue
        mount -o remount,rw,bind /sys/fs/cgroup/$kind; echo /agent > /sys/fs/cgroup/$kind/release_agent && echo set
      done"""
    assert "set" not in cell.shell(attack).splitlines()
    assert not mark.exists()


@pytest.mark.parametrize("value", ["|/tmp/x", "/tmp/core"])
def test_no_program_for_core_dumps_can_be_named(new_cell: Callable[..., Cell], value: str) -> None:
    before = Path("/proc/sys/kernel/core_pattern").read_text()
    cell = new_cell(tenant="", HostConfig={"CapAdd": ["SYS_ADMIN"]})
    cell.shell("mount -o remount,rw,bind /proc/sys; umount /proc/sys; mkdir /p; mount -t proc proc /p")
    cell.shell(f"for p in /p /proc; do echo '{value}' > $p/sys/kernel/core_pattern; done")
    assert Path("/proc/sys/kernel/core_pattern").read_text() == before
