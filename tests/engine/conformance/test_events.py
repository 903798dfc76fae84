"""events: which there are, in which order, and which of them a filter lets through."""

import pytest

from tests.engine.conformance.cases import Case, each
from tests.engine.conformance.players import Players

pytestmark = pytest.mark.requires_root

_LAB = "docker run -d --name lab -l k=v busybox sleep 600 >/dev/null;"
_FRESH = "docker create --name fresh busybox true >/dev/null;"
_LIFE = "docker run --name e1 -l k=v busybox sh -c 'exit 2'; docker rm e1 >/dev/null;"
_ACTIONS = "--format '{{.Type}} {{.Action}}'"

EVENTS = [
    Case(
        "events until",
        f"S=$(date +%s.%N); {_LIFE} docker events --since $S --until $(date +%s.%N) --filter type=container --filter"
        f" container=e1 {_ACTIONS}",
        "container create container attach container start container die container destroy",
    ),
    Case(
        "events since the beginning",
        f"{_LAB} docker events --since 0 --until $(date +%s.%N) --filter container=lab --filter event=start {_ACTIONS} | tail -1",
        "container start",
    ),
    Case(
        "events without a beginning",
        f"{_LAB} docker events --until $(date +%s.%N) --filter container=lab --filter event=start {_ACTIONS} | tail -1",
        "container start",
    ),
    Case("events ended by their time", "docker events --since 2s --until 1s --filter container=none"),
    Case(
        "events by label",
        f"S=$(date +%s.%N); {_LIFE} {_FRESH} docker events --since $S --until $(date +%s.%N) --filter label=k=v --filter"
        f" event=create {_ACTIONS}",
        "container create",
    ),
    Case(
        "events by image",
        f"S=$(date +%s.%N); {_LIFE} docker events --since $S --until $(date +%s.%N) --filter image=busybox --filter event=die"
        f" {_ACTIONS}",
        "container die",
    ),
    Case(
        "events carry the exit code",
        f"S=$(date +%s.%N); {_LIFE} docker events --since $S --until $(date +%s.%N) --filter event=die --format"
        f" '{{{{.Actor.Attributes.exitCode}}}}{{{{.Actor.Attributes.k}}}}'",
        "2v",
    ),
    Case(
        "events as json",
        f"S=$(date +%s.%N); {_LIFE} docker events --since $S --until $(date +%s.%N) --filter event=start --format json | grep"
        f' -c \'"Action":"start"\'',
        "1",
    ),
    Case(
        "events followed",
        f"docker events --since $(date +%s.%N) --filter event=create --until $(date -d '+2 sec' +%s) {_ACTIONS} >ev & sleep"
        f" .5; {_FRESH} wait; cat ev",
        "container create",
    ),
    Case(
        "events of a stop",
        f"S=$(date +%s.%N); {_LAB} docker stop -t 0 lab >/dev/null;"
        f" docker events --since $S --until $(date +%s.%N) --filter container=lab {_ACTIONS}",
        "container create container start container kill container kill container die container stop",
        why="",
    ),
    Case(
        "events of a life in their order",
        "S=$(date +%s.%N); docker run --rm -v v1:/d busybox true;"
        f" docker events --since $S --until $(date +%s.%N) --filter event=connect --filter event=start --filter event=die"
        f" --filter event=disconnect --filter event=unmount --filter event=destroy {_ACTIONS}",
        "network connect container start container die network disconnect volume unmount container destroy",
    ),
    Case(
        "events of a kill carry the signal",
        f"S=$(date +%s.%N); {_LAB} docker kill -s USR1 lab >/dev/null;"
        f" docker events --since $S --until $(date +%s.%N) --filter event=kill --format '{{{{.Actor.Attributes.signal}}}}'",
        "10",
    ),
    Case(
        "events of a pause",
        f"S=$(date +%s.%N); {_LAB} docker pause lab >/dev/null; docker unpause lab >/dev/null;"
        f" docker events --since $S --until $(date +%s.%N) --filter event=pause --filter event=unpause {_ACTIONS}",
        "container pause container unpause",
    ),
    Case(
        "events of a restart",
        f"S=$(date +%s.%N); {_LAB} docker restart -t 0 lab >/dev/null;"
        f" docker events --since $S --until $(date +%s.%N) --filter event=restart --filter event=die --filter event=start"
        f" {_ACTIONS}",
        "container start container die container start container restart",
    ),
    Case(
        "events of an exec",
        f"S=$(date +%s.%N); {_LAB} docker exec lab true; sleep .2;"
        f" docker events --since $S --until $(date +%s.%N) --filter container=lab {_ACTIONS}",
        "container create container start container exec_create: true container exec_start: true container exec_die",
    ),
    Case(
        "events of the rest",
        f"S=$(date +%s.%N); {_LAB} docker rename lab l2; docker top l2 >/dev/null;"
        f" docker update -m 64m --memory-swap 128m l2 >/dev/null; docker export l2 >/dev/null;"
        f" docker cp l2:/etc/passwd - >/dev/null; docker commit l2 im1 >/dev/null;"
        f" docker events --since $S --until $(date +%s.%N) --filter type=container {_ACTIONS}",
        "container create container start container rename container top container update container export container"
        " archive-path container pause"
        " container commit container unpause",
    ),
    Case(
        "events of volumes",
        "S=$(date +%s.%N); docker volume create v1 >/dev/null; docker run --rm -v v1:/d busybox true;"
        " docker volume rm v1 >/dev/null; docker events --since $S --until $(date +%s.%N) --filter type=volume " + _ACTIONS,
        (
            "volume create volume mount volume unmount volume destroy",
            "volume create volume create volume mount volume unmount volume destroy",
        ),
        why="20.10 tells of a volume again when a container is created on it",
    ),
    Case(
        "events of an out of memory",
        "S=$(date +%s.%N); docker run --name c1 -m 16m --memory-swap 16m busybox sh -c 'head -c 64m /dev/zero | tail >/dev/null';"
        f" docker events --since $S --until $(date +%s.%N) --filter event=oom {_ACTIONS} | sort -u",
        "container oom",
        code=0,
    ),
    Case("events with a bad time", "docker events --since bogus", "", "", 1),
]


@each(EVENTS)
def test_events(players: Players, case: Case) -> None:
    players.check(case)
