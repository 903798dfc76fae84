"""ps: what is listed, in which order, with which filters."""

import pytest

from tests.engine.conformance.cases import Case, each
from tests.engine.conformance.players import Players

pytestmark = pytest.mark.requires_root

_LAB = "docker run -d --name lab -l k=v busybox sleep 600 >/dev/null;"
_DONE = "docker run --name done -l k=w busybox sh -c 'exit 3';"
_FRESH = "docker create --name fresh busybox true >/dev/null;"
_THREE = f"{_LAB} {_DONE} {_FRESH}"
_NAMES = "--format '{{.Names}}'"

# Of the containers of the scene.
SEEN = [
    Case("ps", f"docker ps {_NAMES}", "lab"),
    Case("ps -a", f"docker ps -a {_NAMES}", "fresh done lab"),
    Case("ps -n", f"docker ps -n 2 {_NAMES}", "fresh done"),
    Case(
        "ps status words",
        "docker ps -a --format '{{.Status}}' | sed 's/[0-9].*second.*/N/; s/Less than.*/N/'",
        "Created Exited (N Up N",
    ),
    *(
        Case(f"ps --filter {criterion}", f"docker ps -a --filter {criterion} {_NAMES}", said)
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
    Case("ps --filter id=", f"docker ps -a --filter id=$(docker inspect -f '{{{{.Id}}}}' done) {_NAMES}", "done"),
    Case("ps with two filters", f"docker ps -a --filter label=k --filter status=exited {_NAMES}", "done"),
    Case("ps with a filter twice", f"docker ps -a --filter name=lab --filter name=done {_NAMES}", "done lab"),
    Case("ps --filter before missing", "docker ps -a --filter before=none", "", "no such container", 1),
    Case("ps --filter unknown", "docker ps -a --filter bogus=1", "", "invalid filter 'bogus", 1),
    Case("ps --filter status unknown", "docker ps -a --filter status=bogus", "", "bogus", 1),
]

OWN = [
    Case("ps -q --no-trunc", f"{_LAB} docker ps -q --no-trunc", "ID"),
    Case(
        "ps -s",
        f"{_LAB} docker exec lab sh -c 'head -c 1000 /dev/zero >/z'; docker ps -s --format '{{{{.Size}}}}' | cut -d' ' -f1",
        "SIZE",
    ),
    Case("ps --format json", f'{_LAB} docker container ls --format json | grep -c \'"Names":"lab"\'', "1"),
    Case("ps --filter paused", f"{_LAB} docker pause lab >/dev/null; docker ps --filter status=paused {_NAMES}", "lab"),
    Case(
        "ps --filter volume",
        f"docker create --name c1 -v data:/d busybox >/dev/null; docker ps -a --filter volume=data {_NAMES};"
        f" docker ps -a --filter volume=/d {_NAMES}",
        "c1 c1",
    ),
    Case(
        "ps --filter expose",
        f"docker run -d --name c1 --expose 80 busybox sleep 600 >/dev/null; docker ps -a --filter expose=80/tcp {_NAMES};"
        f" docker ps -a --filter expose=70-90 {_NAMES}",
        "c1 c1",
    ),
]


@each(SEEN, beside=_THREE)
def test_ps_of_the_scene(players: Players, case: Case) -> None:
    players.check(case)


@each(OWN)
def test_ps(players: Players, case: Case) -> None:
    players.check(case)
