"""Compose 1.29 with networks of its own: the default one that it makes, and several with addresses and aliases."""

import shutil

import pytest

from tests.engine.conformance.cases import Case, each
from tests.engine.conformance.players import Players

pytestmark = [
    pytest.mark.requires_root,
    pytest.mark.skipif(shutil.which("docker-compose") is None, reason="docker-compose is not installed (Debian: docker-compose)"),
]

_PLAIN = """
version: "3.8"
services:
  db: {image: busybox, command: sh -c 'echo db up; sleep 600', volumes: ["data:/data"]}
  web: {image: busybox, command: sh -c 'echo web up; sleep 600', depends_on: [db]}
volumes: {data: {}}
"""
_SEVERAL = """
version: "3.8"
services:
  web:
    image: busybox
    command: sleep 600
    networks: {back: {ipv4_address: 10.98.7.9, aliases: [api]}, front: {}}
networks:
  back: {internal: true, ipam: {config: [{subnet: 10.98.7.0/24}]}}
  front: {labels: {side: front}}
"""
_IN = "docker-compose -p nets"
_DOWN = f"; {_IN} down -v -t 0 >/dev/null 2>&1; docker network ls -q --filter name=nets_"


def _file(text: str) -> str:
    return f"cat >docker-compose.yml <<'END'\n{text}END\n{_IN} up -d >/dev/null 2>&1;"


PROJECTS = [
    Case(
        "the default network",
        f"{_file(_PLAIN)} docker network ls --filter name=nets_default --format '{{{{.Name}}}} {{{{.Driver}}}}';"
        f" {_IN} ps --services --filter status=running | sort; docker network inspect -f '{{{{len .Containers}}}}' nets_default;"
        f" {_IN} exec -T web ls /sys/class/net; {_IN} logs --no-color --tail 1 | grep -c up{_DOWN}",
        "nets_default bridge db web 2 eth0 lo 2",
    ),
    Case(
        "up again changes nothing",
        f'{_file(_PLAIN)} A=$(docker ps -q); {_IN} up -d >/dev/null 2>&1; test "$A" = "$(docker ps -q)" && echo same{_DOWN}',
        "same",
    ),
    Case(
        "stop and start",
        f"{_file(_PLAIN)} {_IN} stop -t 0 >/dev/null 2>&1; {_IN} start >/dev/null 2>&1;"
        f" docker network inspect -f '{{{{len .Containers}}}}' nets_default{_DOWN}",
        "2",
    ),
    Case(
        "several networks with an address and an alias",
        f"{_file(_SEVERAL)} {_IN} exec -T web ip -4 -o addr | grep -o '10.98.7.9/24'; {_IN} exec -T web ls /sys/class/net;"
        " docker inspect -f '{{range $k, $v := .NetworkSettings.Networks}}{{$k}} {{end}}' nets_web_1;"
        f" docker network inspect -f '{{{{.Internal}}}} {{{{.Labels.side}}}}' nets_back nets_front{_DOWN}",
        "10.98.7.9/24 eth0 eth1 lo nets_back nets_front true <no value> false front",
    ),
]


@each(PROJECTS)
def test_compose_with_networks(players: Players, case: Case) -> None:
    players.check(case)
