"""inspect: what it tells, its defaults, and of what is missing."""

import pytest

from tests.engine.conformance.cases import Case, each
from tests.engine.conformance.players import Players

pytestmark = pytest.mark.requires_root

_LAB = "docker run -d --name lab -l k=v busybox sleep 600 >/dev/null;"
_DONE = "docker run --name done -l k=w busybox sh -c 'exit 3';"
_FRESH = "docker create --name fresh busybox true >/dev/null;"
_THREE = f"{_LAB} {_DONE} {_FRESH}"

# Of the containers of the scene.
SEEN = [
    Case("inspect two", "docker inspect -f '{{.Name}}' lab done", "/lab /done"),
    Case("inspect one missing", "docker inspect -f '{{.Name}}' nosuch lab | grep /", "/lab", "no such object: nosuch"),
    Case("container inspect missing", "docker container inspect none", "[]", "no such container: none", 1),
    Case("inspect --type", "docker inspect --type container busybox", "[]", "no such container: busybox", 1),
    Case("inspect without size", "docker inspect lab | grep -c SizeRw", "0", code=1),
    Case("inspect -f with an unknown field", "docker inspect -f '{{.Bogus}}' lab", "", "bogus", 1),
    Case(
        "times",
        "docker inspect -f '{{.Created}} {{.State.StartedAt}} {{.State.FinishedAt}}' lab",
        "TIME TIME TIME",
    ),
    Case(
        "times that are not yet",
        "docker inspect -f '{{.State.StartedAt}} {{.State.FinishedAt}}' fresh | grep -o 0001-01-01T00:00:00Z | wc -l",
        "2",
    ),
    Case(
        "the end of the run before stays told while the next goes on",
        "docker run -d --name xx busybox sleep 600 >/dev/null; docker inspect -f '{{.State.FinishedAt}}' xx | grep -c ^0001;"
        " docker restart -t 0 xx >/dev/null; docker inspect -f '{{.State.Running}}{{.State.FinishedAt}}' xx | grep -c ^true2;"
        " docker rm -f xx >/dev/null",
        "1 1",
    ),
    Case(
        "what runs",
        "docker inspect -f '{{.Path}} {{.Args}} {{.Config.Image}} {{.Driver}} {{.Platform}}' lab",
        "sleep [600] busybox overlay2 linux",
    ),
    Case(
        "the image",
        "test $(docker inspect -f '{{.Image}}' lab) = $(docker inspect -f '{{.Id}}' busybox) && echo same",
        "same",
    ),
    Case("the pid", "P=$(docker inspect -f '{{.State.Pid}}' lab); tr '\\0' ' ' </proc/$P/cmdline", "sleep 600"),
    *(
        Case(f"the default {field}", f"docker inspect -f '{{{{json .HostConfig.{field}}}}}' fresh", value)
        for field, value in (
            ("AutoRemove", "false"),
            ("Binds", "null"),
            ("CapAdd", "null"),
            ("Memory", "0"),
            ("NanoCpus", "0"),
            ("Privileged", "false"),
            ("PublishAllPorts", "false"),
            ("ReadonlyRootfs", "false"),
            ("ShmSize", "67108864"),
            ("IpcMode", '"private"'),
            ("PidMode", '""'),
            ("UTSMode", '""'),
            ("VolumesFrom", "null"),
            ("OomScoreAdj", "0"),
            ("CpuShares", "0"),
            ("SecurityOpt", "null"),
        )
    ),
    *(
        Case(f"the default Config.{field}", f"docker inspect -f '{{{{json .Config.{field}}}}}' fresh", value)
        for field, value in (
            ("AttachStdin", "false"),
            ("Tty", "false"),
            ("OpenStdin", "false"),
            ("StdinOnce", "false"),
            ("Entrypoint", "null"),
            ("User", '""'),
            ("WorkingDir", '""'),
            ("Labels", "{}"),
            ("Volumes", "null"),
            ("Domainname", '""'),
        )
    ),
]

OWN = [
    Case(
        "inspect --size",
        f"{_LAB} docker exec lab sh -c 'head -c 1000 /dev/zero >/z'; docker inspect -s -f '{{{{.SizeRw}}}}' lab",
        "1000",
    ),
    Case("execs", f"{_LAB} docker exec -d lab sleep 600; docker inspect -f '{{{{len .ExecIDs}}}}' lab", "1"),
    Case(
        "the address",
        f"{_LAB} A=$(docker inspect -f '{{{{.NetworkSettings.Networks.bridge.IPAddress}}}}' lab);"
        f' docker exec lab ip addr show eth0 | grep -c "inet $A/"',
        "1",
    ),
]


@each(SEEN, beside=_THREE)
def test_inspect_of_the_scene(players: Players, case: Case) -> None:
    players.check(case)


@each(OWN)
def test_inspect(players: Players, case: Case) -> None:
    players.check(case)
