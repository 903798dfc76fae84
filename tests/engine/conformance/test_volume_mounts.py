"""Volumes in containers: forms of mounts, parts of volumes, mounts of other containers."""

import pytest

from tests.engine.conformance.cases import Case, each
from tests.engine.conformance.players import Players

pytestmark = pytest.mark.requires_root


CASES = [
    Case(
        "--mount of a volume without target",
        "docker run --rm --mount type=volume,src=v1 busybox true",
        "",
        "target is required",
        125,
    ),
    Case("--mount at a relative path", "docker run --rm --mount type=volume,dst=d busybox true", "", "must be absolute", 125),
    Case("--mount of another kind", "docker run --rm --mount type=bogus,dst=/d busybox true", "", "unknown", 125),
    Case(
        "--mount of a missing path",
        "docker run --rm --mount type=bind,src=/none,dst=/d busybox true",
        "",
        "bind source path does not exist: /none",
        125,
    ),
    Case(
        "a tmpfs with a source",
        "docker run --rm --mount type=tmpfs,src=v1,dst=/d busybox true",
        "",
        "field source must not be specified",
        125,
    ),
    Case(
        "a subpath",
        "docker run --rm -v v1:/d busybox sh -c 'mkdir -p /d/a/b; echo in >/d/a/b/f';"
        " docker run --rm --mount type=volume,src=v1,dst=/d,volume-subpath=a/b busybox cat /d/f",
        "in",
        only="atelier",
        why="20.10 knows no subpath",
    ),
    *(
        Case(
            f"a subpath {what}",
            "docker run --rm -v v1:/d busybox sh -c 'ln -s / /d/root; ln -s ../.. /d/up; touch /d/file';"
            f" docker run --rm --mount type=volume,src=v1,dst=/x,volume-subpath={path} busybox ls /x",
            "",
            "subpath",
            125,
            only="atelier",
            why="20.10 knows no subpath",
        )
        for what, path in (
            ("that climbs", "../.."),
            ("that is absolute", "/etc"),
            ("through a link to the top", "root/etc"),
            ("through a link that climbs", "up"),
            ("that is a file", "file"),
            ("that is missing", "none"),
        )
    ),
    Case("a mode twice", "docker run --rm -v v1:/d:rw,ro busybox true", "", "invalid", 125),
    Case("a mode that is none", "docker run --rm -v v1:/d:bogus busybox true", "", "invalid mode", 125),
    Case(
        "a label of SELinux", "docker run --rm -v v1:/d:Z busybox echo ok; docker run --rm -v v1:/d:ro,z busybox echo ok", "ok ok"
    ),
    Case(
        "--volumes-from of several",
        "docker create --name c1 -v v1:/d -v v3:/x busybox >/dev/null;"
        " docker create --name c2 -v v2:/e -v v4:/x busybox >/dev/null;"
        " docker create --name c3 --volumes-from c1 --volumes-from c2:ro busybox >/dev/null;"
        " docker inspect -f '{{range .Mounts}}{{println .Name .Destination .RW}}{{end}}' c3 | sort",
        "v1 /d true v2 /e false v4 /x false",
    ),
    Case(
        "--volumes-from in a chain",
        "docker create --name c1 -v v1:/d busybox >/dev/null; docker create --name c2 --volumes-from c1:ro busybox >/dev/null;"
        " docker run --rm --volumes-from c2:rw busybox touch /d/f",
        "",
        "read-only",
        1,
    ),
    Case(
        "--volumes-from and a volume of one's own at its place",
        "docker create --name c1 -v v1:/d -v v2:/e busybox >/dev/null;"
        " docker create --name c2 --volumes-from c1 -v own:/d busybox >/dev/null;"
        " docker inspect -f '{{range .Mounts}}{{println .Name .Destination}}{{end}}' c2 | sort",
        "own /d v2 /e",
    ),
    Case(
        "--volumes-from of a container that has gone",
        "docker run --name c1 -v v1:/d busybox sh -c 'echo kept >/d/f';"
        " docker create --name c2 --volumes-from c1 busybox cat /d/f >/dev/null; docker rm -v c1; docker start -a c2",
        "c1 kept",
    ),
    Case(
        "--volumes-from in a mode that is none",
        "docker create --name c1 busybox >/dev/null; docker run --volumes-from c1:bogus busybox",
        "",
        "invalid mode",
        125,
    ),
    Case(
        "anonymous ones handed on",
        "docker create --name c1 -v /d busybox >/dev/null; docker create --name c2 --volumes-from c1 busybox >/dev/null;"
        " docker rm -v c1; docker volume ls -q | wc -l; docker rm -v c2; docker volume ls -q | wc -l",
        "c1 1 c2 0",
    ),
    Case(
        "--rm takes anonymous ones along and no others", "docker run --rm -v /d -v v1:/e busybox true; docker volume ls -q", "v1"
    ),
    Case(
        "a database's rows survive its container",
        'run() { docker run --rm -v db:/db busybox sh -c "$1"; };'
        " docker run -d --name c1 -v db:/db busybox"
        " sh -c 'echo 1,ada >>/db/rows; echo 2,bob >>/db/rows; sync; sleep 600' >/dev/null;"
        " await docker exec c1 grep -q bob /db/rows; docker rm -f c1; run 'echo 3,eve >>/db/rows'; run 'cat /db/rows'",
        "c1 1,ada 2,bob 3,eve",
    ),
]


@each(CASES)
def test_volume_mounts(players: Players, case: Case) -> None:
    players.check(case)
