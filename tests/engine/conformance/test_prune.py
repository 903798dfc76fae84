"""What prunes take and leave, and what disk usage tells."""

import pytest

from tests.engine.conformance.cases import Case, each
from tests.engine.conformance.players import Players

pytestmark = pytest.mark.requires_root

_LABELLED = (
    "docker volume create --label a=1 v1 >/dev/null; docker volume create --label a=1 --label b=2 v2 >/dev/null;"
    " docker volume create v3 >/dev/null; docker create --name c1 -v v1:/d busybox >/dev/null"
)
_MEMORY = "docker volume create -o type=tmpfs -o device=tmpfs -o o=size=1m,uid=5,mode=750 v1"

CASES = [
    Case(
        "prune by label",
        f"{_LABELLED}; docker rm c1 >/dev/null; docker volume prune -f --filter label=b >/dev/null; docker volume ls -q",
        ("v1 v3", "v1 v2 v3"),
        why="since API 1.42 named ones go only with -a",
    ),
    Case(
        "prune but for a label",
        f"{_LABELLED}; docker rm c1 >/dev/null; docker volume prune -af --filter label!=a >/dev/null; docker volume ls -q",
        "v1 v2",
        code=(0, 1),
        only="atelier",
        why="before API 1.42 there is no -a",
    ),
    Case("prune until", "docker volume prune -f --filter until=1h", "", "until", 1),
    Case("prune by what is no filter", "docker volume prune -f --filter foo=1", "", "invalid filter", 1),
    Case(
        "system prune with volumes until",
        "docker system prune -f --volumes --filter until=1h",
        "",
        '"until" filter is not supported',
        1,
    ),
    Case(
        "system prune",
        "docker create --name c1 -v /d busybox >/dev/null; docker network create n1 >/dev/null; docker system prune -f --volumes"
        " | grep -v Total; docker volume ls -q; docker network ls -q -f type=custom; docker ps -aq",
        (
            "Deleted Containers: ID Deleted Networks: n1 Deleted Volumes: ID",
            "Deleted Containers: ID Deleted Volumes: ID Deleted Networks: n1",
        ),
        why="the order of the answers is the client's",
    ),
    Case(
        "prune of containers until",
        "docker create --name c1 busybox >/dev/null; docker container prune -f --filter until=1h | tail -n 1;"
        " docker ps -aq | wc -l;"
        " docker container prune -f --filter until=bogus",
        "Total reclaimed space: SIZE 1",
        "bogus",
        1,
    ),
    Case(
        "prune of networks by label",
        "docker network create --label a=b n1 >/dev/null; docker network create n2 >/dev/null;"
        " docker network prune -f --filter label=a; docker network prune -f --filter until=1h;"
        " docker network ls -q -f name=n2 | wc -l; docker network rm n2",
        "Deleted Networks: n1 1 n2",
    ),
    Case(
        "disk usage of volumes",
        "docker run --rm -v v1:/d busybox dd if=/dev/urandom of=/d/f bs=1k count=300 2>/dev/null;"
        " docker create --name c1 -v v2:/d busybox >/dev/null;"
        " docker system df -v --format '{{range .Volumes}}{{println .Name .Links}}{{end}}' | sort;"
        " docker system df --format '{{.Type}} {{.TotalCount}} {{.Active}} {{.Size}}' | grep Volumes",
        "v1 0 v2 1 Local Volumes 2 1 SIZE",
    ),
    Case(
        "disk usage without what takes no disk",
        f"{_MEMORY}; docker system df --format '{{{{.Type}}}} {{{{.TotalCount}}}}' | grep Volumes",
        "v1 Local Volumes 0",
    ),
]


@each(CASES)
def test_prune(players: Players, case: Case) -> None:
    players.check(case)
