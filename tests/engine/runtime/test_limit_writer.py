"""Writing limits, all or none, on a folder of files that stands for a cgroup of version 2."""

import errno
from pathlib import Path

import pytest

from engine.core.launch import CgroupSpec, FileWrite
from engine.runtime.limit_writer import apply_limits

NO_GROUPS: CgroupSpec = {"version": 2, "directories": [], "writes": [], "join": []}


@pytest.fixture
def cgroup(tmp_path: Path) -> Path:
    values = {
        "memory.max": "max",
        "memory.current": str(50 * 2**20),
        "memory.stat": f"anon 1\nactive_file {10 * 2**20}\ninactive_file {20 * 2**20}\n",
        "cpu.max": "max 100000",
        "io.weight": "default 100\n8:0 50",
    }
    for name, value in values.items():
        (tmp_path / name).write_text(f"{value}\n")
    return tmp_path


def _write(cgroup: Path, name: str, value: str, *, optional: bool = False) -> FileWrite:
    return {"path": str(cgroup / name), "value": value, "optional": optional}


def test_what_was_written_can_be_put_back(cgroup: Path) -> None:
    writes = [_write(cgroup, "cpu.max", "50000 100000"), _write(cgroup, "io.weight", "default 200")]
    undo = apply_limits(writes, NO_GROUPS, members=str(cgroup))
    assert (cgroup / "cpu.max").read_text() == "50000 100000\n"
    undo.close()
    assert (cgroup / "cpu.max").read_text() == "max 100000\n"
    assert (cgroup / "io.weight").read_text() == "default 100\n"


def test_a_refusal_leaves_everything_as_it_was(cgroup: Path) -> None:
    writes = [_write(cgroup, "cpu.max", "50000 100000"), _write(cgroup, "pids.max", "5")]
    with pytest.raises(FileNotFoundError):
        apply_limits(writes, NO_GROUPS, members=str(cgroup))
    assert (cgroup / "cpu.max").read_text() == "max 100000\n"


def test_what_the_host_lacks_and_may_lack_is_left_out(cgroup: Path) -> None:
    apply_limits([_write(cgroup, "memory.swap.max", "0", optional=True)], NO_GROUPS, members=str(cgroup))
    assert not (cgroup / "memory.swap.max").exists()


def test_memory_below_what_cannot_be_given_back_is_refused(cgroup: Path) -> None:
    with pytest.raises(OSError, match=r"memory\.max") as refusal:
        apply_limits([_write(cgroup, "memory.max", str(19 * 2**20))], NO_GROUPS, members=str(cgroup))
    assert refusal.value.errno == errno.EBUSY
    assert (cgroup / "memory.max").read_text() == "max\n"
    apply_limits([_write(cgroup, "memory.max", str(20 * 2**20))], NO_GROUPS, members=str(cgroup))
