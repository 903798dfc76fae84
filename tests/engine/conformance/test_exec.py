"""exec and attach: streams, users, folders, environment, exit codes, terminals, wrong states."""

import pytest

from tests.engine.conformance.cases import Case, each
from tests.engine.conformance.players import Players

pytestmark = pytest.mark.requires_root

_LAB = "docker run -d --name lab -e A=image busybox sleep 600 >/dev/null;"

# In one container, which they leave as it was.
INSIDE = [
    Case("streams apart", "docker exec lab sh -c 'echo out; echo err >&2' 2>e; cat e", "out err"),
    Case(
        "exit codes",
        "docker exec lab sh -c 'exit 3' || echo $?; docker exec lab nosuch >/dev/null 2>&1 || echo $?",
        ("3 126", "3 127"),
        why="126 up to 20.10",
    ),
    Case("input", "echo hi | docker exec -i lab cat", "hi"),
    Case("no input", "echo hi | docker exec lab cat"),
    Case("a terminal", "docker exec -t lab sh -c 'test -t 0 && tty; echo $TERM'", "/dev/pts/0 xterm"),
    Case("detached", "docker exec -d lab touch /made; await docker exec lab test -e /made && echo yes", "yes"),
    Case(
        "users",
        "docker exec -u ada lab id; docker exec -u 5:50 lab id; docker exec -u :50 lab id -g",
        "uid=1000(ada) gid=1000(ada) groups=50(staff),1000(ada) uid=5 gid=50(staff) groups=50(staff) 50",
    ),
    Case(
        "an unknown user",
        "docker exec -u bob lab id >&2",
        "",
        "unable to find user bob",
        (1, 126),
        why="said before or while it starts",
    ),
    Case("the folder", "docker exec -w /tmp lab pwd; docker exec lab pwd", "/tmp /"),
    Case(
        "the environment",
        "docker exec -e A=exec -e B=b lab sh -c 'echo $A $B $HOME'; docker exec lab sh -c 'echo $A'",
        "exec b /root image",
    ),
    Case("--env-file", "echo X=1 >f; docker exec --env-file f lab sh -c 'echo $X'", "1"),
    Case("a large output", "docker exec lab head -c 3000000 /dev/zero | wc -c", "3000000"),
]

EXEC = [
    Case(
        "capabilities are the container's",
        "docker run -d --name lab --cap-drop ALL busybox sleep 600 >/dev/null; docker exec lab grep CapEff /proc/self/status",
        "CapEff: 0000000000000000",
    ),
    Case(
        "--privileged",
        f"{_LAB} docker exec --privileged lab sh -c 'mount -t tmpfs t /tmp && echo mounted'",
        "mounted",
        only="atelier",
        why="runc wants each capability there is, which root of this machine may not have",
    ),
    Case(
        "limits are the container's",
        "docker run -d --name lab --ulimit nofile=64:64 --oom-score-adj 200 busybox sleep 600 >/dev/null;"
        " docker exec lab sh -c 'ulimit -n; cat /proc/self/oom_score_adj'",
        "64 200",
    ),
    Case("of what is stopped", "docker run --name done busybox true; docker exec done true", "", "is not running", 1),
    Case("missing", "docker exec none true", "", "no such container: none", 1),
    Case(
        "an exec outlives nothing",
        f"{_LAB} (docker exec lab sleep 600; echo ended $?) >e & await '[ $(docker top lab | grep -c sleep) = 2 ]';"
        f" docker kill lab; wait; cat e",
        "lab ended 137",
    ),
]

ATTACH = [
    Case(
        "output",
        "docker run -d --name c1 busybox sh -c 'sleep 1; echo out; echo err >&2; exit 6' >/dev/null; docker attach c1 2>e;"
        " echo $?; cat e",
        "out 6 err",
    ),
    Case(
        "input",
        "docker run -di --name c1 busybox sh -c 'read x; echo got $x' >/dev/null; echo hi | docker attach c1 >/dev/null;"
        " docker wait c1; docker logs c1",
        "0 got hi",
    ),
    Case(
        "--no-stdin",
        "docker run -di --name c1 busybox sh -c 'sleep 1; echo x' >/dev/null; echo hi | docker attach --no-stdin c1",
        "x",
    ),
    Case(
        "two at once",
        "docker run -d --name c1 busybox sh -c 'sleep 1; echo x' >/dev/null;"
        " docker attach c1 >a & docker attach c1 >b & wait; cat a b",
        "x x",
    ),
    Case(
        "signals pass",
        "docker run -d --name c1 busybox sh -c 'trap \"exit 4\" TERM; echo up; while :; do sleep .02; done' >/dev/null;"
        " await 'docker logs c1 | grep -q up';"
        " docker attach c1 & P=$!; sleep .4; kill -TERM $P; wait $P; docker wait c1",
        "4",
    ),
    Case(
        "of what is stopped",
        "docker run --name done busybox true; docker attach done",
        "",
        "cannot attach to a stopped container",
        1,
    ),
    Case("missing", "docker attach none", "", "no such container: none", 1),
    Case("without input when it is closed", "docker run -d --name c1 busybox cat >/dev/null; docker wait c1", "0"),
]


@each(INSIDE, beside=_LAB)
def test_an_exec_in_one_container(players: Players, case: Case) -> None:
    players.check(case)


@each(EXEC)
def test_an_exec(players: Players, case: Case) -> None:
    players.check(case)


@each(ATTACH)
def test_an_attach(players: Players, case: Case) -> None:
    players.check(case)
