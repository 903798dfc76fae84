"""Networks of users: the docker command on this engine and on dockerd, with the same outcome."""

from dataclasses import replace

import pytest

from tests.engine.conformance.cases import Case, each
from tests.engine.conformance.players import Players

pytestmark = pytest.mark.requires_root

_NET = "docker network create --subnet 10.99.7.0/24 net >/dev/null;"
_TWO = f"{_NET} docker network create --subnet 10.99.8.0/24 two >/dev/null;"
_LAB = "docker run -d --name lab --network net busybox sleep 600 >/dev/null;"
_END = "; docker rm -f lab other >/dev/null 2>&1; docker network rm net two >/dev/null 2>&1; true"

NETWORKS = [
    Case(
        "create and inspect",
        f"{_NET} docker network inspect -f '{{{{.Name}}}} {{{{.Driver}}}} {{{{.Internal}}}} {{{{json .IPAM.Config}}}}' net{_END}",
        ('net bridge false [{"Subnet":"10.99.7.0/24"}]', 'net bridge false [{"Subnet":"10.99.7.0/24","Gateway":"10.99.7.1"}]'),
        why="dockerd 20.10 shows the gateway once the network is in use",
    ),
    Case(
        "create an attachable one",
        f"docker network create --attachable net >/dev/null; docker network inspect -f '{{{{.Attachable}}}}' net{_END}",
        "true",
    ),
    Case("create twice", f"{_NET} docker network create net 2>&1 | grep -o 'already exists'{_END}", "already exists"),
    Case("create a predefined one", "docker network create bridge 2>&1 | grep -o 'not permitted'", "not permitted"),
    Case(
        "create on a subnet that is taken",
        f"{_NET} docker network create --subnet 10.99.0.0/16 two 2>&1 | grep -io 'pool overlaps with other one'{_END}",
        ("Pool overlaps with other one", "pool overlaps with other one"),
        why="messages are lower case here",
    ),
    Case(
        "an address of its own",
        f"{_NET} docker run --rm --network net --ip 10.99.7.9 busybox ip -4 -o addr show eth0 | grep -o '10.99.7.9/24'{_END}",
        "10.99.7.9/24",
    ),
    Case(
        "an address that is taken",
        f"{_NET} docker run -d --name lab --network net --ip 10.99.7.9 busybox sleep 600 >/dev/null;"
        f" docker run --name other --network net --ip 10.99.7.9 busybox true 2>&1 | grep -io 'address already in use'{_END}",
        ("Address already in use", "address already in use"),
        why="messages are lower case here",
    ),
    Case(
        "an address on the default bridge",
        f"docker run --name other --ip 10.99.7.9 busybox true 2>&1 | grep -o 'on user defined networks only'{_END}",
        "on user defined networks only",
    ),
    Case(
        "connect and disconnect while it runs",
        f"{_TWO} {_LAB} docker network connect --ip 10.99.8.5 two lab; docker exec lab ls /sys/class/net | grep eth;"
        f" docker exec lab cat /etc/hosts | grep -c '^10.99.'; docker network disconnect net lab;"
        f" docker exec lab ip -4 route | grep -o 'default via [0-9.]*';"
        f" docker inspect -f '{{{{range $k, $v := .NetworkSettings.Networks}}}}{{{{$k}}}}{{{{end}}}}' lab{_END}",
        "eth0 eth1 2 default via 10.99.8.1 two",
    ),
    Case(
        "connect before it runs",
        f"{_TWO} docker create --name lab --network net busybox ls /sys/class/net >/dev/null; docker network connect two lab;"
        f" docker start -a lab | grep eth{_END}",
        "eth0 eth1",
    ),
    Case("connect twice", f"{_NET} {_LAB} docker network connect net lab 2>&1 | grep -o 'already'{_END}", "already"),
    Case("connect to nothing", f"{_NET} {_LAB} docker network connect nosuch lab 2>&1 | grep -o 'not found'{_END}", "not found"),
    Case(
        "connect one without networks",
        f"{_NET} docker run -d --name lab --network none busybox sleep 600 >/dev/null;"
        f" docker network connect net lab 2>&1 | grep -o 'private (none) mode'{_END}",
        "private (none) mode",
    ),
    Case(
        "connect one that has been taken off none",
        f"{_NET} docker run -d --name lab --network none busybox sleep 600 >/dev/null; docker network disconnect none lab;"
        " docker network inspect -f '{{len .Containers}}' none; docker network connect --alias door net lab;"
        " docker exec lab ip -4 -o addr | grep -o '10.99.7.[0-9]*/24'; docker exec lab nslookup door | grep -c 10.99.7;"
        " docker restart -t 0 lab >/dev/null; docker exec lab ip -4 -o addr | grep -c 10.99.7;"
        " docker inspect -f '{{range $k, $v := .NetworkSettings.Networks}}{{$k}} {{end}}{{.HostConfig.NetworkMode}}'"
        f" lab{_END}",
        "0 10.99.7.2/24 1 1 net none",
    ),
    Case(
        "own names among the aliases for older clients",
        f"{_NET} docker run -d --name lab --network net --network-alias door busybox sleep 600 >/dev/null;"
        f" DOCKER_API_VERSION=1.41 docker inspect -f '{{{{json .NetworkSettings.Networks.net.Aliases}}}}' lab{_END}",
        '["door","ID"]',
    ),
    Case(
        "no own names among the aliases for older clients before the first start",
        f"{_NET} docker create --name lab --network net --network-alias door busybox sleep 600 >/dev/null;"
        f" DOCKER_API_VERSION=1.41 docker inspect -f '{{{{json .NetworkSettings.Networks.net.Aliases}}}}' lab{_END}",
        '["door"]',
    ),
    Case(
        "an alias that begins with a dash",
        f"{_NET} docker run -d --name lab --network net --network-alias=--door busybox sleep 600 >/dev/null;"
        f" docker inspect -f '{{{{.State.Running}}}} {{{{index .NetworkSettings.Networks.net.Aliases 0}}}}' lab{_END}",
        "true --door",
    ),
    Case(
        "connect to none and to the host's",
        f"{_NET} {_LAB} docker network connect none lab 2>&1 | grep -o 'private (none) mode';"
        f" docker network connect host lab 2>&1 | grep -o 'cannot be disconnected from host network';"
        f" docker network disconnect none lab 2>&1 | grep -o 'is not connected to'{_END}",
        "private (none) mode cannot be disconnected from host network is not connected to",
    ),
    Case(
        "remove one in use",
        f"{_NET} {_LAB} docker network rm net 2>&1 | grep -o 'has active endpoints'{_END}",
        "has active endpoints",
    ),
    Case("remove nothing", "docker network rm nosuch 2>&1 | grep -o 'not found'", ("not found", ""), why="other words"),
    Case("prune", f"{_TWO} {_LAB} docker network prune -f | tail -n +2{_END}", "two"),
    Case(
        "run on nothing", f"docker run --name other --network nosuch busybox true 2>&1 | grep -o 'not found'{_END}", "not found"
    ),
    Case(
        "list of those on a network",
        f"{_NET} {_LAB} docker ps --filter network=net --format '{{{{.Names}}}}';"
        f" docker network inspect -f '{{{{range .Containers}}}}{{{{.Name}}}} {{{{.IPv4Address}}}}{{{{end}}}}' net{_END}",
        "lab lab 10.99.7.2/24",
    ),
    Case(
        "events of a container on a network",
        f"S=$(date +%s.%N); {_NET} {_LAB} docker rm -f lab >/dev/null; docker network rm net >/dev/null;"
        " docker events --since $S --until $(date +%s.%N) --filter type=network"
        " --format '{{.Action}} {{.Actor.Attributes.name}}'",
        "create net connect net disconnect net destroy net",
    ),
]


def _apart(number: int, case: Case) -> Case:
    """Engines that play at the same time share the host's routes, so each case has subnets of its own."""

    def moved(text: str) -> str:
        return text.replace("10.99.", f"10.{100 + number}.")

    says = tuple(map(moved, case.says)) if isinstance(case.says, tuple) else moved(case.says)
    return replace(case, script=moved(case.script), says=says)


@each([_apart(number, case) for number, case in enumerate(NETWORKS)])
def test_networks(players: Players, case: Case) -> None:
    players.check(case)
