"""Limits, sysctls, ulimits and small options as the kernel has them for a running container."""

import json
import os
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.linux.capabilities import is_permitted
from tests.engine.daemon import EngineDaemon
from tests.engine.service.inside import create, inside, sleeper

pytestmark = pytest.mark.requires_root

ADA = "blue/ada"
V1 = pytest.mark.skipif(Path("/sys/fs/cgroup/cgroup.controllers").exists(), reason="names of cgroup version 1")


def value(engine: EngineDaemon, container_id: str, controller: str, name: str) -> str:
    return Path(f"/sys/fs/cgroup/{controller}/atelier-{engine.instance}/c-{container_id}/{name}").read_text().strip()


def whole_disk() -> str:
    """A block device under /dev that is no partition."""
    for path in sorted(Path("/sys/block").iterdir()):
        if Path("/dev", path.name).is_block_device():
            return f"/dev/{path.name}"
    pytest.skip("no block device under /dev")


@V1
@pytest.mark.parametrize(
    ("host", "controller", "name", "expected"),
    [
        ({"Memory": 2**26}, "memory", "memory.limit_in_bytes", str(2**26)),
        ({"Memory": 2**26, "MemoryReservation": 2**25}, "memory", "memory.soft_limit_in_bytes", str(2**25)),
        ({"Memory": 2**26, "MemorySwappiness": 7}, "memory", "memory.swappiness", "7"),
        ({"NanoCpus": 500_000_000}, "cpu", "cpu.cfs_quota_us", "50000"),
        ({"CpuQuota": 20_000, "CpuPeriod": 40_000}, "cpu", "cpu.cfs_period_us", "40000"),
        ({"CpuShares": 333}, "cpu", "cpu.shares", "333"),
        ({"CpusetCpus": "0"}, "cpuset", "cpuset.cpus", "0"),
        ({"CpusetMems": "0"}, "cpuset", "cpuset.mems", "0"),
        ({"PidsLimit": 33}, "pids", "pids.max", "33"),
    ],
    ids=str,
)
def test_a_limit_is_in_the_kernel(engine: EngineDaemon, host: dict[str, Any], controller: str, name: str, expected: str) -> None:
    container_id = sleeper(engine, **host)
    assert value(engine, container_id, controller, name) == expected
    shown = engine.inspect(container_id)["HostConfig"]
    assert {field: shown[field] for field in host} == host


@V1
def test_the_out_of_memory_killer_can_be_disabled_by_administrators(engine: EngineDaemon) -> None:
    container_id = sleeper(engine, Memory=2**26, OomKillDisable=True)
    assert "oom_kill_disable 1" in value(engine, container_id, "memory", "memory.oom_control")
    assert create(engine, tenant=ADA, Memory=2**26, OomKillDisable=True).status == 403


@V1
def test_rates_of_a_device(engine: EngineDaemon) -> None:
    disk = whole_disk()
    number = Path(f"/sys/block/{Path(disk).name}/dev").read_text().strip()
    fields = {
        "BlkioDeviceReadBps": ("blkio.throttle.read_bps_device", 1_048_576),
        "BlkioDeviceWriteBps": ("blkio.throttle.write_bps_device", 2_097_152),
        "BlkioDeviceReadIOps": ("blkio.throttle.read_iops_device", 100),
        "BlkioDeviceWriteIOps": ("blkio.throttle.write_iops_device", 200),
    }
    wanted: dict[str, Any] = {field: [{"Path": disk, "Rate": rate}] for field, (_, rate) in fields.items()}
    container_id = sleeper(engine, tenant="", **wanted)
    for name, rate in fields.values():
        assert value(engine, container_id, "blkio", name) == f"{number} {rate}"
    shown = engine.inspect(container_id)["HostConfig"]
    assert {field: shown[field] for field in wanted} == wanted


@pytest.mark.parametrize(
    "path", ["/dev/nosuch", "/etc/passwd", "/root", "/dev/null", "/dev/../etc/shadow", "sda", "", "/dev/\u0000x"]
)
def test_what_is_wrong_with_a_devices_path_is_not_told(engine: EngineDaemon, path: str) -> None:
    answer = create(engine, tenant=ADA, BlkioDeviceReadBps=[{"Path": path, "Rate": 1000}])
    assert answer.status == 400
    if "\0" not in path:
        assert answer.message == f"invalid device {path!r}: use the path of a whole block device under /dev"


@pytest.mark.parametrize(
    "host",
    [
        {"BlkioDeviceReadBps": [{"Path": "/dev/sda", "Rate": -1}]},
        {"BlkioWeight": 5},
        {"BlkioWeightDevice": [{"Path": "/dev/sda", "Weight": 5}]},
        {"MemorySwappiness": 101},
        {"MemorySwappiness": -2},
        {"CpuRealtimeRuntime": 1000},
        {"CpuRealtimePeriod": 1000},
        {"CgroupParent": "/other"},
        {"StorageOpt": {"size": "1X"}},
        {"VolumeDriver": "nfs"},
        {"Isolation": "hyperv"},
        {"Runtime": "kata"},
        {"Cgroup": "container:x"},
        {"OomScoreAdj": 1001},
        {"ShmSize": -1},
        {"Tmpfs": {"/a": "size=1x"}},
        {"Tmpfs": {"/a": "mode=9"}},
        {"Tmpfs": {"/a": "mode=17777"}},
        {"Tmpfs": {"/a": "uid=65536"}},
        {"Tmpfs": {"/a": "gid=-1"}},
        {"Tmpfs": {"/a": "huge=always"}},
        {"SecurityOpt": ["no-new-privileges:maybe"]},
        {"SecurityOpt": ["writable-cgroups=x"]},
        {"SecurityOpt": ["nonsense"]},
        {"SecurityOpt": ["systempaths=x"]},
        {"IpcMode": "other"},
        {"IpcMode": "container:"},
        {"PidMode": "private"},
        {"Ulimits": [{"Name": "nofile", "Soft": 2, "Hard": 1}]},
    ],
    ids=lambda host: json.dumps(host)[:50],
)
def test_what_cannot_be_is_refused_when_it_is_asked_for(engine: EngineDaemon, host: dict[str, Any]) -> None:
    answer = create(engine, **host)
    assert answer.status == 400, answer.body
    assert engine.request("GET", "/containers/json?all=1").document == []


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"CpuCount": 1}, "CpuCount has no effect"),
        ({"IOMaximumIOps": 1}, "IOMaximumIOps has no effect"),
        ({"KernelMemory": 2**26}, "KernelMemory has no effect"),
        ({"KernelMemoryTCP": 2**26}, "KernelMemoryTCP has no effect"),
        ({"SecurityOpt": ["label=user:x"]}, "label=user:x has no effect"),
        ({"IpcMode": "host"}, "unprivileged user of the host"),
    ],
    ids=str,
)
def test_what_has_no_effect_is_said(engine: EngineDaemon, fields: dict[str, Any], said: str) -> None:
    answer = create(engine, **fields)
    assert answer.status == 201, answer.body
    assert [said in warning for warning in answer.document["Warnings"]] == [True]


@pytest.mark.parametrize("field", ["OnBuild", "ArgsEscaped"])
def test_fields_of_images_are_said_to_have_no_effect(engine: EngineDaemon, field: str) -> None:
    answer = create(engine, config={field: ["RUN x"] if field == "OnBuild" else True})
    assert [field in warning for warning in answer.document["Warnings"]] == [True]


@pytest.fixture
def open_files() -> Iterator[int]:
    yield resource.getrlimit(resource.RLIMIT_NOFILE)[1]


@pytest.mark.skipif(is_permitted("CAP_SYS_RESOURCE"), reason="with CAP_SYS_RESOURCE hard limits can be raised")
def test_a_hard_limit_that_cannot_be_had_is_said(engine: EngineDaemon, open_files: int) -> None:
    answer = create(engine, Ulimits=[{"Name": "nofile", "Soft": open_files * 2, "Hard": open_files * 2}])
    assert [f"which is {open_files}" in warning for warning in answer.document["Warnings"]] == [True]
    engine.request("POST", f"/containers/{answer.document['Id']}/start")
    assert inside(engine, answer.document["Id"], "ulimit -Hn") == str(open_files)
    low = sleeper(engine, Ulimits=[{"Name": "nofile", "Soft": 60, "Hard": 80}, {"Name": "core", "Soft": 0, "Hard": 0}])
    assert inside(engine, low, "ulimit -Sn; ulimit -Hn; ulimit -c").split() == ["60", "80", "0"]


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("net.ipv4.ip_forward", "1"),
        ("net.ipv4.conf.eth0.rp_filter", "2"),
        ("net.core.somaxconn", "1000"),
        ("net.ipv4.ip_unprivileged_port_start", "500"),
        ("net.ipv4.ping_group_range", "5\t10"),
        ("kernel.shmmax", "65536"),
        ("kernel.msgmax", "4096"),
        ("kernel.sem", "100\t2000\t50\t100"),
        ("fs.mqueue.queues_max", "17"),
    ],
)
def test_a_kernel_parameter_of_its_own(engine: EngineDaemon, name: str, wanted: str) -> None:
    container_id = sleeper(engine, tenant=ADA, Sysctls={name: wanted})
    path = "/proc/sys/" + name.replace(".", "/")
    assert inside(engine, container_id, f"cat {path}", tenant=ADA) == wanted
    assert engine.inspect(container_id)["HostConfig"]["Sysctls"] == {name: wanted}


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("kernel.hostname", "x"),
        ("kernel.panic", "1"),
        ("vm.swappiness", "1"),
        ("kernel.core_pattern", "|/x"),
        ("net.core.rmem_max_of_nobody", "1"),
        ("net.core.bpf_jit_enable", "0"),
        ("net.netfilter.nf_log_all_netns", "1"),
        ("net.ipv4.ip_forward", "maybe"),
        ("fs.mqueue.nothing", "1"),
        ("kernel/panic", "1"),
        ("net..ipv4", "1"),
        ("net.ipv4.", "1"),
        ("fs.mqueue.queues_max", "1" * 5000),
    ],
)
def test_a_kernel_parameter_that_cannot_be_its_own_is_refused_at_create(engine: EngineDaemon, name: str, wanted: str) -> None:
    path = Path("/proc/sys", name.replace(".", "/"))
    before = path.read_text() if path.is_file() else ""
    answer = create(engine, Sysctls={name: wanted})
    assert (answer.status, "sysctl" in answer.message) == (400, True), answer.body
    assert (path.read_text() if path.is_file() else "") == before, "trying must not change the host"


def test_parameters_of_a_shared_ipc_namespace_are_refused(engine: EngineDaemon) -> None:
    assert create(engine, IpcMode="host", Sysctls={"kernel.shmmax": "1"}).status == 400


def test_every_user_may_ping_and_take_low_ports(engine: EngineDaemon) -> None:
    container_id = sleeper(engine, tenant=ADA)
    script = "cat /proc/sys/net/ipv4/ping_group_range /proc/sys/net/ipv4/ip_unprivileged_port_start"
    assert inside(engine, container_id, script, tenant=ADA).split() == ["0", "65535", "0"]
    script = "nc -l -p 80 & until netstat -tln | grep -q ':80 '; do kill -0 $! || exit; done; echo bound; kill $!"
    assert inside(engine, container_id, script, tenant=ADA, User="1000") == "bound"


def test_a_tmpfs_with_all_options(engine: EngineDaemon) -> None:
    container_id = sleeper(engine, Tmpfs={"/t": "rw,size=1m,mode=1750,uid=5,gid=6,nr_inodes=1k", "/run": ""})
    assert inside(engine, container_id, "stat -c '%a %u %g' /t; df -k /t | tail -1").split()[:5:4] == ["1750", "1024"]


def test_oom_score_and_init_and_groups(engine: EngineDaemon) -> None:
    container_id = sleeper(engine, OomScoreAdj=500, Init=True, GroupAdd=["staff", "77"], ReadonlyRootfs=True)
    pid = engine.inspect(container_id)["State"]["Pid"]
    assert Path(f"/proc/{pid}/oom_score_adj").read_text().strip() == "500"
    assert inside(engine, container_id, "id -G; touch /x 2>&1; cat /proc/1/comm").split("\n") == [
        *("0 50 77", "touch: /x: Read-only file system", "init")
    ]


def test_annotations_and_the_id_file_are_told_back(engine: EngineDaemon, tmp_path: Path) -> None:
    file = tmp_path / "id"
    done = engine.cli("create", "--cidfile", str(file), "--annotation", "a=b", "busybox")
    assert done.returncode == 0, done.stderr
    shown = engine.inspect(file.read_text())["HostConfig"]
    assert (shown["Annotations"], shown["ContainerIDFile"]) == ({"a": "b"}, str(file))


def test_whose_oom_score_cannot_be_lowered_is_told(engine: EngineDaemon) -> None:
    warnings = create(engine, OomScoreAdj=-500).document["Warnings"]
    assert bool(warnings) == (not is_permitted("CAP_SYS_RESOURCE")), os.getuid()
