"""Flags of ``docker run`` and ``docker create`` about limits, ends, restarts and logs."""

import pytest

from tests.engine.conformance.cases import Case, each
from tests.engine.conformance.players import Players

pytestmark = pytest.mark.requires_root

_RUN = "docker run --rm"
_CGROUP = "cd /sys/fs/cgroup;"
_HOST_CONFIG = "docker create {flags} --name c1 busybox true >/dev/null; docker inspect -f '{{{{json .HostConfig.{field}}}}}' c1"
_DISK = "for D in /dev/vda /dev/sda /dev/nvme0n1 /dev/loop0; do [ -b $D ] && break; done"  # a whole disk
_V1_OR_V2 = "a host with cgroup v1 has one file, one with v2 the other"


def _host_config(flags: str, field: str) -> str:
    return _HOST_CONFIG.format(flags=flags, field=field)


def _config(flags: str, field: str) -> str:
    return f"docker create {flags} --name c1 busybox true >/dev/null; docker inspect -f '{{{{json .Config.{field}}}}}' c1"


LIMITS = [
    Case(
        "--memory",
        f"{_RUN} -m 64m busybox sh -c '{_CGROUP} cat memory.max memory/memory.limit_in_bytes 2>/dev/null'",
        "67108864",
        code=1,
    ),
    Case("--memory too small", f"{_RUN} -m 1m busybox true", complaint="memory", code=125),
    Case(
        "--memory-swap",
        f"{_RUN} -m 64m --memory-swap 96m busybox sh -c '{_CGROUP} cat memory.swap.max memory/memory.memsw.limit_in_bytes"
        f" 2>/dev/null'",
        ("100663296", "33554432"),
        code=1,
        why="v1 counts both together, v2 the swap alone",
    ),
    Case("--memory-swap in inspect", _host_config("-m 64m", "MemorySwap"), "134217728"),
    Case("--memory-swap unlimited", _host_config("-m 64m --memory-swap -1", "MemorySwap"), "-1"),
    Case("--memory-swap without memory", f"{_RUN} --memory-swap 64m busybox true", complaint="", code=125),
    Case(
        "--memory-reservation",
        f"{_RUN} --memory-reservation 32m busybox sh -c '{_CGROUP} cat memory.low memory/memory.soft_limit_in_bytes 2>/dev/null'",
        "33554432",
        code=1,
    ),
    Case("--memory-swappiness", _host_config("--memory-swappiness 10", "MemorySwappiness"), "10"),
    Case(
        "--memory-swappiness out of range",
        "docker create --memory-swappiness 200 busybox",
        complaint="swappiness range is 0-100",
        code=125,
    ),
    Case("--oom-kill-disable", _host_config("-m 64m --oom-kill-disable", "OomKillDisable"), "true"),
    Case("--oom-score-adj", f"{_RUN} --oom-score-adj 300 busybox cat /proc/self/oom_score_adj", "300"),
    Case("--oom-score-adj out of range", "docker create --oom-score-adj 2000 busybox", complaint="2000", code=1),
    Case(
        "--cpus",
        f"{_RUN} --cpus .5 busybox sh -c '{_CGROUP} cat cpu.max cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us 2>/dev/null'",
        "50000 100000",
        code=1,
    ),
    Case("--cpus more than there are", f"{_RUN} --cpus 999 busybox true", complaint="cpus", code=125),
    Case(
        "--cpu-quota and --cpu-period",
        f"{_RUN} --cpu-quota 20000 --cpu-period 50000 busybox sh -c '{_CGROUP} cat cpu.max cpu/cpu.cfs_quota_us"
        f" cpu/cpu.cfs_period_us 2>/dev/null'",
        "20000 50000",
        code=1,
    ),
    Case("--cpus with --cpu-quota", f"{_RUN} --cpus 1 --cpu-quota 20000 busybox true", complaint="cpu", code=125),
    Case(
        "--cpu-shares",
        f"{_RUN} --cpu-shares 512 busybox sh -c '{_CGROUP} cat cpu.weight cpu/cpu.shares 2>/dev/null'",
        ("512", "20"),
        code=1,
        why=_V1_OR_V2,
    ),
    Case(
        "--cpuset-cpus",
        f"{_RUN} --cpuset-cpus 0 busybox sh -c 'grep Cpus_allowed_list /proc/self/status; nproc'",
        "Cpus_allowed_list: 0 1",
    ),
    Case("--cpuset-mems", f"{_RUN} --cpuset-mems 0 busybox grep Mems_allowed_list /proc/self/status", "Mems_allowed_list: 0"),
    Case("--cpuset-mems out of range", f"{_RUN} --cpuset-mems 99 busybox true", complaint="99", code=125),
    Case(
        "--pids-limit", f"{_RUN} --pids-limit 50 busybox sh -c '{_CGROUP} cat pids.max pids/pids.max 2>/dev/null'", "50", code=1
    ),
    Case("--pids-limit unlimited", _host_config("--pids-limit -1", "PidsLimit"), ("-1", "0", "null"), why="each means no limit"),
    Case(
        "--ulimit", f"{_RUN} --ulimit nofile=64:128 --ulimit core=0 busybox sh -c 'ulimit -n; ulimit -Hn; ulimit -c'", "64 128 0"
    ),
    Case("--ulimit in inspect", _host_config("--ulimit nofile=64:128", "Ulimits"), '[{"Name":"nofile","Hard":128,"Soft":64}]'),
    Case("--ulimit unknown", "docker create --ulimit bogus=1 busybox", complaint="invalid ulimit type", code=125),
    Case(
        "--ulimit soft above hard",
        "docker create --ulimit nofile=9:8 busybox",
        complaint="ulimit soft limit must be less",
        code=125,
    ),
    Case(
        "--blkio-weight in inspect",
        _host_config("--blkio-weight 300", "BlkioWeight"),
        ("300", "0"),
        why="0 with a warning where the kernel has no weights",
    ),
    Case(
        "--blkio-weight out of range",
        "docker create --blkio-weight 5 busybox",
        code=(0, 1),
        says=("", "ID"),
        why="dropped with a warning where the kernel has no weights",
    ),
    Case(
        "--device-read-bps of what is not there",
        f"{_RUN} --device-read-bps /dev/nosuch:1mb busybox true",
        complaint="/dev/nosuch",
        code=(125, 127),
        why="as of --device",
    ),
    Case(
        "rates of a device in inspect",
        f"{_DISK}; docker create --name c1 --device-read-bps $D:1mb --device-write-bps $D:2mb --device-read-iops $D:30"
        " --device-write-iops $D:40 busybox true >/dev/null && docker inspect -f '{{with .HostConfig}}"
        "{{range .BlkioDeviceReadBps}}{{.Rate}}{{end}} {{range .BlkioDeviceWriteBps}}{{.Rate}}{{end}}"
        " {{range .BlkioDeviceReadIOps}}{{.Rate}}{{end}} {{range .BlkioDeviceWriteIOps}}{{.Rate}}{{end}}{{end}}' c1",
        "1048576 2097152 30 40",
    ),
    Case("rates of a device that runs", f"{_DISK}; {_RUN} --device-write-bps $D:2mb busybox echo done", "done"),
    Case(
        "--device-write-bps without a rate",
        "docker create --device-write-bps /dev/null busybox",
        complaint="bad format",
        code=125,
    ),
    Case(
        "--sysctl",
        f"{_RUN} --sysctl net.ipv4.ip_local_port_range='2000 3000' busybox cat /proc/sys/net/ipv4/ip_local_port_range",
        "2000 3000",
    ),
    Case("--sysctl of ipc", f"{_RUN} --sysctl kernel.msgmax=9000 busybox cat /proc/sys/kernel/msgmax", "9000"),
    Case(
        "--sysctl that is the host's",
        f"{_RUN} --sysctl kernel.pid_max=9000 busybox true",
        complaint="kernel.pid_max",
        code=(125, 126, 127),
        why="runc refuses it when it starts",
    ),
]

LIFE = [
    Case(
        "--stop-signal",
        'docker run -d --name c1 --stop-signal USR1 busybox sh -c \'trap "exit 5" USR1; echo up; while :; do sleep .05;'
        " done' >/dev/null;"
        " await 'docker logs c1 | grep -q up'; docker stop -t 9 c1; docker wait c1",
        "c1 5",
    ),
    Case("--stop-signal unknown", "docker create --stop-signal BOGUS busybox", complaint="BOGUS", code=1),
    Case(
        "--stop-timeout",
        "docker run -d --name c1 --stop-timeout 0 busybox sleep 600 >/dev/null; docker stop c1; docker wait c1",
        "c1 137",
    ),
    Case("--stop-timeout in inspect", _config("--stop-timeout 7", "StopTimeout"), "7"),
    Case(
        "--restart in inspect",
        _host_config("--restart on-failure:3", "RestartPolicy"),
        '{"Name":"on-failure","MaximumRetryCount":3}',
    ),
    Case(
        "--restart not given",
        _host_config("", "RestartPolicy"),
        ('{"Name":"no","MaximumRetryCount":0}', '{"Name":"","MaximumRetryCount":0}'),
        why="the CLI names it",
    ),
    Case("--restart unknown", "docker create --restart bogus busybox", complaint="invalid restart policy", code=1),
    Case(
        "--restart with a bad count",
        "docker create --restart on-failure:x busybox",
        complaint="maximum retry count must be an integer",
        code=125,
    ),
    Case("--restart always with a count", "docker create --restart always:3 busybox", complaint="retry", code=1),
    Case(
        "--log-driver none",
        "docker run --log-driver none --name c1 busybox echo hi; docker logs c1",
        "hi",
        "configured logging driver does not support reading",
        1,
    ),
    Case("--log-driver unknown", "docker run --log-driver bogus busybox true", complaint="bogus", code=125),
    Case(
        "--log-opt in inspect",
        _host_config("--log-driver json-file --log-opt max-size=1m --log-opt max-file=2", "LogConfig"),
        '{"Type":"json-file","Config":{"max-file":"2","max-size":"1m"}}',
    ),
    Case("--log-opt unknown", "docker create --log-opt bogus=1 busybox", complaint="unknown log opt 'bogus'", code=1),
    Case("--log-opt with a bad size", "docker run --log-opt max-size=x busybox true", complaint="", code=125),
]


@each([*LIMITS, *LIFE])
def test_a_flag_has_its_effect(players: Players, case: Case) -> None:
    players.check(case)
