"""top, stats, diff, port, inspect, ps with its filters, events, info: what can be seen of containers."""

import pytest

from tests.engine.conformance.cases import Case, Desk, each

pytestmark = pytest.mark.requires_root

_LAB = "docker run -d --name lab -l k=v busybox sleep 600 >/dev/null;"
_DONE = "docker run --name done -l k=w busybox sh -c 'exit 3';"
_FRESH = "docker create --name fresh busybox true >/dev/null;"
_THREE = f"{_LAB} {_DONE} {_FRESH}"
_NAMES = "--format '{{.Names}}'"
_LIFE = "docker run --name e1 -l k=v busybox sh -c 'exit 2'; docker rm e1 >/dev/null;"
_ACTIONS = "--format '{{.Type}} {{.Action}}'"

TOP = [
    Case("top", f"{_LAB} docker top lab | head -n 1", "UID PID PPID C STIME TTY TIME CMD"),
    Case("top shows the program", f"{_LAB} docker top lab | grep -c 'sleep 600'", "1"),
    Case("top with options", f"{_LAB} docker top lab -o pid,args | head -n 1", "PID COMMAND"),
    Case("top aux", f"{_LAB} docker top lab aux | head -n 1", "USER PID %CPU %MEM VSZ RSS TTY STAT START TIME COMMAND"),
    Case("top shows every process", f"{_LAB} docker exec -d lab sleep 611; docker top lab -o pid,args | grep -c 'sleep 6'", "2"),
    Case(
        "top has the host's pids",
        f"{_LAB} A=$(docker inspect -f '{{{{.State.Pid}}}}' lab); docker top lab -o pid | grep -cw $A",
        "1",
    ),
    Case("top without pid", f"{_LAB} docker top lab -o args", "", "", 1),
    Case("top with a bad option", f"{_LAB} docker top lab -o bogus", "", "", 1),
    Case("top of what is stopped", f"{_DONE} docker top done", "", "is not running", 1),
    Case("top missing", "docker top none", "", "no such container: none", 1),
]

STATS = [
    Case("stats once", f"{_LAB} docker stats --no-stream --format '{{{{.Name}}}} {{{{.PIDs}}}}' lab", "lab 1"),
    Case("stats of all that run", f"{_THREE} docker stats --no-stream --format '{{{{.Name}}}}'", "lab"),
    Case(
        "stats of the memory limit",
        "docker run -d --name lab -m 64m busybox sleep 600 >/dev/null; docker stats --no-stream --format '{{.MemUsage}}' lab | grep -o '64MiB'",
        "SIZE",
    ),
    Case("stats of a stopped one", f"{_DONE} docker stats --no-stream --format '{{{{.Name}}}} {{{{.PIDs}}}}' done", "done 0"),
    Case("stats -a", f"{_THREE} docker stats -a --no-stream --format '{{{{.Name}}}}' | sort", "done fresh lab"),
    Case("stats missing", "docker stats --no-stream none", "", "no such container: none", 1),
    Case(
        "stats of a busy one",
        "docker run -d --name lab busybox sh -c 'while :; do :; done' >/dev/null; sleep .5; docker stats --no-stream --format '{{.CPUPerc}}' lab | grep -cE '^0.00'",
        "0",
        code=1,
    ),
    Case("stats of the network", f"{_LAB} docker stats --no-stream --format '{{{{.NetIO}}}}' lab | grep -c '/'", "1"),
]

DIFF = [
    Case(
        "diff",
        "docker run --name c1 busybox sh -c 'touch /a /tmp/b; rm /etc/group; echo x >>/etc/passwd; mkdir /d; touch /d/e'; docker diff c1 | sort",
        "A /a A /d A /d/e A /tmp/b C /etc C /etc/passwd C /tmp D /etc/group",
    ),
    Case("diff of nothing", f"{_FRESH} docker diff fresh"),
    Case("diff while it runs", f"{_LAB} docker exec lab touch /new; docker diff lab", "A /new"),
    Case(
        "diff of a replaced folder",
        "docker run --name c1 busybox sh -c 'rm -r /home; mkdir /home; touch /home/n'; docker diff c1 | sort",
        ("A /home/n C /home D /home/ada", "A /home/n C /home"),
        why="the replaced folder's content may be told or not",
    ),
    Case("diff of a chmod", "docker run --name c1 busybox chmod 600 /etc/passwd; docker diff c1", "C /etc C /etc/passwd"),
    Case(
        "diff without what is mounted",
        "docker run --name c1 -v /data --tmpfs /t busybox touch /data/a /t/b; docker diff c1 | sort",
        "A /data A /t",
    ),
    Case("diff missing", "docker diff none", "", "no such container: none", 1),
]

PORT = [
    Case("port of nothing", f"{_LAB} docker port lab"),
    Case("port of what is not published", f"{_LAB} docker port lab 80", "", "no public port '80'", 1),
    Case("port missing", "docker port none", "", "no such container: none", 1),
]

INSPECT = [
    Case("inspect two", f"{_THREE} docker inspect -f '{{{{.Name}}}}' lab done", "/lab /done"),
    Case("inspect one missing", f"{_LAB} docker inspect -f '{{{{.Name}}}}' none lab | grep /", "/lab", "no such object: none"),
    Case("container inspect missing", "docker container inspect none", "[]", "no such container: none", 1),
    Case("inspect --type", "docker inspect --type container busybox", "[]", "no such container: busybox", 1),
    Case(
        "inspect --size",
        f"{_LAB} docker exec lab sh -c 'head -c 1000 /dev/zero >/z'; docker inspect -s -f '{{{{.SizeRw}}}}' lab",
        "1000",
    ),
    Case("inspect without size", f"{_LAB} docker inspect lab | grep -c SizeRw", "0", code=1),
    Case("inspect -f with an unknown field", f"{_LAB} docker inspect -f '{{{{.Bogus}}}}' lab", "", "bogus", 1),
    Case(
        "times",
        f"{_LAB} docker inspect -f '{{{{.Created}}}} {{{{.State.StartedAt}}}} {{{{.State.FinishedAt}}}}' lab",
        "TIME TIME TIME",
    ),
    Case(
        "times that are not yet",
        f"{_FRESH} docker inspect -f '{{{{.State.StartedAt}}}} {{{{.State.FinishedAt}}}}' fresh | grep -o 0001-01-01T00:00:00Z | wc -l",
        "2",
    ),
    Case(
        "what runs",
        f"{_LAB} docker inspect -f '{{{{.Path}}}} {{{{.Args}}}} {{{{.Config.Image}}}} {{{{.Driver}}}} {{{{.Platform}}}}' lab",
        "sleep [600] busybox overlay2 linux",
    ),
    Case(
        "the image",
        f"{_LAB} test $(docker inspect -f '{{{{.Image}}}}' lab) = $(docker inspect -f '{{{{.Id}}}}' busybox) && echo same",
        "same",
    ),
    Case("the pid", f"{_LAB} P=$(docker inspect -f '{{{{.State.Pid}}}}' lab); tr '\\0' ' ' </proc/$P/cmdline", "sleep 600"),
    Case("execs", f"{_LAB} docker exec -d lab sleep 600; docker inspect -f '{{{{len .ExecIDs}}}}' lab", "1"),
    Case(
        "the address",
        f"{_LAB} A=$(docker inspect -f '{{{{.NetworkSettings.Networks.bridge.IPAddress}}}}' lab); docker exec lab ip addr show eth0 | grep -c \"inet $A/\"",
        "1",
    ),
    *(
        Case(f"the default {field}", f"{_FRESH} docker inspect -f '{{{{json .HostConfig.{field}}}}}' fresh", value)
        for field, value in (
            ("AutoRemove", "false"),
            ("Binds", "null"),
            ("CapAdd", "null"),
            ("Memory", "0"),
            ("NanoCpus", "0"),
            ("Privileged", "false"),
            ("PublishAllPorts", "false"),
            ("ReadonlyRootfs", "false"),
            ("ShmSize", "67108864"),
            ("IpcMode", '"private"'),
            ("PidMode", '""'),
            ("UTSMode", '""'),
            ("VolumesFrom", "null"),
            ("OomScoreAdj", "0"),
            ("CpuShares", "0"),
            ("SecurityOpt", "null"),
        )
    ),
    *(
        Case(f"the default Config.{field}", f"{_FRESH} docker inspect -f '{{{{json .Config.{field}}}}}' fresh", value)
        for field, value in (
            ("AttachStdin", "false"),
            ("Tty", "false"),
            ("OpenStdin", "false"),
            ("StdinOnce", "false"),
            ("Entrypoint", "null"),
            ("User", '""'),
            ("WorkingDir", '""'),
            ("Labels", "{}"),
            ("Volumes", "null"),
            ("Domainname", '""'),
        )
    ),
]

PS = [
    Case("ps", f"{_THREE} docker ps {_NAMES}", "lab"),
    Case("ps -a", f"{_THREE} docker ps -a {_NAMES}", "fresh done lab"),
    Case("ps -q --no-trunc", f"{_LAB} docker ps -q --no-trunc", "ID"),
    Case(
        "ps -s",
        f"{_LAB} docker exec lab sh -c 'head -c 1000 /dev/zero >/z'; docker ps -s --format '{{{{.Size}}}}' | cut -d' ' -f1",
        "SIZE",
    ),
    Case("ps -n", f"{_THREE} docker ps -n 2 {_NAMES}", "fresh done"),
    Case("ps --format json", f'{_LAB} docker container ls --format json | grep -c \'"Names":"lab"\'', "1"),
    Case(
        "ps status words",
        f"{_THREE} docker ps -a --format '{{{{.Status}}}}' | sed 's/[0-9].*second.*/N/; s/Less than.*/N/'",
        "Created Exited (N Up N",
    ),
    *(
        Case(f"ps --filter {criterion}", f"{_THREE} docker ps -a --filter {criterion} {_NAMES}", said)
        for criterion, said in (
            ("status=running", "lab"),
            ("status=created", "fresh"),
            ("status=paused", ""),
            ("exited=3", "done"),
            ("exited=0", ""),
            ("name=^/?lab$", "lab"),
            ("name=a", "lab"),
            ("label=k", "done lab"),
            ("label=k=v", "lab"),
            ("label=none", ""),
            ("before=fresh", "done lab"),
            ("since=lab", "fresh done"),
            ("ancestor=busybox:latest", "fresh done lab"),
            ("ancestor=none", ""),
            ("network=bridge", "fresh done lab"),
            ("network=none", ""),
            ("health=none", "fresh done lab"),
            ("health=healthy", ""),
            ("is-task=false", "fresh done lab"),
            ("is-task=true", ""),
            ("expose=80", ""),
            ("publish=80", ""),
            ("volume=none", ""),
        )
    ),
    Case("ps --filter id=", f"{_THREE} docker ps -a --filter id=$(docker inspect -f '{{{{.Id}}}}' done) {_NAMES}", "done"),
    Case("ps with two filters", f"{_THREE} docker ps -a --filter label=k --filter status=exited {_NAMES}", "done"),
    Case("ps with a filter twice", f"{_THREE} docker ps -a --filter name=lab --filter name=done {_NAMES}", "done lab"),
    Case("ps --filter paused", f"{_LAB} docker pause lab >/dev/null; docker ps --filter status=paused {_NAMES}", "lab"),
    Case(
        "ps --filter volume",
        f"docker create --name c1 -v data:/d busybox >/dev/null; docker ps -a --filter volume=data {_NAMES}; docker ps -a --filter volume=/d {_NAMES}",
        "c1 c1",
    ),
    Case(
        "ps --filter expose",
        f"docker run -d --name c1 --expose 80 busybox sleep 600 >/dev/null; docker ps -a --filter expose=80/tcp {_NAMES}; docker ps -a --filter expose=70-90 {_NAMES}",
        "c1 c1",
    ),
    Case("ps --filter before missing", "docker ps -a --filter before=none", "", "no such container", 1),
    Case("ps --filter unknown", "docker ps -a --filter bogus=1", "", "invalid filter 'bogus", 1),
    Case("ps --filter status unknown", "docker ps -a --filter status=bogus", "", "bogus", 1),
]

EVENTS = [
    Case(
        "events until",
        f"S=$(date +%s.%N); {_LIFE} docker events --since $S --until $(date +%s.%N) --filter type=container --filter container=e1 {_ACTIONS}",
        "container create container attach container start container die container destroy",
    ),
    Case("events ended by their time", "docker events --since 2s --until 1s --filter container=none"),
    Case(
        "events by label",
        f"S=$(date +%s.%N); {_LIFE} {_FRESH} docker events --since $S --until $(date +%s.%N) --filter label=k=v --filter event=create {_ACTIONS}",
        "container create",
    ),
    Case(
        "events by image",
        f"S=$(date +%s.%N); {_LIFE} docker events --since $S --until $(date +%s.%N) --filter image=busybox --filter event=die {_ACTIONS}",
        "container die",
    ),
    Case(
        "events carry the exit code",
        f"S=$(date +%s.%N); {_LIFE} docker events --since $S --until $(date +%s.%N) --filter event=die --format '{{{{.Actor.Attributes.exitCode}}}}{{{{.Actor.Attributes.k}}}}'",
        "2v",
    ),
    Case(
        "events as json",
        f'S=$(date +%s.%N); {_LIFE} docker events --since $S --until $(date +%s.%N) --filter event=start --format json | grep -c \'"Action":"start"\'',
        "1",
    ),
    Case(
        "events followed",
        f"docker events --since $(date +%s.%N) --filter event=create --until $(date -d '+2 sec' +%s) {_ACTIONS} >ev & sleep .5; {_FRESH} wait; cat ev",
        "container create",
    ),
    Case(
        "events of a stop",
        f"S=$(date +%s.%N); {_LAB} docker stop -t 0 lab >/dev/null; docker events --since $S --until $(date +%s.%N) --filter container=lab {_ACTIONS}",
        "container create container start container kill container kill container die container stop",
        why="",
    ),
    Case(
        "events of a kill carry the signal",
        f"S=$(date +%s.%N); {_LAB} docker kill -s USR1 lab >/dev/null; docker events --since $S --until $(date +%s.%N) --filter event=kill --format '{{{{.Actor.Attributes.signal}}}}'",
        "10",
    ),
    Case(
        "events of a pause",
        f"S=$(date +%s.%N); {_LAB} docker pause lab >/dev/null; docker unpause lab >/dev/null; docker events --since $S --until $(date +%s.%N) --filter event=pause --filter event=unpause {_ACTIONS}",
        "container pause container unpause",
    ),
    Case(
        "events of a restart",
        f"S=$(date +%s.%N); {_LAB} docker restart -t 0 lab >/dev/null; docker events --since $S --until $(date +%s.%N) --filter event=restart --filter event=die --filter event=start {_ACTIONS}",
        "container start container die container start container restart",
    ),
    Case(
        "events of an exec",
        f"S=$(date +%s.%N); {_LAB} docker exec lab true; sleep .2; docker events --since $S --until $(date +%s.%N) --filter container=lab {_ACTIONS}",
        "container create container start container exec_create: true container exec_start: true container exec_die",
    ),
    Case(
        "events of the rest",
        f"S=$(date +%s.%N); {_LAB} docker rename lab l2; docker top l2 >/dev/null; docker update -m 64m --memory-swap 128m l2 >/dev/null; docker export l2 >/dev/null; docker cp l2:/etc/passwd - >/dev/null; docker commit l2 im1 >/dev/null;"
        f" docker events --since $S --until $(date +%s.%N) --filter type=container {_ACTIONS}",
        "container create container start container rename container top container update container export container archive-path container pause"
        " container commit container unpause",
    ),
    Case(
        "events of volumes",
        "S=$(date +%s.%N); docker volume create v1 >/dev/null; docker run --rm -v v1:/d busybox true; docker volume rm v1 >/dev/null; docker events --since $S --until $(date +%s.%N) --filter type=volume "
        + _ACTIONS,
        "volume create volume mount volume unmount volume destroy",
    ),
    Case(
        "events of an out of memory",
        "S=$(date +%s.%N); docker run --name c1 -m 16m --memory-swap 16m busybox sh -c 'head -c 64m /dev/zero | tail >/dev/null';"
        f" docker events --since $S --until $(date +%s.%N) --filter event=oom {_ACTIONS} | sort -u",
        "container oom",
        code=0,
    ),
    Case("events with a bad time", "docker events --since bogus", "", "", 1),
]

CASES = [*TOP, *STATS, *DIFF, *PORT, *INSPECT, *PS, *EVENTS]


@each(CASES)
def test_an_observer_sees(desk: Desk, case: Case) -> None:
    desk.check(case)
