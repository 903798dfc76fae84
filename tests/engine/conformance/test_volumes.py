"""Volumes as containers see them: named, anonymous, shared, copied up, removed."""

import pytest

from tests.engine.conformance.cases import Case, each
from tests.engine.conformance.players import Players

pytestmark = pytest.mark.requires_root

_MOUNT = "docker inspect -f '{{range .Mounts}}{{.Type}} {{.Name}} {{.Destination}} {{.Mode}} {{.RW}}{{end}}'"

CASES = [
    Case("named", "docker run --rm -v data:/d busybox sh -c 'echo hi >/d/f'; docker run --rm -v data:/e busybox cat /e/f", "hi"),
    Case("made by hand", "docker volume create v1; docker volume ls -q", "v1 v1"),
    Case("made twice", "docker volume create v1; docker volume create v1", "v1 v1"),
    Case("without a name", "docker volume create | wc -c", "65"),
    Case("a bad name", "docker volume create 'a b'", "", "volume name", 1),
    Case("an unknown driver", "docker volume create -d bogus v1", "", "bogus", 1),
    Case(
        "labels",
        "docker volume create --label a=b v1 >/dev/null; docker volume inspect -f '{{json .Labels}} {{.Driver}} {{.Scope}}'"
        " v1; docker volume ls -q --filter label=a=b; docker volume ls -q --filter label=a=c",
        '{"a":"b"} local local v1',
    ),
    Case(
        "ls filters",
        "docker volume create v1 >/dev/null; docker run --name c1 -v v2:/d busybox true;"
        " docker volume ls -q --filter dangling=true; docker volume ls -q --filter dangling=false;"
        " docker volume ls -q --filter name=2; docker volume ls -q --filter driver=local",
        "v1 v2 v2 v1 v2",
    ),
    Case("an unknown filter", "docker volume ls --filter bogus=1", "", "bogus", 1),
    Case("inspect missing", "docker volume inspect none", "[]", "no such volume", 1),
    Case("rm", "docker volume create v1 >/dev/null; docker volume rm v1; docker volume ls -q", "v1"),
    Case("rm missing", "docker volume rm none", "", "no such volume", 1),
    Case("rm -f missing", "docker volume rm -f none", "none"),
    Case(
        "rm while in use", "docker create --name c1 -v v1:/d busybox >/dev/null; docker volume rm v1", "", "volume is in use", 1
    ),
    Case("anonymous", "docker create --name c1 -v /d busybox >/dev/null; docker volume ls -q", "ID"),
    Case(
        "anonymous by the image",
        "docker create --name c1 busybox >/dev/null; docker commit -c 'VOLUME /d' c1 im1 >/dev/null;"
        " docker run --name c2 im1 touch /d/f; docker volume ls -q; docker inspect -f '{{json .Config.Volumes}}' c2",
        'ID {"/d":{}}',
    ),
    Case(
        "in inspect",
        f"docker create --name c1 -v v1:/d:ro busybox >/dev/null; {_MOUNT} c1;"
        f" docker inspect -f '{{{{json .HostConfig.Binds}}}}' c1",
        'volume v1 /d ro false ["v1:/d:ro"]',
    ),
    Case(
        "in inspect by --mount",
        f"docker create --name c1 --mount type=volume,src=v1,dst=/d busybox >/dev/null; {_MOUNT} c1",
        ("volume v1 /d true", "volume v1 /d z true"),
        why="20.10 tells z, the mode it would be labelled with",
    ),
    Case("a bind in inspect", f"mkdir d; docker create --name c1 -v $PWD/d:/d busybox >/dev/null; {_MOUNT} c1", "bind /d true"),
    Case(
        "a tmpfs in inspect",
        f"docker create --name c1 --mount type=tmpfs,dst=/d busybox >/dev/null; {_MOUNT} c1",
        "tmpfs /d true",
    ),
    Case("read-only", "docker run --rm -v v1:/d:ro busybox touch /d/f", "", "read-only file system", 1),
    Case("copied up", "docker run --rm -v v1:/home busybox ls /home", "ada"),
    Case(
        "copied up with owners",
        "docker run --name c1 busybox sh -c 'mkdir /o; touch /o/f; chown 5:6 /o /o/f; chmod 750 /o';"
        " docker commit c1 im1 >/dev/null; docker run --rm -v v1:/o im1 stat -c %u:%g:%a /o /o/f",
        "5:6:750 5:6:644",
    ),
    Case(
        "not copied up twice",
        "docker run --rm -v v1:/home busybox rm -r /home/ada; docker run --rm -v v1:/home busybox ls /home",
        ("", "ada"),
        why="an empty volume is filled again",
    ),
    Case(
        "nocopy",
        "docker run --rm -v v1:/home:nocopy busybox ls /home;"
        " docker run --rm --mount type=volume,src=v2,dst=/home,volume-nocopy busybox ls /home",
    ),
    Case(
        "shared while both run",
        "docker run -d --name c1 -v v1:/d busybox sh -c 'echo hi >/d/f; sleep 600' >/dev/null;"
        " await docker exec c1 test -s /d/f; docker run --rm -v v1:/d busybox cat /d/f",
        "hi",
    ),
    Case(
        "--volumes-from",
        "docker create --name c1 -v v1:/d -v /e busybox >/dev/null;"
        " docker run --rm --volumes-from c1 busybox sh -c 'touch /d/f /e/g && echo yes';"
        " docker run --rm --volumes-from c1:ro busybox ls /d /e",
        "yes /d: f /e: g",
    ),
    Case(
        "--volumes-from read-only",
        "docker create --name c1 -v v1:/d busybox >/dev/null; docker run --rm --volumes-from c1:ro busybox touch /d/f",
        "",
        "read-only file system",
        1,
    ),
    Case("--volumes-from missing", "docker run --rm --volumes-from none busybox true", "", "no such container: none", 125),
    Case(
        "prune",
        "docker volume create v1 >/dev/null; docker create --name c1 -v v2:/d busybox >/dev/null;"
        " docker volume prune -af | grep -v Total; docker volume ls -q",
        "Deleted Volumes: v1 v2",
        code=(0, 1),
        only="atelier",
        why="before API 1.42 there is no -a",
    ),
    Case(
        "prune of anonymous ones",
        "docker create --name c1 -v /d busybox >/dev/null; docker rm c1 >/dev/null; docker volume prune -f | grep -c Deleted;"
        " docker volume ls -q",
        "1",
    ),
    Case("nested", "docker run --rm -v v1:/d -v v2:/d/e --tmpfs /d/t busybox sh -c 'touch /d/e/f; ls /d'", "e t"),
    Case("a program runs from it", "docker run --rm -v v1:/d busybox sh -c 'cp /bin/busybox /d/echo; /d/echo yes'", "yes"),
    Case(
        "files keep their owners",
        "docker run --rm -v v1:/d busybox sh -c 'touch /d/f; chown 7:8 /d/f';"
        " docker run --rm -v v1:/d busybox stat -c %u:%g /d/f",
        "7:8",
    ),
]


@each(CASES)
def test_volumes(players: Players, case: Case) -> None:
    players.check(case)
