"""IPv6, hardware addresses, shared networks and those that nobody made: on this engine and on dockerd, with the same outcome."""

from dataclasses import replace

import pytest

from tests.engine.conformance.cases import Case, each
from tests.engine.conformance.players import Players

pytestmark = pytest.mark.requires_root

_NET = "docker network create --subnet 10.99.7.0/24 net >/dev/null;"
_SIX = "docker network create --ipv6 --subnet 10.99.7.0/24 --subnet fd99:7::/64 net >/dev/null;"
_LAB = "docker run -d --name lab --network net busybox sleep 600 >/dev/null;"
_END = "; docker rm -f lab other >/dev/null 2>&1; docker network rm net two >/dev/null 2>&1; true"
_OLD = "the client sends a hardware address to newer daemons only"
_LOWER = "messages are lower case here"
_ADDRESS = "grep -oE 'inet6? (10|fd)[^ ]*'"

CASES = [
    Case(
        "networks that are there",
        "docker network ls --filter type=builtin --format '{{.Name}} {{.Driver}} {{.Scope}}'",
        "bridge bridge local host host local none null local",
    ),
    Case(
        "inspect of none and host",
        "docker network inspect -f '{{.Name}} {{.Driver}} {{.EnableIPv6}} {{.Internal}} {{json .IPAM.Config}}' none host",
        "none null false false [] host host false false []",
    ),
    Case("list by driver", f"{_NET} docker network ls --filter driver=null --format '{{{{.Name}}}}'{_END}", "none"),
    Case(
        "who is on none",
        "docker run -d --name lab --network none busybox sleep 600 >/dev/null;"
        " docker network inspect -f '{{range .Containers}}{{.Name}} {{.IPv4Address}}{{end}}' none;"
        f" docker inspect -f '{{{{range $k, $v := .NetworkSettings.Networks}}}}{{{{$k}}}}{{{{end}}}}' lab{_END}",
        "lab none",
    ),
    Case("remove none", "docker network rm none 2>&1 | grep -o 'pre-defined network'", "pre-defined network"),
    Case(
        "subnets of both kinds",
        f"{_SIX} docker network inspect -f '{{{{.EnableIPv6}}}} {{{{range .IPAM.Config}}}}{{{{.Subnet}}}} {{{{end}}}}' net{_END}",
        "true 10.99.7.0/24 fd99:7::/64",
    ),
    Case(
        "addresses of both kinds",
        f"{_SIX} docker run -d --name lab --network net --ip6 fd99:7::9 busybox sleep 600 >/dev/null;"
        f" docker exec lab ip addr show eth0 | {_ADDRESS};"
        " docker exec lab ip -6 route | grep -o 'default via [0-9a-f:]*';"
        f" docker inspect -f '{{{{range .NetworkSettings.Networks}}}}{{{{.GlobalIPv6Address}}}} {{{{.GlobalIPv6PrefixLen}}}}"
        f" {{{{.IPv6Gateway}}}} {{{{.IPAMConfig.IPv6Address}}}}{{{{end}}}}' lab;"
        f" docker network inspect -f '{{{{range .Containers}}}}{{{{.IPv6Address}}}}{{{{end}}}}' net{_END}",
        "inet 10.99.7.2/24 inet6 fd99:7::9/64 default via fd99:7::1 fd99:7::9 64 fd99:7::1 fd99:7::9 fd99:7::9/64",
    ),
    Case(
        "connect with an address of IPv6",
        f"{_SIX} docker run -d --name lab busybox sleep 600 >/dev/null; docker network connect --ip6 fd99:7::77 net lab;"
        f" docker exec lab ip -6 addr show eth1 | {_ADDRESS}{_END}",
        "inet6 fd99:7::77/64",
    ),
    Case(
        "an address of IPv6 that is taken",
        f"{_SIX} docker run -d --name lab --network net --ip6 fd99:7::9 busybox sleep 600 >/dev/null;"
        f" docker run --name other --network net --ip6 fd99:7::9 busybox true 2>&1 | grep -io 'address already in use'{_END}",
        ("Address already in use", "address already in use"),
        why=_LOWER,
    ),
    Case(
        "containers speak by IPv6",
        f"{_SIX} {_LAB} docker run --name other --network net busybox ping -6 -c 1 -W 9 fd99:7::2"
        f" | grep -o '1 packets received'{_END}",
        "1 packets received",
    ),
    Case(
        "an auxiliary address and a range",
        "docker network create --subnet 10.99.7.0/24 --gateway 10.99.7.1 --ip-range 10.99.7.64/26"
        " --aux-address keep=10.99.7.64 net >/dev/null;"
        f" {_LAB} docker exec lab ip -4 addr show eth0 | {_ADDRESS};"
        f" docker network inspect -f '{{{{json (index .IPAM.Config 0).AuxiliaryAddresses}}}}' net{_END}",
        'inet 10.99.7.65/24 {"keep":"10.99.7.64"}',
    ),
    Case(
        "a name that begins with an underscore",
        "docker network create _net >/dev/null; docker network inspect -f '{{.Name}}' _net; docker network rm _net",
        "_net _net",
    ),
    Case(
        "a hardware address",
        f"{_NET} docker run -d --name lab --network net --mac-address 02:42:99:00:00:07 busybox sleep 600 >/dev/null;"
        f" docker exec lab ip link show eth0 | grep -o '02:42:99:00:00:07';"
        f" docker inspect -f '{{{{range .NetworkSettings.Networks}}}}{{{{.MacAddress}}}}{{{{end}}}}' lab;"
        " docker restart -t 0 lab >/dev/null; docker exec lab ip link show eth0 | grep -o '02:42:99:00:00:07'" + _END,
        "02:42:99:00:00:07 02:42:99:00:00:07 02:42:99:00:00:07",
        only="atelier",
        why=_OLD,
    ),
    Case(
        "a hardware address on the default bridge",
        "docker run --rm --mac-address 02:42:99:00:00:08 busybox ip link show eth0 | grep -o '02:42:99:00:00:08'",
        "02:42:99:00:00:08",
        only="atelier",
        why=_OLD,
    ),
    Case(
        "no hardware address",
        "docker create --mac-address 02:42:99 busybox true 2>&1 | grep -o '02:42:99 is not a valid mac address'",
        "02:42:99 is not a valid mac address",
    ),
    Case(
        "the id of the network of one that has stopped",
        f"{_NET} {_LAB} docker stop -t 0 lab >/dev/null;"
        f" [ $(docker inspect -f '{{{{.NetworkSettings.Networks.net.NetworkID}}}}' lab) ="
        f" $(docker network inspect -f '{{{{.Id}}}}' net) ]"
        f" && docker inspect -f 'same {{{{.NetworkSettings.Networks.net.EndpointID}}}}.' lab{_END}",
        "same .",
    ),
    Case(
        "the network of another container",
        f"{_NET} {_LAB} docker run --rm --name other --network container:lab busybox ip -4 addr show eth0 | {_ADDRESS};"
        " docker run --rm --network container:lab busybox cat /etc/hostname"
        " | grep -c $(docker inspect -f '{{.Config.Hostname}}' lab)"
        f"{_END}",
        "inet 10.99.7.2/24 1",
    ),
    Case(
        "shared files of the network",
        f"{_NET} {_LAB} docker exec lab sh -c 'echo 10.9.9.9 mine >>/etc/hosts';"
        f" docker run --rm --network container:lab busybox grep -c mine /etc/hosts{_END}",
        "1",
    ),
    Case(
        "inspect of one that shares a network",
        f"{_NET} {_LAB} docker run -d --name other --network container:lab busybox sleep 600 >/dev/null;"
        f" docker inspect -f '{{{{.HostConfig.NetworkMode}}}} {{{{json .NetworkSettings.Networks}}}}' other{_END}",
        "container:ID {}",
    ),
    Case(
        "the network of one that does not run",
        f"docker create --name lab busybox true >/dev/null; docker run --name other --network container:lab busybox true 2>&1"
        f" | grep -o 'cannot join network of a non running container'{_END}",
        "cannot join network of a non running container",
    ),
    Case(
        "the network of one that is started again",
        f"{_NET} {_LAB} docker run -d --name other --network container:lab busybox sleep 600 >/dev/null;"
        f" docker restart -t 0 lab other >/dev/null; docker exec other ip -4 addr show eth0 | grep -c 'inet 10.99.7.'{_END}",
        "1",
    ),
    *(
        Case(
            f"a shared network with {option}",
            f"docker create --name lab busybox true >/dev/null;"
            f" docker create --name other --network container:lab {option} busybox true 2>&1 | grep -o '{words}'{_END}",
            words,
        )
        for option, words in (
            ("--hostname mine", "conflicting options: hostname and the network mode"),
            ("-p 23456:80", "conflicting options: port publishing and the container type network mode"),
            ("--expose 80", "conflicting options: port exposing and the container type network mode"),
            ("--dns 10.0.0.1", "conflicting options: dns and the network mode"),
            ("--add-host a:10.0.0.1", "conflicting options: custom host-to-IP mapping and the network mode"),
        )
    ),
    Case(
        "connect one that shares a network",
        f"{_NET} docker run -d --name lab busybox sleep 600 >/dev/null;"
        " docker run -d --name other --network container:lab busybox sleep 600 >/dev/null;"
        f" docker network connect net other 2>&1 | grep -o 'cannot be connected to any other network'{_END}",
        "cannot be connected to any other network",
    ),
    Case(
        "the network of the host",
        "docker run --rm --network host busybox ls /sys/class/net | grep -c '^lo$';"
        " [ $(docker run --rm --network host busybox hostname) = $(hostname) ] && echo same",
        "1 same",
    ),
    Case(
        "who is on the host's network",
        "docker run -d --name lab --network host busybox sleep 600 >/dev/null;"
        f" docker network inspect -f '{{{{range .Containers}}}}{{{{.Name}}}}{{{{end}}}}' host{_END}",
        "lab",
    ),
    Case(
        "ports on the host's network",
        "docker run -d --name lab --network host -p 23457:80 busybox sleep 600 2>&1"
        f" | grep -o 'discarded when using host network mode'{_END}",
        "discarded when using host network mode",
    ),
    Case(
        "disconnect and connect with another address",
        f"{_NET} {_LAB} docker network disconnect net lab; docker network connect --ip 10.99.7.99 --alias db net lab;"
        f" docker exec lab ip -4 addr show | {_ADDRESS};"
        f" docker inspect -f '{{{{index .NetworkSettings.Networks.net.Aliases 0}}}}"
        f" {{{{.NetworkSettings.Networks.net.IPAMConfig.IPv4Address}}}}' lab{_END}",
        "inet 10.99.7.99/24 db 10.99.7.99",
    ),
    Case(
        "a bridge by its name",
        "docker network create --subnet 10.99.7.0/24 -o com.docker.network.bridge.name=brCASE99 net >/dev/null;"
        f" ip -4 addr show brCASE99 | {_ADDRESS};"
        f" docker network inspect -f '{{{{index .Options \"com.docker.network.bridge.name\"}}}}' net{_END}",
        "inet 10.99.7.1/24 brCASE99",
        only="atelier",
        why="the dockerd of the tests has a network namespace of its own",
    ),
]


def _apart(number: int, case: Case) -> Case:
    """Engines that play at the same time share the host's routes, so each case has subnets of its own."""

    def moved(text: str) -> str:
        return (
            text.replace("10.99.", f"10.{150 + number}.").replace("fd99:", f"fd99:{number:x}:").replace("CASE99", f"case{number}")
        )

    says = tuple(map(moved, case.says)) if isinstance(case.says, tuple) else moved(case.says)
    return replace(case, script=moved(case.script), says=says)


@each([_apart(number, case) for number, case in enumerate(CASES)])
def test_networks(players: Players, case: Case) -> None:
    players.check(case)
