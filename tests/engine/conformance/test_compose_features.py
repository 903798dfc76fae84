"""Compose 1.29 beyond the plain project: names, aliases, links, ports, profiles, what is external, secrets, shared networks."""

import shutil

import pytest

from tests.engine.conformance.cases import Case, each
from tests.engine.conformance.players import Players

pytestmark = [
    pytest.mark.requires_root,
    pytest.mark.skipif(shutil.which("docker-compose") is None, reason="docker-compose is not installed (Debian: docker-compose)"),
]

# Each case has a project of its own name, as several are played at once on one daemon.
_REACHES = "reaches() { dc exec -T $1 ping -c 1 -W 2 $2 >/dev/null 2>&1 && echo $2; }; "


def _project(name: str, text: str, script: str, *, files: str = "", options: str = "") -> str:
    """A file of Compose, brought up, asked, and taken down with all that it made."""
    return (
        f"{files}\ncat >docker-compose.yml <<'END'{text}END\n"
        f'dc() {{ docker-compose -p {name} {options} "$@"; }}; {_REACHES}\n'
        f"dc up -d >up.log 2>&1 || {{ cat up.log >&2; exit 90; }}\n{script}\ncode=$?\n"
        f"dc down -v -t 0 >/dev/null 2>&1; docker network ls -q --filter name={name}_; exit $code"
    )


_SLEEP = "image: busybox, command: sleep 600"

CASES = [
    Case(
        "services reach each other by the service's and the container's name",
        _project(
            "names",
            f"\nservices:\n  db: {{{_SLEEP}}}\n  web: {{{_SLEEP}}}\n",
            "reaches web db; reaches web names_db_1; reaches db web; reaches web nosuch || true",
        ),
        "db names_db_1 web",
    ),
    Case(
        "a service of two containers has both addresses",
        _project(
            "scaled",
            f"\nservices:\n  db: {{{_SLEEP}}}\n  web: {{{_SLEEP}}}\n",
            "dc up -d --scale db=2 >/dev/null 2>&1; dc exec -T web nslookup -type=a db 2>/dev/null"
            " | sed -n '/^Name/,$p' | grep -c '^Address'",
        ),
        "2",
    ),
    Case(
        "a name is gone with its container",
        _project(
            "gone",
            f"\nservices:\n  db: {{{_SLEEP}}}\n  web: {{{_SLEEP}}}\n",
            "reaches web db; dc stop -t 0 db >/dev/null 2>&1; reaches web db; dc start db >/dev/null 2>&1; reaches web db",
        ),
        "db db",
    ),
    Case(
        "aliases and addresses of one's own on two networks",
        _project(
            "sides",
            f"""
services:
  web: {{{_SLEEP}, networks: {{back: {{ipv4_address: 10.98.11.9, aliases: [api]}}, front: {{}}}}}}
  near: {{{_SLEEP}, networks: [back]}}
  far: {{{_SLEEP}, networks: [front]}}
networks:
  back: {{ipam: {{config: [{{subnet: 10.98.11.0/24}}]}}}}
  front: {{}}
""",
            "reaches near api; reaches near 10.98.11.9; reaches far web; reaches far api; reaches far near || true",
        ),
        "api 10.98.11.9 web",
    ),
    Case(
        "links and hosts of one's own",
        _project(
            "linked",
            f"""
services:
  db: {{{_SLEEP}}}
  web: {{{_SLEEP}, links: ["db:database"], extra_hosts: ["teacher:10.1.2.3"]}}
""",
            "reaches web database; dc exec -T web grep -c 10.1.2.3.*teacher /etc/hosts",
        ),
        "database 1",
    ),
    Case(
        "a port that is free and one of one's own",
        _project(
            "ports",
            f"\nservices:\n  web: {{{_SLEEP}, ports: ['80', '127.0.0.1:20917:81/udp']}}\n",
            "dc port web 80 | grep -o '^0.0.0.0:[1-9]' | cut -c1-8; dc port --protocol udp web 81 | cut -d: -f2;"
            " dc ps | grep -o '20917->81/udp'",
        ),
        "0.0.0.0: 20917 20917->81/udp",
    ),
    Case(
        "profiles",
        _project(
            "profiles",
            f"\nservices:\n  web: {{{_SLEEP}}}\n  debug: {{{_SLEEP}, profiles: [debug]}}\n",
            "dc ps --services --filter status=running; dc --profile debug up -d >/dev/null 2>&1;"
            " docker ps --filter label=com.docker.compose.project=profiles --format '{{.Names}}' | sort;"
            " dc --profile debug stop -t 0 >/dev/null 2>&1; dc --profile debug rm -f >/dev/null 2>&1",
        ),
        "web profiles_debug_1 profiles_web_1",
    ),
    Case(
        "files of variables",
        _project(
            "variables",
            "\nservices:\n  web: {image: '$IMAGE', command: sleep 600, env_file: [web.env], environment: {B: '${C:-default}'}}\n",
            "dc exec -T web sh -c 'echo $A $B'",
            files="echo IMAGE=busybox >.env; echo A=from-file >web.env; echo B=lost >>web.env",
        ),
        "from-file default",
    ),
    Case(
        "a network and a volume that are there before and after",
        "docker network create classroom >/dev/null; docker volume create shelf >/dev/null; "
        + _project(
            "external",
            f"""
services:
  web: {{{_SLEEP}, networks: [room], volumes: ["books:/books"]}}
networks: {{room: {{external: true, name: classroom}}}}
volumes: {{books: {{external: true, name: shelf}}}}
""",
            "dc exec -T web touch /books/one; docker network inspect -f '{{len .Containers}}' classroom",
        ).replace("exit $code", "docker run --rm -v shelf:/b busybox ls /b; docker network rm classroom; exit $code"),
        "1 one classroom",
    ),
    Case(
        "the network of another service",
        _project(
            "shared",
            f"""
services:
  web: {{{_SLEEP}, hostname: front}}
  beside: {{{_SLEEP}, network_mode: "service:web", depends_on: [web]}}
""",
            "dc exec -T beside hostname; A=$(dc exec -T web cat /sys/class/net/eth0/address);"
            ' test "$A" = "$(dc exec -T beside cat /sys/class/net/eth0/address)" && echo same',
        ),
        "front same",
    ),
    Case(
        "secrets from files",
        _project(
            "secretive",
            f"""
services:
  web: {{{_SLEEP}, secrets: [word, {{source: word, target: other}}]}}
secrets: {{word: {{file: ./word.txt}}}}
""",
            "dc exec -T web cat /run/secrets/word /run/secrets/other; dc exec -T web sh -c 'echo x >/run/secrets/word' 2>&1"
            " | grep -c 'Read-only'; docker inspect secretive_web_1 | grep -c xyzzy",
            files="echo xyzzy >word.txt",
        ),
        "xyzzy xyzzy 1 0",
        code=1,
    ),
    Case(
        "a step that has to succeed before",
        _project(
            "ordered",
            """
services:
  first: {image: busybox, command: sh -c 'sleep .3; echo done >/data/f', volumes: ["data:/data"]}
  then:
    image: busybox
    command: sh -c 'cat /data/f; sleep 600'
    volumes: ["data:/data"]
    depends_on: {first: {condition: service_completed_successfully}}
volumes: {data: {}}
""",
            "await 'docker logs ordered_then_1 | grep -q done'; docker logs ordered_then_1",
        ),
        "done",
    ),
    Case(
        "a step that fails keeps the next from starting",
        """cat >docker-compose.yml <<'END'
services:
  first: {image: busybox, command: sh -c 'exit 3'}
  then: {image: busybox, command: sleep 600, depends_on: {first: {condition: service_completed_successfully}}}
END
docker-compose -p refused up -d >/dev/null 2>up.log; code=$?
docker ps -q --filter name=refused_; grep -o 'exited with code 3' up.log | sort -u
docker-compose -p refused down -t 0 >/dev/null 2>&1; exit $code""",
        "exited with code 3",
        code=1,
    ),
]


@each(CASES)
def test_features_of_compose(players: Players, case: Case) -> None:
    players.check(case)
