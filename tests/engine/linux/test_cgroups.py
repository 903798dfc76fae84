"""Layout of the cgroup hierarchies from lines of /proc/mounts, and usage from their files."""

from pathlib import Path

import pytest

from engine.core.limits import CgroupLayout
from engine.linux.cgroup_usage import Usage, read_usage_v1, read_usage_v2
from engine.linux.cgroups import parse_layout

UNIFIED = "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid 0 0"
HYBRID = [
    "tmpfs /sys/fs/cgroup tmpfs ro 0 0",
    "cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0",
    "cgroup /sys/fs/cgroup/systemd cgroup rw,xattr,name=systemd 0 0",
    "cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,cpu,cpuacct 0 0",
    "cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0",
    "cgroup /var/lib/other/rootfs/sys/fs/cgroup/pids cgroup ro,pids 0 0",
    "cgroup /sys/fs/cgroup/pids cgroup rw,pids 0 0",
]
MOUNTS = {
    "cpu": "/sys/fs/cgroup/cpu,cpuacct",
    "cpuacct": "/sys/fs/cgroup/cpu,cpuacct",
    "memory": "/sys/fs/cgroup/memory",
    "pids": "/sys/fs/cgroup/pids",
}


@pytest.mark.parametrize(
    ("lines", "controllers", "layout"),
    [
        ([UNIFIED], ["cpu", "memory", "pids"], CgroupLayout(version=2, mounts={}, unified="/sys/fs/cgroup")),
        (HYBRID, ["hugetlb"], CgroupLayout(version=1, mounts=MOUNTS, unified="/sys/fs/cgroup/unified")),
        ([line for line in HYBRID if "cgroup2" not in line], [], CgroupLayout(version=1, mounts=MOUNTS, unified="")),
        (["proc /proc proc rw 0 0"], [], CgroupLayout(version=1, mounts={}, unified="")),
    ],
    ids=["v2", "hybrid", "v1", "none"],
)
def test_layouts(lines: list[str], controllers: list[str], layout: CgroupLayout) -> None:
    assert parse_layout(lines, read_controllers=lambda path: controllers) == layout


def write(folder: Path, files: dict[str, str]) -> str:
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    return str(folder)


def test_usage_of_version_2(tmp_path: Path) -> None:
    files = {
        "memory.current": "5000\n",
        "memory.stat": "anon 4000\ninactive_file 1000\n",
        "memory.max": "max\n",
        "memory.events": "low 0\noom_kill 2\n",
        "pids.current": "7\n",
        "cpu.stat": "usage_usec 12\nuser_usec 3\n",
    }
    assert read_usage_v2(write(tmp_path / "c", files)) == Usage(4000, None, 7, 12_000, 2)


def test_usage_of_version_1(tmp_path: Path) -> None:
    memory = write(
        tmp_path / "memory",
        {
            "memory.usage_in_bytes": "5000\n",
            "memory.stat": "total_inactive_file 6000\n",
            "memory.limit_in_bytes": "9223372036854771712\n",
            "memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n",
        },
    )
    cpuacct, pids = write(tmp_path / "cpu", {"cpuacct.usage": "99\n"}), write(tmp_path / "pids", {"pids.current": "3\n"})
    assert read_usage_v1(memory=memory, cpuacct=cpuacct, pids=pids) == Usage(5000, None, 3, 99, 1)


def test_what_the_host_does_not_tell_is_unknown(tmp_path: Path) -> None:
    assert read_usage_v2(str(tmp_path)) == Usage(None, None, None, None, None)
