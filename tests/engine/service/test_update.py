"""Update: limits of a running container as the kernel has them, and as they are recorded."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.linux.cgroups import detect_layout
from tests.engine.daemon import EngineDaemon
from tests.engine.service.observing import actions, kill_daemon, post

pytestmark = [
    pytest.mark.requires_root,
    pytest.mark.skipif(detect_layout().version != 1, reason="looks at control files of cgroup version 1"),
]
M = 2**20


@pytest.fixture
def lab(engine: EngineDaemon) -> str:
    return engine.run("sleep", "600", name="lab", HostConfig={"Memory": 64 * M, "CpuShares": 512})


def _value(engine: EngineDaemon, container_id: str, controller: str, name: str) -> str:
    root = detect_layout().mounts[controller]
    return Path(root, f"atelier-{engine.instance}", f"c-{container_id}", name).read_text().strip()


def _host(engine: EngineDaemon, *names: str) -> list[object]:
    found = engine.inspect("lab")["HostConfig"]
    return [found[name] for name in names]


@pytest.mark.parametrize(
    ("body", "controller", "name", "value"),
    [
        ({"Memory": 100 * M}, "memory", "memory.limit_in_bytes", str(100 * M)),
        ({"Memory": 256 * M, "MemorySwap": 512 * M}, "memory", "memory.memsw.limit_in_bytes", str(512 * M)),
        ({"Memory": 32 * M, "MemorySwap": 48 * M}, "memory", "memory.memsw.limit_in_bytes", str(48 * M)),
        ({"MemorySwap": -1}, "memory", "memory.memsw.limit_in_bytes", str(2**63 - 4096)),
        ({"MemoryReservation": 16 * M}, "memory", "memory.soft_limit_in_bytes", str(16 * M)),
        ({"CpuShares": 100}, "cpu", "cpu.shares", "100"),
        ({"NanoCpus": 5 * 10**8}, "cpu", "cpu.cfs_quota_us", "50000"),
        ({"CpuPeriod": 20_000, "CpuQuota": 4000}, "cpu", "cpu.cfs_quota_us", "4000"),
        ({"PidsLimit": 7}, "pids", "pids.max", "7"),
        ({"CpusetCpus": "0"}, "cpuset", "cpuset.cpus", "0"),
    ],
)
def test_the_kernel_has_it_at_once(
    engine: EngineDaemon, lab: str, body: dict[str, object], controller: str, name: str, value: str
) -> None:
    answer = engine.request("POST", "/containers/lab/update", body)
    assert (answer.status, answer.document) == (200, {"Warnings": []})
    assert _value(engine, lab, controller, name) == value
    for field, wanted in body.items():
        assert _host(engine, field) == [wanted]


def test_a_client_of_old_that_sends_its_empty_values_along_lifts_no_limit_of_processes(engine: EngineDaemon, lab: str) -> None:
    assert post(engine, "/containers/lab/update", {"PidsLimit": 9}) == 200
    assert post(engine, "/v1.39/containers/lab/update", {"Memory": 100 * M, "PidsLimit": 0}) == 200
    assert (_value(engine, lab, "pids", "pids.max"), _host(engine, "PidsLimit", "Memory")) == ("9", [9, 100 * M])
    assert post(engine, "/v1.40/containers/lab/update", {"PidsLimit": 0}) == 200
    assert _value(engine, lab, "pids", "pids.max") == "max"


def test_limits_are_raised_lowered_and_taken_away_in_any_order(engine: EngineDaemon, lab: str) -> None:
    for memory in (300, 20, 500, 40):
        assert engine.cli("update", "-m", f"{memory}m", "--memory-swap", f"{2 * memory}m", "lab").returncode == 0
        assert _value(engine, lab, "memory", "memory.limit_in_bytes") == str(memory * M)
    for period, quota in ((100_000, 150_000), (10_000, 15_000), (1_000_000, 1_500_000), (20_000, 2000)):
        assert post(engine, "/containers/lab/update", {"CpuPeriod": period, "CpuQuota": quota}) == 200
        assert _value(engine, lab, "cpu", "cpu.cfs_quota_us") == str(quota)
    assert post(engine, "/containers/lab/update", {"CpuQuota": -1}) == 200
    assert _value(engine, lab, "cpu", "cpu.cfs_quota_us") == "-1"
    assert engine.cli("update", "--pids-limit", "5", "lab").returncode == 0
    assert engine.cli("update", "--pids-limit", "-1", "lab").returncode == 0
    assert _value(engine, lab, "pids", "pids.max") == "max"


def test_processors_are_taken_from_a_container_that_had_all(engine: EngineDaemon, lab: str) -> None:
    engine.cli("exec", "-d", "lab", "sleep", "600")
    assert engine.cli("update", "--cpuset-cpus", "0", "lab").returncode == 0
    status = engine.cli("exec", "lab", "sh", "-c", "cat /proc/*/status").stdout.splitlines()
    assert {line for line in status if line.startswith(b"Cpus_allowed_list")} == {b"Cpus_allowed_list:\t0"}


def test_what_does_not_run_gets_it_at_its_start(engine: EngineDaemon) -> None:
    container_id = engine.create("sleep", "600", name="lab")
    assert engine.cli("update", "-m", "32m", "--cpuset-cpus", "1", "lab").returncode == 0
    post(engine, "/containers/lab/start")
    assert _value(engine, container_id, "memory", "memory.limit_in_bytes") == str(32 * M)
    assert _value(engine, container_id, "cpuset", "cpuset.cpus") == "1"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"Memory": 1024}, 400),
        ({"CpuPeriod": 5}, 400),
        ({"CpuQuota": 10}, 400),
        ({"NanoCpus": 10**15}, 400),
        ({"CpusetCpus": "9999"}, 400),
        ({"CpusetCpus": "../../x"}, 400),
        ({"BlkioWeight": 5}, 400),
        ({"Memory": "much"}, 400),
        ({"RestartPolicy": {"Name": "sometimes"}}, 400),
        ({"MemorySwap": 8 * M}, 400),
        ({"MemoryReservation": 128 * M}, 400),
        ({"Ulimits": [{"Name": "nofile", "Soft": 1, "Hard": 1}]}, 400),
        ({"Devices": [{"PathOnHost": "/dev/kvm"}]}, 400),
        ({"CgroupParent": "/"}, 400),
    ],
)
def test_what_is_wrong_changes_nothing(engine: EngineDaemon, lab: str, body: dict[str, object], status: int) -> None:
    before = engine.inspect("lab")["HostConfig"]
    assert post(engine, "/containers/lab/update", body) == status
    assert engine.inspect("lab")["HostConfig"] == before


def test_cpus_and_quota_do_not_mix(engine: EngineDaemon, lab: str) -> None:
    assert post(engine, "/containers/lab/update", {"NanoCpus": 10**9}) == 200
    assert post(engine, "/containers/lab/update", {"CpuQuota": 5000}) == 409


def test_a_policy_and_removal_at_the_exit_exclude_each_other(engine: EngineDaemon) -> None:
    engine.run("sleep", "600", name="lab", HostConfig={"AutoRemove": True})
    assert post(engine, "/containers/lab/update", {"RestartPolicy": {"Name": "always"}}) == 409
    assert post(engine, "/containers/lab/update", {"RestartPolicy": {"Name": "no"}}) == 200


def test_what_the_kernel_refuses_is_said_and_put_back(engine: EngineDaemon, lab: str) -> None:
    """What lies in memory without swap cannot be had back; whatever was set before that is as it was."""
    assert engine.cli("exec", "lab", "dd", "if=/dev/zero", "of=/dev/shm/full", "bs=1M", "count=30").returncode == 0
    answer = engine.request(
        "POST", "/containers/lab/update", {"CpuShares": 77, "Memory": 8 * M, "MemorySwap": 8 * M, "PidsLimit": 9}
    )
    assert answer.status == 409
    assert "uses more memory than the new limit" in answer.message
    assert "/sys/fs" not in answer.message
    assert _value(engine, lab, "cpu", "cpu.shares") == "512"
    assert _value(engine, lab, "pids", "pids.max") == "max"
    assert _host(engine, "CpuShares", "Memory", "MemorySwap") == [512, 64 * M, _host(engine, "MemorySwap")[0]]


def test_events_tell_of_it(engine: EngineDaemon, lab: str) -> None:
    since = time.time()
    assert post(engine, "/containers/lab/update", {"PidsLimit": 7}) == 200
    assert actions(engine, since, "lab") == ["update"]


def test_no_other_tenant_changes_it(engine: EngineDaemon, lab: str) -> None:
    assert post(engine, f"/containers/{lab}/update", {"PidsLimit": 7}, tenant="blue") == 404


def test_a_paused_container_is_changed_too(engine: EngineDaemon, lab: str) -> None:
    post(engine, "/containers/lab/pause")
    assert post(engine, "/containers/lab/update", {"Memory": 100 * M, "CpusetCpus": "0"}) == 200
    assert _value(engine, lab, "cpuset", "cpuset.cpus") == "0"


def test_a_killed_daemon_leaves_limits_as_they_are_recorded(start_engine: Callable[..., EngineDaemon]) -> None:
    engine = start_engine()
    container_id = engine.run("sleep", "600", name="lab")
    assert engine.cli("update", "-m", "32m", "--cpuset-cpus", "0", "lab").returncode == 0
    kill_daemon(engine)
    assert _host(engine, "Memory", "CpusetCpus") == [32 * M, "0"]
    assert engine.cli("exec", "lab", "grep", "Cpus_allowed_list", "/proc/self/status").stdout.split() == [
        b"Cpus_allowed_list:",
        b"0",
    ]
    assert _value(engine, container_id, "memory", "memory.limit_in_bytes") == str(32 * M)
