"""top, stats, diff and port: what can be seen of what happens in containers."""

import pytest

from tests.engine.conformance.cases import Case, each
from tests.engine.conformance.players import Players

pytestmark = pytest.mark.requires_root

_LAB = "docker run -d --name lab -l k=v busybox sleep 600 >/dev/null;"
_DONE = "docker run --name done -l k=w busybox sh -c 'exit 3';"
_FRESH = "docker create --name fresh busybox true >/dev/null;"
_THREE = f"{_LAB} {_DONE} {_FRESH}"

# In one container, which they leave as it was.
TOP_OF_ONE = [
    Case("top", "docker top lab | head -n 1", "UID PID PPID C STIME TTY TIME CMD"),
    Case("top shows the program", "docker top lab | grep -c 'sleep 600'", "1"),
    Case("top with options", "docker top lab -o pid,args | head -n 1", "PID COMMAND"),
    Case("top aux", "docker top lab aux | head -n 1", "USER PID %CPU %MEM VSZ RSS TTY STAT START TIME COMMAND"),
    Case(
        "top has the host's pids",
        "A=$(docker inspect -f '{{.State.Pid}}' lab); docker top lab -o pid | grep -cw $A",
        "1",
    ),
    Case("top without pid", "docker top lab -o args", "", "", 1),
    Case("top with a bad option", "docker top lab -o bogus", "", "", 1),
]

TOP = [
    Case("top shows every process", f"{_LAB} docker exec -d lab sleep 611; docker top lab -o pid,args | grep -c 'sleep 6'", "2"),
    Case("top of what is stopped", f"{_DONE} docker top done", "", "is not running", 1),
    Case("top missing", "docker top none", "", "no such container: none", 1),
]

# In one container, which they leave as it was.
STATS_OF_ONE = [
    Case("stats once", "docker stats --no-stream --format '{{.Name}} {{.PIDs}}' lab", "lab 1"),
    Case("stats of the network", "docker stats --no-stream --format '{{.NetIO}}' lab | grep -c '/'", "1"),
]

STATS = [
    Case("stats of all that run", f"{_THREE} docker stats --no-stream --format '{{{{.Name}}}}'", "lab"),
    Case(
        "stats of the memory limit",
        "docker run -d --name lab -m 64m busybox sleep 600 >/dev/null;"
        " docker stats --no-stream --format '{{.MemUsage}}' lab | grep -o '64MiB'",
        "SIZE",
    ),
    Case("stats of a stopped one", f"{_DONE} docker stats --no-stream --format '{{{{.Name}}}} {{{{.PIDs}}}}' done", "done 0"),
    Case("stats -a", f"{_THREE} docker stats -a --no-stream --format '{{{{.Name}}}}' | sort", "done fresh lab"),
    Case("stats missing", "docker stats --no-stream none", "", "no such container: none", 1),
    Case(
        "stats of a busy one",
        "docker run -d --name lab busybox sh -c 'while :; do :; done' >/dev/null; sleep .5;"
        " docker stats --no-stream --format '{{.CPUPerc}}' lab | grep -cE '^0.00'",
        "0",
        code=1,
    ),
]

DIFF = [
    Case(
        "diff",
        "docker run --name c1 busybox sh -c 'touch /a /tmp/b; rm /etc/group; echo x >>/etc/passwd; mkdir /d; touch /d/e';"
        " docker diff c1 | sort",
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


@each([*TOP_OF_ONE, *STATS_OF_ONE], beside=_LAB)
def test_an_observer_of_one_container_sees(players: Players, case: Case) -> None:
    players.check(case)


@each([*TOP, *STATS, *DIFF, *PORT])
def test_an_observer_sees(players: Players, case: Case) -> None:
    players.check(case)
