"""Published ports: the docker command on this engine and on dockerd, with the same outcome.

What dockerd publishes on all IPv6 addresses by a proxy is left out of what it says: here that takes a container with IPv6.
"""

import pytest

from tests.engine.conformance.cases import Case, each
from tests.engine.conformance.players import Players

pytestmark = pytest.mark.requires_root

_RUN = "docker run -d --name lab {} busybox sleep 600 >/dev/null;"
_IPV4 = " | grep -v '\\[::'"
_PORTS = "docker ps --format '{{.Ports}}' | sed 's/, \\[::[^,]*//g'"
_CLEAR = "; docker rm -f lab other >/dev/null 2>&1; true"
_SETTINGS = "docker inspect -f '{{json .NetworkSettings.Ports}}' lab | sed 's/,{\"HostIp\":\"::\",[^}]*}//g'"
_FAILED = "driver failed programming external connectivity on endpoint other"
_OTHER = "docker run -d --name other {} busybox sleep 600 2>&1 >/dev/null | grep -o '{}'"


def _host(fields: str) -> str:
    return f"docker inspect -f '{{{{json .HostConfig.{fields}}}}}' lab"


PORTS = [
    Case(
        "one port",
        f"{_RUN.format('-p 23101:80')} docker port lab{_IPV4}; {_PORTS}{_CLEAR}",
        "80/tcp -> 0.0.0.0:23101 0.0.0.0:23101->80/tcp",
    ),
    Case(
        "on one address and by UDP",
        f"{_RUN.format('-p 127.0.0.2:23102:80 -p 127.0.0.3:23103:53/udp')}"
        f" docker port lab; docker port lab 53/udp; {_PORTS}{_CLEAR}",
        "53/udp -> 127.0.0.3:23103 80/tcp -> 127.0.0.2:23102 127.0.0.3:23103 127.0.0.3:23103->53/udp, 127.0.0.2:23102->80/tcp",
    ),
    Case(
        "several places for one port",
        f"{_RUN.format('-p 23104:80 -p 23105:80')} docker port lab 80{_IPV4} | sort{_CLEAR}",
        "0.0.0.0:23104 0.0.0.0:23105",
    ),
    Case(
        "range to range",
        f"{_RUN.format('-p 23106-23108:80-82')} docker port lab{_IPV4}{_CLEAR}",
        "80/tcp -> 0.0.0.0:23106 81/tcp -> 0.0.0.0:23107 82/tcp -> 0.0.0.0:23108",
    ),
    Case(
        "the first free one of a range",
        f"{_RUN.format('-p 23109-23110:80')} docker run -d --name other -p 23109-23110:80 busybox sleep 600 >/dev/null;"
        f" docker port lab 80{_IPV4}; docker port other 80{_IPV4}; {_host('PortBindings')}{_CLEAR}",
        '0.0.0.0:23109 0.0.0.0:23110 {"80/tcp":[{"HostIp":"","HostPort":"23109-23110"}]}',
    ),
    Case(
        "any port",
        f"{_RUN.format('-p 80')} docker port lab 80{_IPV4} | grep -c '^0.0.0.0:[1-9][0-9]*$'; {_host('PortBindings')}{_CLEAR}",
        '1 {"80/tcp":[{"HostIp":"","HostPort":""}]}',
    ),
    Case(
        "all that is exposed",
        f"{_RUN.format('-P --expose 80 --expose 7000-7001/udp')} docker port lab{_IPV4} | sed 's/:[0-9]*$//';"
        f" {_host('PublishAllPorts')}{_CLEAR}",
        "80/tcp -> 0.0.0.0 7000/udp -> 0.0.0.0 7001/udp -> 0.0.0.0 true",
    ),
    Case(
        "all that an image exposes",
        "printf 'FROM busybox\\nEXPOSE 80 53/udp\\nCMD sleep 600\\n' | docker build -q -t ports - >/dev/null;"
        f" docker run -d --name lab -P ports >/dev/null; docker port lab{_IPV4} | sed 's/:[0-9]*$//'{_CLEAR}",
        "53/udp -> 0.0.0.0 80/tcp -> 0.0.0.0",
    ),
    Case(
        "exposed and not published",
        f"{_RUN.format('--expose 81 -p 23111:80')} {_SETTINGS}; {_PORTS}; docker port lab 81{_CLEAR}",
        '{"80/tcp":[{"HostIp":"0.0.0.0","HostPort":"23111"}],"81/tcp":null} 81/tcp, 0.0.0.0:23111->80/tcp',
        complaint="no public port '81",
    ),
    Case(
        "a container that has ended",
        f"{_RUN.format('-p 23112:80')} docker stop -t 0 lab >/dev/null; docker port lab; {_SETTINGS};"
        f" docker ps -a --format '[{{{{.Ports}}}}]'; {_host('PortBindings')}{_CLEAR}",
        '{} [] {"80/tcp":[{"HostIp":"","HostPort":"23112"}]}',
    ),
    Case(
        "a port of another container",
        f"{_RUN.format('-p 23113:80')} {_OTHER.format('-p 23113:80', _FAILED)};"
        " docker inspect -f '{{.State.Status}} {{.State.ExitCode}}' other;"
        " docker start other 2>&1 | grep -o 'Bind for 0.0.0.0:23113 failed: port is already allocated';"
        f" docker rm -f lab >/dev/null; docker start other; docker port other 80{_IPV4}{_CLEAR}",
        f"{_FAILED} created 128 Bind for 0.0.0.0:23113 failed: port is already allocated other 0.0.0.0:23113",
    ),
    Case(
        "an address that the host does not have",
        _OTHER.format("-p 10.254.254.254:80:80", "cannot assign requested address") + _CLEAR,
        "cannot assign requested address",
    ),
    Case(
        "restart and a new start",
        f"{_RUN.format('-p 23114:80')} docker restart -t 0 lab >/dev/null; docker port lab 80{_IPV4}; docker kill lab >/dev/null;"
        f" docker wait lab >/dev/null; docker start lab >/dev/null; docker port lab 80{_IPV4}{_CLEAR}",
        "0.0.0.0:23114 0.0.0.0:23114",
    ),
    Case(
        "without a network",
        f"{_RUN.format('--network none -p 23115:80')} {_SETTINGS}; {_host('PortBindings')}{_CLEAR}",
        '{} {"80/tcp":[{"HostIp":"","HostPort":"23115"}]}',
    ),
    Case(
        "on a network without a way out",
        f"docker network create --internal inner >/dev/null; {_RUN.format('--network inner -p 23116:80')} {_SETTINGS}; "
        f" docker port lab; docker rm -f lab >/dev/null; docker network rm inner{_CLEAR}",
        "{} inner",
    ),
    Case(
        "on the network of another",
        f"{_RUN.format('')} docker run --network container:lab -p 80:80 busybox true 2>&1 | grep -o 'port publishing and';"
        f" docker run --network container:lab --expose 80 busybox true 2>&1 | grep -o 'port exposing and'{_CLEAR}",
        "port publishing and port exposing and",
    ),
    Case(
        "filters",
        f"{_RUN.format('-p 23117:80 --expose 99')}"
        " for f in publish=23117 publish=23117/tcp publish=23117/udp publish=80 publish=23110-23120 expose=80 expose=98;"
        f' do docker ps --filter $f --format "$f {{{{.Names}}}}"; done{_CLEAR}',
        "publish=23117 lab publish=23117/tcp lab publish=23110-23120 lab expose=80 lab",
    ),
    Case(
        "a port that is none",
        'ask() { curl -s --unix-socket ${DOCKER_HOST#unix://} -H "Content-Type: application/json" -d "$1"'
        ' http://d/v1.41/containers/create | grep -o "invalid port specification"; };'
        ' ask \'{"Image":"busybox","HostConfig":{"PortBindings":{"foo":[{}]}}}\';'
        ' ask \'{"Image":"busybox","HostConfig":{"PortBindings":{"80/tcp":[{"HostPort":"99999"}]}}}\'',
        "invalid port specification invalid port specification",
    ),
]


@each(PORTS)
def test_ports(players: Players, case: Case) -> None:
    players.check(case)
