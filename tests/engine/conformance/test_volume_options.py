"""Options of volumes, how they are found, and what is said of those in use."""

import pytest

from tests.engine.conformance.cases import Case, each
from tests.engine.conformance.players import Players

pytestmark = pytest.mark.requires_root

_MOUNT = "docker inspect -f '{{range .Mounts}}{{.Type}} {{.Name}} {{.Destination}} {{.Mode}} {{.RW}}{{end}}'"
_THREE = "for V in aa aab cc; do docker volume create $V >/dev/null; done"
_LABELLED = (
    "docker volume create --label a=1 v1 >/dev/null; docker volume create --label a=1 --label b=2 v2 >/dev/null;"
    " docker volume create v3 >/dev/null; docker create --name c1 -v v1:/d busybox >/dev/null"
)
_MEMORY = "docker volume create -o type=tmpfs -o device=tmpfs -o o=size=1m,uid=5,mode=750 v1"
_FOLDER = "mkdir d; echo in >d/f; docker volume create -o type=none -o o=bind -o device=$PWD/d v1"

CASES = [
    Case(
        "made again with other options",
        "docker volume create --label a=b v1; docker volume create --label a=c -o type=tmpfs -o device=tmpfs v1;"
        " docker volume inspect -f '{{json .Labels}} {{json .Options}}' v1",
        'v1 v1 {"a":"b"} null',
    ),
    Case("ls by a pattern", f"{_THREE}; docker volume ls -q -f name='^aa$'; docker volume ls -q -f name='a.b'", "aa aab"),
    Case("ls by several names", f"{_THREE}; docker volume ls -q -f name=aab -f name=cc", "aab cc"),
    Case("ls by a driver that is not there", f"{_THREE}; docker volume ls -q -f driver=other"),
    Case("ls by several labels", f"{_LABELLED}; docker volume ls -q -f label=a -f label=b=2", "v2"),
    Case("ls by a label and use", f"{_LABELLED}; docker volume ls -q -f label=a -f dangling=false", "v1"),
    Case("ls of two kinds of use", f"{_LABELLED}; docker volume ls -q -f dangling=maybe", "", "invalid filter", 1),
    Case("ls by what it is not", "docker volume ls -f 'label!=a'", "", "invalid filter", 1),
    Case(
        "inspect in a list",
        "docker volume create v1 >/dev/null; docker volume inspect -f '{{.Name}}' v1 none v1",
        "v1 v1",
        "none",
        1,
    ),
    Case(
        "inspect",
        "docker volume create v1 >/dev/null; docker volume inspect v1 | tr -d ' \",' | sed 's/:.*//' | sort | tr '\n' ' '",
        (
            "CreatedAt Driver Labels Mountpoint Name Options Scope [ ] { }",
            "Atelier: CreatedAt Driver Id Labels Mountpoint Name Options Scope Tenant [ ] { } }",
        ),
        why="ours tells whose it is as well",
    ),
    Case(
        "rm of several",
        "docker create --name c1 -v v1:/d busybox >/dev/null; docker volume create v2 >/dev/null; docker volume rm v1 none v2;"
        " docker volume ls -q",
        "v2 v1",
        "volume is in use",
    ),
    Case("rm -f while in use", "docker create --name c1 -v v1:/d busybox >/dev/null; docker volume rm -f v1", "", "in use", 1),
    Case(
        "in use says by whom",
        "ID=$(docker create -v v1:/d busybox); docker volume rm v1 2>&1 | grep -c $ID",
        "1",
    ),
    # Options of the driver.
    Case("an option that is not there", "docker volume create -o foo=1 v1; docker volume ls -q", "", 'invalid option: "foo"'),
    Case("a size that is none", "docker volume create -o size=bogus v1", "", "invalid size: 'bogus'", 1),
    Case(
        "a size on a disk without",
        "docker volume create -o size=10m v1",
        "",
        "quota size requested but no quota support",
        1,
        only="dockerd",
        why="the engine has quotas of its own on every disk",
    ),
    Case("a type without device", "docker volume create -o type=tmpfs v1", "", 'missing required option: "device"', 1),
    Case("a device without type", "docker volume create -o device=/tmp v1", "", 'missing required option: "type"', 1),
    Case(
        "in memory",
        f"{_MEMORY}; docker volume inspect -f '{{{{json .Options}}}}' v1;"
        " docker run --rm -v v1:/d busybox sh -c 'df /d | tail -1 | cut -c-20; stat -c %u:%a /d; touch /d/f';"
        " docker run --rm -v v1:/d busybox ls /d; docker volume ls -q",
        'v1 {"device":"tmpfs","o":"size=1m,uid=5,mode=750","type":"tmpfs"} tmpfs 5:750 v1',
    ),
    Case(
        "in memory and full",
        f"{_MEMORY}; docker run --rm -v v1:/d busybox dd if=/dev/zero of=/d/f bs=1k count=2000",
        "v1",
        "no space",
        1,
    ),
    Case("in memory, read-only", f"{_MEMORY}; docker run --rm -v v1:/d:ro busybox touch /d/f", "v1", "read-only", 1),
    Case(
        "in memory, in inspect",
        f"{_MEMORY}; docker create --name c1 -v v1:/d busybox >/dev/null; {_MOUNT} c1",
        "v1 volume v1 /d z true",
    ),
    Case(
        "in memory by --mount",
        "docker run --rm --mount type=volume,dst=/d,volume-opt=type=tmpfs,volume-opt=device=tmpfs,volume-opt=o=size=1m,"
        "volume-label=q=w busybox df /d | tail -1 | awk '{print $1, $2}'",
        "tmpfs 1024",
    ),
    Case(
        "a folder of the host's",
        f"{_FOLDER}; docker run --rm -v v1:/d busybox sh -c 'cat /d/f; echo out >/d/g'; cat d/g; docker volume rm v1; ls d",
        "v1 in out v1 f g",
    ),
    Case(
        "a folder of the host's, read-only",
        "mkdir d; docker volume create -o type=none -o o=bind,ro -o device=$PWD/d v1;"
        " docker run --rm -v v1:/d busybox touch /d/f",
        "v1",
        "read-only",
        1,
    ),
    Case(
        "a folder of the host's that is not there",
        "docker volume create -o type=none -o o=bind -o device=$PWD/none v1; docker run --rm -v v1:/d busybox true",
        "v1",
        "/none",
        (125, 127),
        why="20.10 calls what the kernel says a program that is not found",
    ),
    Case(
        "what takes no disk is not pruned",
        f"{_MEMORY}; docker system prune -f --volumes >/dev/null; docker volume prune -f >/dev/null; docker volume ls -q",
        "v1 v1",
    ),
]


@each(CASES)
def test_volume_options(players: Players, case: Case) -> None:
    players.check(case)
