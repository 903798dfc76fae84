"""rmi, image prune, system prune and df: how images go, what keeps them, what they take."""

import pytest

from tests.engine.conformance.cases import Case, each
from tests.engine.conformance.players import Players

pytestmark = pytest.mark.requires_root

REMOVE = [
    Case("by name", "mk one; docker rmi one | head -n 2; docker images -q one", "Untagged: one:latest Deleted: sha256:ID"),
    Case("one of two tags", "mk one; docker tag one two; docker rmi two; docker images -q one", "Untagged: two:latest ID"),
    Case("by id", "mk one; docker rmi $(docker images -q one) | head -n 2", "Untagged: one:latest Deleted: sha256:ID"),
    Case(
        "by id with two names",
        "mk one; docker tag one two; docker rmi $(docker images -q one)",
        "",
        "image is referenced in multiple repositories",
        1,
    ),
    Case(
        "by id with two tags of a name",
        "mk one; docker tag one one:v2; docker rmi $(docker images -q one:v2)",
        "",
        "image is referenced in multiple repositories",
        1,
    ),
    Case(
        "-f by id with two names",
        "mk one; docker tag one two; docker rmi -f $(docker images -q one) | sort | tail -n 3",
        "Deleted: sha256:ID Untagged: one:latest Untagged: two:latest",
    ),
    Case(
        "several",
        "mk one; mk two; docker rmi one two | grep Untagged; docker images -q one",
        "Untagged: one:latest Untagged: two:latest",
    ),
    Case(
        "several of which one is missing",
        "mk one; docker rmi none one | grep Untagged; docker images -q one",
        "Untagged: one:latest",
        "no such image: none",
    ),
    Case("-f of what is missing", "docker rmi -f none", "", "no such image: none", 0),
    Case("of what is missing", "docker rmi none", "", "no such image: none", 1),
    Case(
        "of a running container",
        "docker tag busybox im1; docker rmi -f $(docker commit $(docker run -d busybox sleep 600) im2)"
        " >/dev/null; docker ps -q | wc -l",
        "1",
    ),
    Case(
        "in use by a running container",
        "docker commit $(docker create busybox true) im1 >/dev/null; docker run -d im1 sleep 600 >/dev/null; docker rmi im1",
        "",
        "conflict: unable to remove repository reference",
        1,
    ),
    Case(
        "in use by a running container, by id",
        "docker commit $(docker create busybox true) im1 >/dev/null; docker run -d im1 sleep 600 >/dev/null;"
        " docker rmi $(docker images -q im1)",
        "",
        "image is being used by running container",
        1,
    ),
    Case(
        "-f by id in use by a running container",
        "docker commit $(docker create busybox true) im1 >/dev/null; docker run -d im1 sleep 600 >/dev/null;"
        " docker rmi -f $(docker images -q im1)",
        "",
        "(cannot be forced) - image is being used by running container",
        1,
    ),
    Case(
        "-f by name in use by a running container",
        "docker commit $(docker create busybox true) im1 >/dev/null;"
        " docker run -d --name c1 im1 sleep 600 >/dev/null; docker rmi -f im1; docker ps --format '{{.Names}}'",
        "Untagged: im1:latest c1",
    ),
    Case(
        "in use by an ended container",
        "docker commit $(docker create busybox true) im1 >/dev/null; docker run im1 true; docker rmi im1",
        "",
        "(must force)",
        1,
    ),
    Case(
        "in use by an ended container, by id",
        "docker commit $(docker create busybox true) im1 >/dev/null; docker run im1 true; docker rmi $(docker images -q im1)",
        "",
        "image is being used by stopped container",
        1,
    ),
    Case(
        "-f in use by an ended container",
        "docker commit $(docker create busybox true) im1 >/dev/null; docker run --name c1 im1 true;"
        " docker rmi -f im1 >/dev/null; docker images -q im1; docker ps -aq --filter name=c1 | wc -l",
        "1",
    ),
    Case(
        "its other name while in use",
        "docker commit $(docker create busybox true) im1 >/dev/null; docker tag im1 im2; docker run im1 true; docker rmi im2",
        "Untagged: im2:latest",
    ),
    Case(
        "with a child that has a name",
        "mk one -c 'CMD [\"x\"]'; docker commit $(docker create one) two >/dev/null;"
        " docker rm -f $(docker ps -aq) >/dev/null; docker rmi one; docker images --format '{{.Repository}}' two",
        "Untagged: one:latest two",
    ),
    Case(
        "by id with a child",
        "mk one -c 'CMD [\"x\"]'; docker commit $(docker create one) two >/dev/null;"
        " docker rm -f $(docker ps -aq) >/dev/null; docker rmi $(docker images -q one)",
        "",
        "image has dependent child images",
        1,
    ),
    Case("--no-prune", "mk one; docker rmi --no-prune one | head -n 1", "Untagged: one:latest"),
    Case("image rm", "mk one; docker image rm one | head -n 1", "Untagged: one:latest"),
    Case(
        "events",
        "S=$(date +%s.%N); mk one; docker tag one two; docker rmi two one >/dev/null;"
        " docker events --since $S --until $(date +%s.%N) --filter type=image --format '{{.Action}}'",
        "tag import tag untag untag delete",
    ),
]

PRUNE = [
    Case(
        "dangling ones",
        "mk one; mk two; docker tag one two; docker image prune -f | grep -E '^(deleted|untagged)' | head -n 1; names",
        "deleted: sha256:ID busybox one two",
    ),
    Case("nothing to prune", "docker image prune -f", "Total reclaimed space: SIZE"),
    Case(
        "-a", "docker run --name c1 busybox true; mk one; mk two; docker image prune -af | grep -c untagged; names", "2 busybox"
    ),
    Case(
        "-a keeps what a container uses",
        "docker run --name c1 busybox true; docker commit c1 im1 >/dev/null; docker create im1 >/dev/null;"
        " docker image prune -af; names",
        "Total reclaimed space: SIZE busybox im1",
    ),
    Case(
        "filter label",
        "docker run --name c1 busybox true; mk one -c 'LABEL a=b'; mk two;"
        " docker image prune -af --filter label=a=b >/dev/null; names",
        "busybox two",
    ),
    Case(
        "filter label!=",
        "docker run --name c1 busybox true; mk one -c 'LABEL a=b'; mk two;"
        " docker image prune -af --filter label!=a=b >/dev/null; names",
        "busybox one",
    ),
    Case(
        "filter until in the past",
        "docker run --name c1 busybox true; mk one; docker image prune -af --filter until=10m >/dev/null; names",
        "busybox one",
    ),
    Case(
        "filter until now",
        "docker run --name c1 busybox true; mk one; docker image prune -af --filter until=$(($(date +%s)+5)) >/dev/null; names",
        "busybox",
    ),
    Case("filter of what is unknown", "docker image prune -f --filter foo=bar", "", "invalid filter 'foo'", 1),
    Case(
        "system prune",
        "docker run --name c1 busybox true; mk one; mk two; docker tag one two; docker system prune -f"
        " | grep '^deleted' | head -n 1; names",
        "deleted: sha256:ID busybox one two",
    ),
    Case(
        "event",
        "mk one; mk two; docker tag one two; S=$(date +%s.%N); docker image prune -f >/dev/null;"
        " docker events --since $S --until $(date +%s.%N) --filter type=image --format '{{.Action}}'",
        "delete prune",
    ),
    Case(
        "system df",
        "mk one; docker tag one two; docker run --name c1 busybox true;"
        " docker system df --format '{{.Type}} {{.TotalCount}} {{.Active}}'",
        "Images 2 1 Containers 1 0 Local Volumes 0 0 Build Cache 0 0",
    ),
    Case(
        "system df -v",
        "mk one; docker system df -v | grep -A3 'Images space' | tail -n 1"
        " | sed 's/ *[0-9]* seconds* ago\\| *Less.*ago\\| *About.*ago/ AGO/' | cut -d' ' -f1",
        ("one", "busybox"),
        why="either may come first",
    ),
    Case(
        "info",
        "A=$(docker info -f '{{.Images}}'); mk one; docker tag one two;"
        " test $(docker info -f '{{.Images}}') = $((A+1)) && echo one more",
        "one more",
    ),
]


@each(REMOVE)
def test_rmi(players: Players, case: Case) -> None:
    players.check(case)


@each(PRUNE)
def test_prune_and_df(players: Players, case: Case) -> None:
    players.check(case)
