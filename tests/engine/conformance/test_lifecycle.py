"""start, stop, kill, restart, pause, unpause, rename, rm, prune, wait: main forms, wrong states, missing containers."""

import pytest

from tests.engine.conformance.cases import Case, each
from tests.engine.conformance.players import Players

pytestmark = pytest.mark.requires_root

_LAB = "docker run -d --name lab busybox sleep 600 >/dev/null;"
_DONE = "docker run --name done busybox sh -c 'echo out; exit 3';"
_FRESH = "docker create --name fresh busybox sleep 600 >/dev/null;"
_TRAPS = (
    'docker run -d --name lab busybox sh -c \'for s in TERM HUP USR1 INT QUIT; do trap "echo $s; exit 5" $s; done; echo up;'
    " while :; do sleep .02; done' >/dev/null; await 'docker logs lab | grep -q up';"
)
_STATE = "docker inspect -f '{{.State.Status}}'"

START = [
    Case("start", f"{_FRESH} docker start fresh; {_STATE} fresh", "fresh running"),
    Case("start of what runs", f"{_LAB} docker start lab", "lab"),
    Case("start again", f"{_DONE} docker start done; docker wait done; docker logs done", "out done 3 out out"),
    Case("start several", f"{_FRESH} {_DONE} docker start fresh done", "out fresh done"),
    Case(
        "start several with one missing",
        f"{_FRESH} docker start none fresh; {_STATE} fresh",
        "fresh running",
        "no such container: none",
    ),
    Case("start missing", "docker start none", "", "no such container: none", 1),
    Case("start -a", f"{_DONE} docker start -a done", "out out", code=3),
    Case("start -ai", "docker create -i --name c1 busybox cat >/dev/null; echo hi | docker start -ai c1", "hi"),
    Case("start -a of several", f"{_FRESH} docker start -a fresh fresh", complaint="cannot start and attach multiple", code=1),
    Case(
        "start by a part of the id", f"{_FRESH} docker start $(docker ps -aq | cut -c1-5) >/dev/null; {_STATE} fresh", "running"
    ),
    Case(
        "start of a program that is not there",
        "docker create --name c1 busybox nosuch >/dev/null; docker start c1",
        "",
        "executable file not found",
        1,
    ),
    Case(
        "after a start that failed",
        "docker create --name c1 busybox nosuch >/dev/null; docker start c1 2>/dev/null;"
        " docker inspect -f '{{.State.Status}} {{.State.ExitCode}} {{.State.Running}}' c1",
        "created 127 false",
    ),
    Case(
        "the error of a start is in inspect",
        "docker create --name c1 busybox nosuch >/dev/null; docker start c1 2>/dev/null;"
        " docker inspect -f '{{.State.Error}}' c1 | grep -c 'executable file not found'",
        "1",
    ),
]

STOP = [
    Case("stop", f"{_TRAPS} docker stop lab; docker wait lab; docker logs lab", "lab 5 up TERM"),
    Case("stop -t", f"{_LAB} docker stop -t 0 lab; docker wait lab", "lab 137"),
    Case("stop -t of a deaf one", f"{_LAB} docker stop -t 1 lab; docker wait lab", "lab 137"),
    Case(
        "stop -s",
        f"{_TRAPS} docker stop -s HUP lab 2>/dev/null; docker logs lab",
        ("lab up TERM", "lab up HUP"),
        why="API 1.42 has the signal",
    ),
    Case("stop of what is stopped", f"{_DONE} docker stop done", "out done"),
    Case("stop of what never ran", f"{_FRESH} docker stop fresh; {_STATE} fresh", "fresh created"),
    Case("stop several", f"{_LAB} {_DONE} docker stop -t 0 lab done", "out lab done"),
    Case("stop missing", f"{_LAB} docker stop -t 0 none lab", "lab", "no such container: none", 1),
    Case("stop with a bad time", f"{_LAB} docker stop -t x lab", "", "invalid argument", 125),
    Case("stop of what is paused", f"{_LAB} docker pause lab; docker stop -t 0 lab; {_STATE} lab", "lab lab exited"),
    Case("a stopped one can start", f"{_LAB} docker stop -t 0 lab; docker start lab; {_STATE} lab", "lab lab running"),
]

KILL = [
    Case("kill", f"{_LAB} docker kill lab; docker wait lab", "lab 137"),
    *(
        Case(f"kill -s {signal}", f"{_TRAPS} docker kill -s {signal} lab; docker wait lab; docker logs lab", f"lab 5 up {name}")
        for signal, name in (("HUP", "HUP"), ("SIGUSR1", "USR1"), ("10", "USR1"), ("int", "INT"), ("SIGQUIT", "QUIT"))
    ),
    Case("kill -s that is ignored", f"{_LAB} docker kill -s TERM lab; sleep .2; {_STATE} lab", "lab running"),
    Case("kill with an unknown signal", f"{_LAB} docker kill -s BOGUS lab", "", "BOGUS", 1),
    Case("kill of what is stopped", f"{_DONE} docker kill done", "out", "is not running", 1),
    Case("kill of what never ran", f"{_FRESH} docker kill fresh", "", "is not running", 1),
    Case("kill several with one missing", f"{_LAB} docker kill none lab", "lab", "no such container: none", 1),
    Case(
        "kill of what is paused", f"{_LAB} docker pause lab; docker kill lab; docker wait lab; {_STATE} lab", "lab lab 137 exited"
    ),
    Case(
        "stopped and continued by signals",
        f"{_LAB} docker kill -s STOP lab; docker kill -s CONT lab; {_STATE} lab",
        "lab lab running",
    ),
]

RESTART = [
    Case(
        "restart",
        f"{_LAB} A=$(docker inspect -f '{{{{.State.Pid}}}}' lab); docker restart -t 0 lab;"
        f" B=$(docker inspect -f '{{{{.State.Pid}}}}' lab); test $A != $B && echo other",
        "lab other",
    ),
    Case("restart of what is stopped", f"{_DONE} docker restart done; docker wait done; docker logs done", "out done 3 out out"),
    Case("restart of what never ran", f"{_FRESH} docker restart fresh; {_STATE} fresh", "fresh running"),
    Case("restart of what is paused", f"{_LAB} docker pause lab; docker restart -t 0 lab; {_STATE} lab", "lab lab running"),
    Case("restart missing", "docker restart none", "", "no such container: none", 1),
    Case("restart keeps files", f"{_LAB} docker exec lab touch /f; docker restart -t 0 lab; docker exec lab ls /f", "lab /f"),
    Case("restart does not count", f"{_LAB} docker restart -t 0 lab; docker inspect -f '{{{{.RestartCount}}}}' lab", "lab 0"),
]

PAUSE = [
    Case(
        "pause and unpause", f"{_LAB} docker pause lab; {_STATE} lab; docker unpause lab; {_STATE} lab", "lab paused lab running"
    ),
    Case(
        "nothing runs while paused",
        "docker run -d --name lab busybox sh -c 'while :; do echo x; sleep .02; done' >/dev/null; docker pause lab; sleep .2;"
        " A=$(docker logs lab | wc -l); sleep .3; B=$(docker logs lab | wc -l); test $A = $B && echo still; docker unpause lab",
        "lab still lab",
    ),
    Case(
        "state while paused",
        f"{_LAB} docker pause lab; docker inspect -f '{{{{.State.Running}}}} {{{{.State.Paused}}}}' lab;"
        f" docker ps --format '{{{{.State}}}} {{{{.Status}}}}' | grep -c '(Paused)'",
        "lab true true 1",
    ),
    Case("pause twice", f"{_LAB} docker pause lab; docker pause lab", "lab", "is already paused", 1),
    Case("unpause of what runs", f"{_LAB} docker unpause lab", "", "is not paused", 1),
    Case("pause of what is stopped", f"{_DONE} docker pause done", "out", "is not running", 1),
    Case("unpause of what is stopped", f"{_DONE} docker unpause done", "out", "is not paused", 1),
    Case("pause missing", "docker pause none", "", "no such container: none", 1),
    Case("unpause missing", "docker unpause none", "", "no such container: none", 1),
    Case("exec while paused", f"{_LAB} docker pause lab; docker exec lab true", "lab", "is paused", 1),
    Case("start while paused", f"{_LAB} docker pause lab; docker start lab", "lab", "cannot start a paused container", 1),
    Case("attach while paused", f"{_LAB} docker pause lab; docker attach lab", "lab", "cannot attach to a paused container", 1),
    Case("rm while paused", f"{_LAB} docker pause lab; docker rm lab", "lab", "", 1),
    Case("rm -f while paused", f"{_LAB} docker pause lab; docker rm -f lab; docker ps -aq", "lab lab"),
    Case(
        "logs, top and rename while paused",
        f"{_LAB} docker pause lab; docker logs lab; docker rename lab lab2; docker top lab2 -o pid,args | grep -c 'sleep 600'",
        "lab 1",
    ),
]

RENAME = [
    Case("rename", f"{_FRESH} docker rename fresh other; docker ps -a --format '{{{{.Names}}}}'", "other"),
    Case("rename of what runs", f"{_LAB} docker rename lab other; docker exec other echo hi", "hi"),
    Case("rename to a taken name", f"{_LAB} {_FRESH} docker rename lab fresh", "", "already in use", 1),
    Case("rename to the same name", f"{_LAB} docker rename lab lab", "", "", 1),
    Case("rename to a bad name", f"{_LAB} docker rename lab 'a b'", "", "invalid container name", 1),
    Case("rename missing", "docker rename none other", "", "no such container: none", 1),
    Case("the old name is free", f"{_FRESH} docker rename fresh other; docker create --name fresh busybox", "ID"),
]

REMOVE = [
    Case("rm", f"{_DONE} docker rm done; docker ps -aq", "out done"),
    Case("rm of what runs", f"{_LAB} docker rm lab", "", "running", 1),
    Case("rm -f of what runs", f"{_LAB} docker rm -f lab; docker ps -aq", "lab"),
    Case(
        "rm several with one missing",
        f"{_FRESH} {_DONE} docker rm fresh none done; docker ps -aq",
        "out fresh done",
        "no such container: none",
    ),
    Case("rm missing", "docker rm none", "", "no such container: none", 1),
    Case(
        "rm -v takes anonymous volumes",
        "docker create -v /data -v named:/named --name c1 busybox >/dev/null; docker rm -v c1; docker volume ls -q",
        "c1 named",
    ),
    Case(
        "rm leaves volumes",
        "docker create -v /data --name c1 busybox >/dev/null; docker rm c1; docker volume ls -q | wc -l",
        "c1 1",
    ),
    Case("rm by a part of the id", f"{_FRESH} docker rm $(docker ps -aq | cut -c1-6) | wc -l; docker ps -aq", "1"),
    Case("rm -l without a link", f"{_FRESH} docker rm -l fresh", "", "", 1),
    Case(
        "container prune",
        f"{_LAB} {_DONE} {_FRESH} docker container prune -f | grep -cE '^[0-9a-f]{{64}}$';"
        f" docker ps -a --format '{{{{.Names}}}}'",
        "out 2 lab",
    ),
    Case("container prune says what it freed", "docker container prune -f", "Total reclaimed space: SIZE"),
    Case(
        "container prune by label",
        "docker create --name k1 -l keep busybox >/dev/null; docker create --name k2 busybox >/dev/null;"
        " docker container prune -f --filter label!=keep >/dev/null; docker ps -a --format '{{.Names}}'",
        "k1",
    ),
    Case(
        "container prune until",
        f"{_FRESH} docker container prune -f --filter until=1h; docker ps -a --format '{{{{.Names}}}}'",
        "Total reclaimed space: SIZE fresh",
    ),
    Case("container prune with an unknown filter", "docker container prune -f --filter bogus=1", "", "bogus", 1),
]

WAIT = [
    Case("wait", f"{_DONE} docker wait done", "out 3"),
    Case("wait several", f"{_DONE} docker run --name d2 busybox true; docker wait done d2", "out 3 0"),
    Case("wait several with one missing", f"{_DONE} docker wait none done", "out 3", "no such container: none", 1),
    Case("wait for what runs", "docker run -d --name c1 busybox sh -c 'sleep .3; exit 6' >/dev/null; docker wait c1", "6"),
    Case("wait missing", "docker wait none", "", "no such container: none", 1),
    Case(
        "wait ended by rm -f",
        f"{_LAB} (docker wait lab >w 2>&1; echo over >>w) & sleep .3; docker rm -f lab; wait; grep -c over w",
        "lab 1",
    ),
]

EXIT_STATUS = [
    Case("of the program", "docker run --rm busybox sh -c 'exit 42'", code=42),
    Case("of a signal", "docker run --rm --init busybox sh -c 'kill -9 $$'", code=137),
    Case("125: the daemon refuses", "docker run --rm --memory 1 busybox true", "", "", 125),
    Case("125: an unknown flag", "docker run --bogus busybox true", "", "unknown flag", 125),
    Case("126: not executable", "docker run --rm busybox /etc/passwd", "", "permission denied", 126),
    Case("127: not there", "docker run --rm busybox nosuch", "", "not found", 127),
    Case(
        "out of memory",
        "docker run --name c1 -m 16m --memory-swap 16m busybox sh -c 'head -c 64m /dev/zero | tail >/dev/null; exit 7';"
        " docker inspect -f '{{.State.OOMKilled}}' c1",
        "true",
    ),
    Case(
        "the state after an end",
        f"{_DONE} docker inspect -f '{{{{.State.Status}}}} {{{{.State.ExitCode}}}} {{{{.State.Pid}}}}"
        f" {{{{.State.Error}}}}{{{{.State.OOMKilled}}}}' done",
        "out exited 3 0 false",
    ),
]

CASES = [*START, *STOP, *KILL, *RESTART, *PAUSE, *RENAME, *REMOVE, *WAIT]


@each(CASES)
def test_a_container_lives(players: Players, case: Case) -> None:
    players.check(case)


@each(EXIT_STATUS)
def test_an_exit_status_means(players: Players, case: Case) -> None:
    players.check(case)
