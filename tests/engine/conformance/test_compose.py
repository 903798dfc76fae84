"""Compose 1.29 on a file: what it asks of an engine for containers, logs, volumes and health. Networks are the bridge only."""

import shutil
from dataclasses import replace

import pytest

from tests.engine.conformance.cases import Case, each
from tests.engine.conformance.players import Players

pytestmark = [
    pytest.mark.requires_root,
    pytest.mark.skipif(shutil.which("docker-compose") is None, reason="docker-compose is not installed (Debian: docker-compose)"),
]

_TWO = """
services:
  db:
    image: busybox
    network_mode: bridge
    command: sh -c 'trap exit TERM; echo db up; touch /tmp/ready; while :; do sleep .05; done'
    environment: {KIND: database}
    labels: {role: db}
    volumes: [data:/data, /scratch]
    tmpfs: /run
    stop_grace_period: 5s
    healthcheck: {test: [CMD, test, -e, /tmp/ready], interval: 200ms, timeout: 5s, retries: 20}
    ulimits: {nofile: {soft: 64, hard: 128}}
    logging: {driver: json-file, options: {max-size: 1m, max-file: "2"}}
  web:
    image: busybox
    network_mode: bridge
    depends_on: {db: {condition: service_healthy}}
    command: sh -c 'trap exit TERM; echo web up; while :; do sleep .05; done'
    restart: on-failure
    cap_drop: [ALL]
    read_only: true
    init: true
    hostname: webhost
    working_dir: /tmp
    user: ada
    mem_limit: 64m
    volumes: ["data:/data:ro"]
volumes:
  data:
    labels: {keep: "no"}
"""
_DC = 'dc() { docker-compose -p p -f "$BESIDE/docker-compose.yml" "$@"; };'
_UP = "dc up -d >/dev/null 2>&1"
_PROJECT = f"""cat >docker-compose.yml <<'END'{_TWO}END
{_DC} dc up -d"""

# One after another on the same project, each of which leaves both services running.
CASES = [
    Case("config", "dc config --services | sort", "db web"),
    Case(
        "up waits for health",
        "docker ps --format '{{.Names}}' | sort; docker inspect -f '{{.State.Health.Status}}' p_db_1",
        "p_db_1 p_web_1 healthy",
    ),
    Case("up again changes nothing", f'A=$(docker ps -q); {_UP}; test "$A" = "$(docker ps -q)" && echo same', "same"),
    Case(
        "settings arrive",
        "docker exec p_web_1 sh -c 'hostname; pwd; id -un; touch /data/x 2>/dev/null || echo ro';"
        " docker exec p_db_1 sh -c 'echo $KIND; ulimit -Hn'",
        "webhost /tmp ada ro database 128",
    ),
    Case("ps", "dc ps | grep -o 'Up (healthy)'; dc ps --services --filter status=running | sort", "Up (healthy) db web"),
    Case(
        "logs",
        "await 'docker logs p_web_1 | grep -q up'; dc logs --no-color --tail 1 | grep up | sort",
        "db_1 | db up web_1 | web up",
    ),
    Case("exec", "dc exec -T -e A=b -u 0 db sh -c 'echo $A; id -u; exit 3'", "b 0", code=3),
    Case(
        "pause and unpause",
        "dc pause web 2>/dev/null; docker ps --filter status=paused --format '{{.Names}}';"
        " dc unpause web 2>/dev/null; docker ps --filter status=paused -q",
        "p_web_1",
    ),
    Case(
        "stop and start",
        "dc stop -t 2 2>/dev/null; docker ps -q; dc start >/dev/null 2>&1; docker ps -q | wc -l",
        "2",
    ),
    Case("restart", "dc restart -t 2 web 2>/dev/null; docker ps -q | wc -l", "2"),
    Case("top", "dc top db | grep -c 'trap exit'", "1"),
    Case("images", "dc images -q | sort -u | wc -l", "1"),
    Case(
        "run",
        "dc run --rm --no-deps -T db sh -c 'echo $KIND; exit 4'; echo $?; docker ps -aq | wc -l",
        "database 4 2",
    ),
    Case(
        "scale",
        f"dc up -d --scale web=2 >/dev/null 2>&1; docker ps --format '{{{{.Names}}}}' | sort; {_UP}; docker ps -q | wc -l",
        "p_db_1 p_web_1 p_web_2 2",
    ),
    Case(
        "kill and rm",
        "dc kill -s KILL web 2>/dev/null; await '[ $(docker ps -q | wc -l) = 1 ]'; dc rm -sf web >/dev/null 2>&1;"
        f" docker ps -a --format '{{{{.Names}}}}'; {_UP}",
        "p_db_1",
    ),
    Case(
        "up again with a change, which keeps anonymous volumes",
        f"docker exec p_db_1 touch /scratch/f; A=$(docker ps -q); sed -i 's/webhost/newhost/; s/database/db2/'"
        f" \"$BESIDE/docker-compose.yml\"; {_UP}; docker exec p_db_1 sh -c 'ls /scratch; echo $KIND';"
        f' docker exec p_web_1 hostname; docker ps -q | grep -c "$A"',
        "f db2 newhost 0",
        code=1,
    ),
    Case(
        "down, which keeps the data, and down -v",
        f"docker exec p_db_1 sh -c 'echo hi >/data/f'; dc down -t 2 >/dev/null 2>&1; docker ps -aq; {_UP};"
        f" docker exec p_web_1 cat /data/f; dc down -v -t 2 >/dev/null 2>&1; docker ps -aq;"
        " docker volume ls -q --filter label=keep",
        "hi",
    ),
]


@each([replace(case, script=f"{_DC} {case.script}") for case in CASES], beside=_PROJECT)
def test_compose(players: Players, case: Case) -> None:
    players.check(case)
