"""logs: what is kept, from when, how much, with what beside it, followed, and rotated."""

import pytest

from tests.engine.conformance.cases import Case, each
from tests.engine.conformance.players import Players

pytestmark = pytest.mark.requires_root

_FIVE = "docker run --name c1 busybox sh -c 'for i in 1 2 3 4 5; do echo $i; done' >/dev/null;"

CASES = [
    Case("logs", f"{_FIVE} docker logs c1", "1 2 3 4 5"),
    Case(
        "streams apart",
        "docker run --name c1 busybox sh -c 'echo out; echo err >&2' >/dev/null 2>&1; docker logs c1 2>e; cat e",
        "out err",
    ),
    Case(
        "--tail",
        f"{_FIVE} docker logs -n 2 c1; docker logs --tail 0 c1; docker logs --tail all c1 | wc -l;"
        f" docker logs --tail 99 c1 | wc -l",
        "4 5 5 5",
    ),
    Case("--tail that is no number", f"{_FIVE} docker logs --tail x c1 | wc -l", "5"),
    Case("--timestamps", f"{_FIVE} docker logs -t -n 1 c1", "TIME 5"),
    Case(
        "--timestamps are of each line",
        "docker run --name c1 busybox sh -c 'echo 1; sleep .3; echo 2' >/dev/null;"
        " docker logs -t c1 | cut -d' ' -f1 | sort -u | wc -l",
        "2",
    ),
    Case(
        "--since a line",
        "docker run --name c1 busybox sh -c 'echo 1; sleep .3; echo 2' >/dev/null;"
        " T=$(docker logs -t -n 1 c1 | cut -d' ' -f1); docker logs --since $T c1",
        "2",
    ),
    Case(
        "--until a line",
        "docker run --name c1 busybox sh -c 'echo 1; sleep .3; echo 2' >/dev/null;"
        " T=$(docker logs -t c1 | head -n 1 | cut -d' ' -f1); docker logs --until $T c1",
        "1",
    ),
    Case("--since and --until times ago", f"{_FIVE} docker logs --since 1h c1 | wc -l; docker logs --until 1h c1 | wc -l", "5 0"),
    Case(
        "--details",
        "docker run --name c1 -l a=b -e E=f --log-opt labels=a --log-opt env=E busybox echo hi >/dev/null;"
        " docker logs --details c1",
        "E=f,a=b hi",
    ),
    Case(
        "--follow ends with the container",
        "docker run -d --name c1 busybox sh -c 'for i in 1 2 3; do echo $i; sleep .1; done' >/dev/null; docker logs -f c1",
        "1 2 3",
    ),
    Case("--follow of what is stopped", f"{_FIVE} docker logs -f c1", "1 2 3 4 5"),
    Case(
        "--follow with --tail",
        "docker run -d --name c1 busybox sh -c 'echo 1; echo 2; until [ -e /go ]; do sleep .05; done; echo 3' >/dev/null;"
        " await 'docker logs c1 | grep -q 2'; docker logs -f -n 1 c1 >f & await grep -q 2 f;"
        " docker exec c1 touch /go; wait; cat f",
        "2 3",
    ),
    Case(
        "--follow with --since",
        "docker run -d --name c1 busybox sh -c 'echo 1; until [ -e /go ]; do sleep .05; done; echo 2' >/dev/null;"
        " await 'docker logs c1 | grep -q 1'; docker logs -f --since $(date +%s.%N) c1 >f & sleep .3;"
        " await docker exec c1 touch /go; wait; cat f",
        "2",
    ),
    Case(
        "--follow with --until",
        "docker run -d --name c1 busybox sh -c 'while :; do echo x; sleep .1; done' >/dev/null;"
        " docker logs -f --until 1s c1 >/dev/null; echo over",
        "over",
    ),
    Case(
        "--follow ended by rm -f",
        "docker run -d --name c1 busybox sh -c 'echo 1; sleep 600' >/dev/null; (docker logs -f c1;"
        " echo over) >f 2>&1 & await grep -q 1 f; docker rm -f c1; wait; cat f",
        "c1 1 over",
    ),
    Case(
        "--follow goes on through a restart",
        "docker run -d --name c1 busybox sh -c 'echo x; sleep 600' >/dev/null; await 'docker logs c1 | grep -q x';"
        " docker restart -t 0 c1 >/dev/null; await '[ $(docker logs c1 | wc -l) = 2 ]'; docker logs c1",
        "x x",
    ),
    Case(
        "several followers",
        "docker run -d --name c1 busybox sh -c 'sleep .5; echo 1; echo 2' >/dev/null;"
        " docker logs -f c1 >a & docker logs -f c1 >b & wait; cat a b",
        "1 2 1 2",
    ),
    Case("a line without an end", "docker run --name c1 busybox printf abc >/dev/null; docker logs c1", "abc"),
    Case(
        "a long line",
        "docker run --name c1 busybox sh -c 'head -c 100000 /dev/zero | tr \"\\0\" x' >/dev/null; docker logs c1 | wc -c",
        "100000",
    ),
    Case(
        "bytes that are no text",
        "docker run --name c1 busybox printf '\\377\\001x\\n' >/dev/null; docker logs c1 | od -An -c | grep -c x",
        "1",
    ),
    Case("a terminal's", "docker run -t --name c1 busybox sh -c 'echo out; echo err >&2' >/dev/null; docker logs c1", "out err"),
    Case("of what never ran", "docker create --name c1 busybox >/dev/null; docker logs c1"),
    Case("missing", "docker logs none", "", "no such container: none", 1),
    Case("--since that is no time", f"{_FIVE} docker logs --since bogus c1", "", "", 1),
    Case(
        "max-size and max-file",
        "docker run -d --name c1 --log-opt max-size=64k --log-opt max-file=2 busybox seq 60000 >/dev/null;"
        " docker wait c1 >/dev/null; docker logs -n 1 c1;"
        " test $(docker logs c1 | wc -l) -lt 50000 && echo cut",
        "60000 cut",
    ),
    Case("max-file alone", "docker run --log-opt max-file=x busybox true", "", "", 125),
    Case(
        "rotation while followed",
        "docker run -d --name c1 --log-opt max-size=20k --log-opt max-file=9 busybox sh -c 'sleep .5; seq 3000' >/dev/null;"
        " docker logs -f c1 | tail -n 1",
        "3000",
        only="atelier",
        why="dockerd 20.10 loses a file that is rotated under a follower",
    ),
    Case(
        "the driver local",
        "docker run --name c1 --log-driver local busybox echo hi >/dev/null; docker logs c1;"
        " docker inspect -f '{{.HostConfig.LogConfig.Type}}' c1",
        "hi local",
    ),
    Case(
        "the driver none",
        "docker run --name c1 --log-driver none busybox echo hi; docker logs c1",
        "hi",
        "does not support reading",
        1,
    ),
]


@each(CASES)
def test_logs(players: Players, case: Case) -> None:
    players.check(case)
