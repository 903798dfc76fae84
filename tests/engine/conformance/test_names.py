"""Names and links: the docker command on this engine and on dockerd, with the same outcome."""

from dataclasses import replace

import pytest

from tests.engine.conformance.cases import Case, each
from tests.engine.conformance.players import Players

pytestmark = pytest.mark.requires_root

_NET = "docker network create --subnet 10.99.17.0/24 names >/dev/null;"
_DB = "docker run -d --name db --network names --network-alias store busybox sleep 600 >/dev/null;"
_WEB = "docker run -d --name web --network names busybox sleep 600 >/dev/null;"
_OLD = "docker run -d --name old --expose 80 -e COLOUR=red busybox sleep 600 >/dev/null;"
_ASK = "docker run --rm --network names busybox nslookup -type=a"
_END = "; docker rm -f db web old new other >/dev/null 2>&1; docker network rm names >/dev/null 2>&1; true"

NAMES = [
    Case("a name", f"{_NET} {_DB} {_ASK} db | tail -n +4 | grep Address{_END}", "Address: 10.99.17.2"),
    Case("an alias", f"{_NET} {_DB} {_ASK} store | tail -n +4 | grep Address{_END}", "Address: 10.99.17.2"),
    Case("in other letters", f"{_NET} {_DB} {_ASK} DB | tail -n +4 | grep Address{_END}", "Address: 10.99.17.2"),
    Case("by its network", f"{_NET} {_DB} {_ASK} db.names | tail -n +4 | grep Address{_END}", "Address: 10.99.17.2"),
    Case(
        "by its short id",
        f"{_NET} {_DB} {_ASK} $(docker ps -q -f name=db) | tail -n +4 | grep Address{_END}",
        "Address: 10.99.17.2",
    ),
    Case(
        "by its address",
        f"{_NET} {_DB} docker run --rm --network names busybox nslookup 10.99.17.2 | grep -o 'name = .*'{_END}",
        "name = db.names",
    ),
    Case(
        "no IPv6 address",
        f"{_NET} {_DB} docker run --rm --network names busybox nslookup -type=aaaa db | grep -c 'can.t find'{_END}",
        "0",
    ),
    Case(
        "ping by name",
        f"{_NET} {_DB} docker run --rm --network names busybox ping -c 1 store | grep -o '10.99.17.2' | head -1{_END}",
        "10.99.17.2",
    ),
    Case(
        "resolv.conf",
        f"{_NET} docker run --rm --network names --dns-search lab.example --dns-opt timeout:1 busybox cat /etc/resolv.conf"
        f" | sort{_END}",
        "nameserver 127.0.0.11 options timeout:1 ndots:0 search lab.example",
    ),
    Case(
        "ndots of one's own",
        f"{_NET} docker run --rm --network names --dns-opt ndots:3 busybox cat /etc/resolv.conf | grep options{_END}",
        "options ndots:3",
    ),
    Case(
        "resolv.conf after connect",
        f"{_NET} docker run -d --name other busybox sleep 600 >/dev/null; docker network connect names other;"
        f" docker exec other grep nameserver /etc/resolv.conf; docker network disconnect names other;"
        f" docker exec other grep nameserver /etc/resolv.conf{_END}",
        "nameserver 127.0.0.11 nameserver 127.0.0.11",
    ),
    Case(
        "a link on a network",
        f"{_NET} {_DB} docker run --rm --network names --link db:base busybox ping -c 1 base | grep -o '10.99.17.2'"
        f" | head -1{_END}",
        "10.99.17.2",
    ),
    Case(
        "a link on a network, inspected",
        f"{_NET} {_DB} docker create --name new --network names --link db:base busybox true >/dev/null;"
        f" docker inspect -f '{{{{json .HostConfig.Links}}}} {{{{json .NetworkSettings.Networks.names.Links}}}}' new{_END}",
        'null ["db:base"]',
    ),
    Case(
        "a link given with connect",
        f"{_NET} {_DB} docker run -d --name new busybox sleep 600 >/dev/null; docker network connect --link db:base names new;"
        f" docker exec new ping -c 1 base | grep -o '10.99.17.2' | head -1{_END}",
        "10.99.17.2",
    ),
    Case(
        "a link to nothing on a network",
        f"{_NET} docker run --rm --network names --link nosuch:x busybox echo runs{_END}",
        "runs",
    ),
    Case(
        "a link on the default bridge",
        f"{_OLD} docker run --rm --name new --link old:base busybox sh -c"
        f" 'env | grep ^BASE | sed s/172[.0-9]*/ADDRESS/ | sort; grep -c base /etc/hosts'{_END}",
        "BASE_ENV_COLOUR=red BASE_NAME=/new/base BASE_PORT=tcp://ADDRESS:80 BASE_PORT_80_TCP=tcp://ADDRESS:80"
        " BASE_PORT_80_TCP_ADDR=ADDRESS BASE_PORT_80_TCP_PORT=80 BASE_PORT_80_TCP_PROTO=tcp 1",
    ),
    Case(
        "a link on the default bridge, inspected",
        f"{_OLD} docker create --name new --link old:base --link old busybox true >/dev/null;"
        f" docker inspect -f '{{{{range .HostConfig.Links}}}}{{{{println .}}}}{{{{end}}}}' new | sort{_END}",
        "/old:/new/base /old:/new/old",
    ),
    Case(
        "a link on the default bridge, removed",
        f"{_OLD} docker run -d --name new --link old:base busybox sleep 600 >/dev/null; docker rm --link new/base;"
        " docker inspect -f '{{json .HostConfig.Links}}' new; docker restart -t 0 new >/dev/null;"
        f" docker exec new grep -c base /etc/hosts; docker rm --link new/base 2>&1 | grep -io 'no such'{_END}",
        ("new/base null 0 No such", "new/base null 0 no such"),
        why="messages are lower case here",
    ),
    Case(
        "a link to nothing on the default bridge",
        f"docker run --rm --link nosuch:x busybox true 2>&1 | grep -o 'could not get container for nosuch'{_END}",
        "could not get container for nosuch",
    ),
    Case(
        "a link to what does not run",
        f"{_OLD} docker stop -t 0 old >/dev/null;"
        f" docker run --name new --link old:x busybox true 2>&1 | grep -io 'cannot link to a non running container: .*'{_END}",
        (
            "Cannot link to a non running container: /old AS /new/x",
            "cannot link to a non running container: /old AS /new/x",
        ),
        why="messages are lower case here",
    ),
    Case(
        "a build's step on a network",
        f"{_NET} {_DB} printf 'FROM busybox\\nRUN ping -c 1 db\\n' | DOCKER_BUILDKIT=0 docker build --network names - 2>&1"
        f" | grep -o '10.99.17.2' | head -1{_END}",
        "10.99.17.2",
    ),
]


def _apart(number: int, case: Case) -> Case:
    """Engines that play at the same time share the host's routes, so each case has a subnet of its own."""
    says = case.says if isinstance(case.says, tuple) else case.says.replace("10.99.", f"10.{200 + number}.")
    return replace(case, script=case.script.replace("10.99.", f"10.{200 + number}."), says=says)


@each([_apart(number, case) for number, case in enumerate(NAMES)])
def test_names(players: Players, case: Case) -> None:
    players.check(case)
