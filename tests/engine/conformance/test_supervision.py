"""Health checks, restart policies and live updates: what the engine does to a container on its own, and changes while it runs."""

import pytest

from tests.engine.conformance.cases import Case, each
from tests.engine.conformance.players import Players

pytestmark = pytest.mark.requires_root

_LAB = "docker run -d --name lab busybox sleep 600 >/dev/null;"
_HEALTH = "docker inspect -f '{{.State.Health.Status}}' c1"
_COUNT = "docker inspect -f '{{.RestartCount}}' c1"

HEALTH = [
    Case(
        "healthy",
        f"docker run -d --name c1 --health-cmd true --health-interval 200ms busybox sleep 600 >/dev/null; {_HEALTH};"
        f" await '{_HEALTH} | grep -q ^healthy'; {_HEALTH}; docker ps --format '{{{{.Status}}}}' | grep -c '(healthy)'",
        "starting healthy 1",
    ),
    Case(
        "unhealthy",
        f"docker run -d --name c1 --health-cmd 'echo no; exit 1' --health-interval 200ms --health-retries 2 busybox sleep 600"
        f" >/dev/null; await '{_HEALTH} | grep -q unhealthy';"
        f" docker inspect -f '{{{{with index .State.Health.Log 0}}}}{{{{.ExitCode}}}} {{{{.Output}}}}{{{{end}}}}' c1;"
        f" docker ps -q --filter health=unhealthy",
        "1 no ID",
    ),
    Case(
        "failing streak",
        f"docker run -d --name c1 --health-cmd 'exit 1' --health-interval 200ms --health-retries 9 busybox sleep 600"
        f" >/dev/null; await 'docker inspect -f \"{{{{.State.Health.FailingStreak}}}}\" c1 | grep -q [2-9]'; {_HEALTH}",
        "starting",
    ),
    Case(
        "well again",
        f"docker run -d --name c1 --health-cmd 'test -e /ok' --health-interval 200ms --health-retries 1 busybox sleep 600"
        f" >/dev/null; await '{_HEALTH} | grep -q unhealthy'; docker exec c1 touch /ok; await '{_HEALTH} | grep -q ^healthy';"
        f" {_HEALTH}",
        "healthy",
    ),
    Case(
        "a time-out",
        f"docker run -d --name c1 --health-cmd 'sleep 9' --health-interval 100ms --health-timeout 300ms --health-retries 1"
        f" busybox sleep 600 >/dev/null; await '{_HEALTH} | grep -q unhealthy';"
        f" docker inspect -f '{{{{with index .State.Health.Log 0}}}}{{{{.ExitCode}}}} {{{{.Output}}}}{{{{end}}}}' c1 | grep"
        f" -c '^-1 Health check exceeded timeout'",
        "1",
    ),
    Case(
        "a start period forgives",
        f"docker run -d --name c1 --health-cmd 'exit 1' --health-interval 100ms --health-retries 1 --health-start-period 1m"
        f" busybox sleep 600 >/dev/null; sleep .7; {_HEALTH}",
        "starting",
    ),
    Case(
        "in inspect",
        "docker create --name c1 --health-cmd 'a b' --health-interval 5s --health-timeout 3s --health-retries 4"
        " --health-start-period 2s busybox >/dev/null; docker inspect -f '{{json .Config.Healthcheck}}' c1",
        '{"Test":["CMD-SHELL","a b"],"Interval":5000000000,"Timeout":3000000000,"StartPeriod":2000000000,"Retries":4}',
    ),
    Case(
        "--no-healthcheck",
        "docker create --name c1 busybox >/dev/null; docker commit -c 'HEALTHCHECK CMD true' c1 im1 >/dev/null;"
        " docker inspect -f '{{json .Config.Healthcheck.Test}}' im1;"
        " docker run -d --name c2 --no-healthcheck im1 sleep 600 >/dev/null; docker inspect -f '{{json .State.Health}}' c2",
        '["CMD-SHELL","true"] null',
    ),
    Case(
        "an image's check",
        f"docker create --name c0 busybox >/dev/null; docker commit -c 'HEALTHCHECK --interval=100ms CMD true' c0 im1"
        f" >/dev/null; docker run -d --name c1 im1 sleep 600 >/dev/null; await '{_HEALTH} | grep -q ^healthy'; {_HEALTH}",
        "healthy",
    ),
    Case(
        "events",
        f"S=$(date +%s.%N); docker run -d --name c1 --health-cmd true --health-interval 100ms busybox sleep 600 >/dev/null;"
        f" await '{_HEALTH} | grep -q ^healthy'; docker events --since $S --until $(date +%s.%N) --filter event=health_status"
        f" --format '{{{{.Action}}}}'",
        "health_status: healthy",
    ),
    Case("too short an interval", "docker create --health-cmd true --health-interval 1us busybox", "", "interval", 1),
    Case(
        "a stopped one has none to come",
        f"docker run -d --name c1 --health-cmd true --health-interval 100ms busybox sleep 600 >/dev/null;"
        f" await '{_HEALTH} | grep -q ^healthy'; docker stop -t 0 c1; {_HEALTH}",
        "c1 unhealthy",
        code=0,
    ),
]

RESTART = [
    Case(
        "always",
        f"docker run -d --name c1 --restart always busybox sh -c 'exit 0' >/dev/null; await '{_COUNT} | grep -q [2-9]';"
        f" echo again",
        "again",
    ),
    Case(
        "on-failure stops at its count",
        f"docker run -d --name c1 --restart on-failure:2 busybox sh -c 'exit 7' >/dev/null; await '[ $({_COUNT}) = 2 ]';"
        f" await 'docker inspect -f \"{{{{.State.Status}}}}\" c1 | grep -q exited'; {_COUNT};"
        f" docker inspect -f '{{{{.State.ExitCode}}}}' c1",
        "2 7",
    ),
    Case(
        "on-failure and success",
        f"docker run -d --name c1 --restart on-failure busybox true >/dev/null; docker wait c1; sleep .3; {_COUNT};"
        f" docker inspect -f '{{{{.State.Status}}}}' c1",
        "0 0 exited",
    ),
    Case(
        "restarting is a state",
        "docker run -d --name c1 --restart always busybox false >/dev/null;"
        " await '[ \"$(docker ps -aq --filter status=restarting)\" ]';"
        " docker ps -a --filter status=restarting --format '{{.Status}}' | grep -cE '^Restarting \\(1\\)'",
        "1",
    ),
    Case(
        "stopped by hand stays so",
        "docker run -d --name c1 --restart always busybox sleep 600 >/dev/null; docker stop -t 0 c1 >/dev/null; sleep .6;"
        " docker inspect -f '{{.State.Status}}' c1",
        "exited",
    ),
    Case(
        "killed by hand stays so",
        "docker run -d --name c1 --restart unless-stopped busybox sleep 600 >/dev/null; docker kill c1 >/dev/null; sleep .6;"
        " docker inspect -f '{{.State.Status}}' c1",
        "exited",
    ),
    Case(
        "stop while restarting",
        f"docker run -d --name c1 --restart always busybox false >/dev/null; await '{_COUNT} | grep -q [3-9]';"
        f" docker stop -t 0 c1; docker inspect -f '{{{{.State.Status}}}}' c1",
        "c1 exited",
    ),
    Case(
        "rm -f while restarting",
        f"docker run -d --name c1 --restart always busybox false >/dev/null; await '{_COUNT} | grep -q [2-9]';"
        f" docker rm -f c1; sleep .5; docker ps -aq",
        "c1",
    ),
    Case(
        "changed while it runs",
        f"{_LAB} docker update --restart on-failure:4 lab; docker inspect -f '{{{{json .HostConfig.RestartPolicy}}}}' lab",
        'lab {"Name":"on-failure","MaximumRetryCount":4}',
    ),
    Case(
        "turned off while it restarts",
        f"docker run -d --name c1 --restart always busybox sh -c 'sleep .3' >/dev/null; await '{_COUNT} | grep -q [1-9]';"
        f" docker update --restart no c1 >/dev/null; await 'docker inspect -f \"{{{{.State.Status}}}}\" c1 | grep -q exited';"
        f" echo over",
        "over",
    ),
]

_CGROUP = "cd /sys/fs/cgroup;"
UPDATE = [
    Case(
        "memory",
        f"{_LAB} docker update -m 64m --memory-swap 128m lab;"
        f" docker exec lab sh -c '{_CGROUP} cat memory.max memory/memory.limit_in_bytes 2>/dev/null';"
        f" docker inspect -f '{{{{.HostConfig.Memory}}}} {{{{.HostConfig.MemorySwap}}}}' lab",
        "lab 67108864 67108864 134217728",
    ),
    Case(
        "cpus",
        f"{_LAB} docker update --cpus 1.5 lab; docker exec lab sh -c '{_CGROUP} cat cpu.max cpu/cpu.cfs_quota_us"
        f" cpu/cpu.cfs_period_us 2>/dev/null'; docker inspect -f '{{{{.HostConfig.NanoCpus}}}}' lab",
        "lab 150000 100000 1500000000",
    ),
    Case("cpu shares", f"{_LAB} docker update -c 256 lab; docker inspect -f '{{{{.HostConfig.CpuShares}}}}' lab", "lab 256"),
    Case(
        "cpuset",
        f"{_LAB} docker update --cpuset-cpus 0 lab; docker exec lab grep Cpus_allowed_list /proc/self/status",
        "lab Cpus_allowed_list: 0",
    ),
    Case(
        "pids",
        f"{_LAB} docker update --pids-limit 40 lab; docker exec lab sh -c '{_CGROUP} cat pids.max pids/pids.max 2>/dev/null'",
        "lab 40",
        code=1,
    ),
    Case(
        "of what is stopped",
        "docker create --name c1 busybox sh -c 'cd /sys/fs/cgroup; cat pids.max pids/pids.max 2>/dev/null' >/dev/null;"
        " docker update --pids-limit 40 c1; docker start -a c1",
        "c1 40",
        code=1,
    ),
    Case(
        "several",
        f"{_LAB} docker create --name c1 busybox >/dev/null; docker update -c 300 lab c1;"
        f" docker inspect -f '{{{{.HostConfig.CpuShares}}}}' lab c1",
        "lab c1 300 300",
    ),
    Case(
        "survives a restart",
        f"{_LAB} docker update --pids-limit 40 lab; docker restart -t 0 lab;"
        f" docker exec lab sh -c '{_CGROUP} cat pids.max pids/pids.max 2>/dev/null'",
        "lab lab 40",
        code=1,
    ),
    Case(
        "memory above swap",
        "docker run -d --name lab -m 32m busybox sleep 600 >/dev/null; docker update -m 512m lab",
        "",
        "memory",
        1,
    ),
    Case("memory that is too little", f"{_LAB} docker update -m 1m lab", "", "memory", 1),
    Case("nothing", f"{_LAB} docker update lab", "", "you must provide one or more flags", 1),
    Case("missing", "docker update -c 300 none", "", "no such container: none", 1),
    Case("a bad policy", f"{_LAB} docker update --restart bogus lab", "", "invalid restart policy", 1),
    Case(
        "a policy with --rm",
        "docker run -d --rm --name lab busybox sleep 600 >/dev/null; docker update --restart always lab",
        "",
        "AutoRemove",
        1,
    ),
]


@each(HEALTH)
def test_health(players: Players, case: Case) -> None:
    players.check(case)


@each(RESTART)
def test_restart_policies(players: Players, case: Case) -> None:
    players.check(case)


@each(UPDATE)
def test_update(players: Players, case: Case) -> None:
    players.check(case)
