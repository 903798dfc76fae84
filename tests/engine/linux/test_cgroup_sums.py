"""Sums of a cgroup read from the files of version 1 and 2."""

from pathlib import Path

from engine.linux.cgroup_sums import (
    GroupSums,
    memory_held_v1,
    memory_held_v2,
    memory_of_sockets_v1,
    memory_of_sockets_v2,
    read_pressure,
    read_sums_v1,
    read_sums_v2,
)

PRESSURE = "some avg10=1.25 avg60=0.10 avg300=0.00 total=99\nfull avg10=0.50 avg60=0.00 avg300=0.00 total=9\n"


def fill(folder: Path, **files: str) -> str:
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    return str(folder)


def test_version_2(tmp_path: Path) -> None:
    files = {"cpu__stat": "usage_usec 5\nuser_usec 2\n", "memory__current": "100\n", "memory__peak": "300\n"}
    files |= {"memory__stat": "anon 60\ninactive_file 30\nactive_file 10\n", "memory__swap__current": "7\n"}
    files |= {"pids__current": "4\n", "pids__peak": "9\n"}
    assert read_sums_v2(fill(tmp_path, **files)) == GroupSums(5000, 70, 7, 4, 300, 9)


def test_version_1(tmp_path: Path) -> None:
    folder = fill(
        tmp_path,
        cpuacct__usage="5\n",
        memory__usage_in_bytes="100\n",
        memory__stat="inactive_file 1\ntotal_inactive_file 30\ntotal_swap 7\n",
        memory__max_usage_in_bytes="300\n",
        pids__current="4\n",
    )
    assert read_sums_v1(memory=folder, cpuacct=folder, pids=folder) == GroupSums(5, 70, 7, 4, 300, None)
    assert read_sums_v1(memory="", cpuacct="", pids=folder) == GroupSums(pids=4)


def test_what_no_dropping_of_files_gives_back_of_version_2(tmp_path: Path) -> None:
    stat = "anon 60\nsock 9\ninactive_file 30\nactive_file 10\nslab_reclaimable 20\nslab_unreclaimable 5\n"
    folder = fill(tmp_path, memory__current="120\n", memory__stat=stat)
    assert (memory_held_v2(folder), memory_of_sockets_v2(folder)) == (60, 9)


def test_what_no_dropping_of_files_gives_back_of_version_1(tmp_path: Path) -> None:
    stat = "inactive_file 1\nactive_file 2\ntotal_inactive_file 30\ntotal_active_file 10\n"
    folder = fill(tmp_path, memory__usage_in_bytes="100\n", memory__stat=stat, memory__kmem__tcp__usage_in_bytes="9\n")
    assert (memory_held_v1(folder), memory_of_sockets_v1(folder)) == (60, 9)


def test_of_a_cgroup_that_is_not_there_nothing_is_held(tmp_path: Path) -> None:
    looks = (memory_held_v1, memory_held_v2, memory_of_sockets_v1, memory_of_sockets_v2)
    assert [look(str(tmp_path / "gone")) for look in looks] == [0, 0, 0, 0]


def test_what_is_not_there_is_unknown(tmp_path: Path) -> None:
    assert read_sums_v2(str(tmp_path / "gone")) == GroupSums()
    assert read_pressure(str(tmp_path)) is None


def test_pressure_is_that_of_the_last_seconds(tmp_path: Path) -> None:
    folder = fill(tmp_path, cpu__pressure=PRESSURE, memory__pressure=PRESSURE, io__pressure="")
    assert read_pressure(folder) == {"cpu": {"some": 1.25}, "memory": {"some": 1.25, "full": 0.5}}
