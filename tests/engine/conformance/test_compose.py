"""Compose 1.29 on a file: what it asks of an engine for containers, logs, volumes and health. Networks are the bridge only."""

import shutil

import pytest

from tests.engine.conformance.cases import Case, Desk, each

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
_UP = "docker-compose -p p up -d >/dev/null 2>&1"
_RUNS = f"{_UP};"

# What leaves a project as it was, on one that is up.
BESIDE = [
    Case("config", "docker-compose -p p config -q && docker-compose -p p config --services | sort", "db web"),
    Case(
        "up waits for health",
        "docker ps --format '{{.Names}}' | sort; docker inspect -f '{{.State.Health.Status}}' p_db_1",
        "p_db_1 p_web_1 healthy",
    ),
    Case(
        "up again changes nothing",
        'A=$(docker ps -q); docker-compose -p p up -d >/dev/null 2>&1; test "$A" = "$(docker ps -q)" && echo same',
        "same",
    ),
    Case(
        "settings arrive",
        "docker-compose -p p exec -T web sh -c 'hostname; pwd; id -un; touch /data/x 2>/dev/null || echo ro';"
        " docker-compose -p p exec -T db sh -c 'echo $KIND; ulimit -n'",
        "webhost /tmp ada ro database 64",
    ),
    Case("ps", "docker-compose -p p ps --services --filter status=running | sort; docker-compose -p p ps -q | wc -l", "db web 2"),
    Case("ps words", "docker-compose -p p ps | grep -o 'Up (healthy)'", "Up (healthy)"),
    Case(
        "logs",
        "await 'docker-compose -p p logs --no-color web | grep -q up';"
        " docker-compose -p p logs --no-color --tail 1 | grep up | sort",
        "db_1 | db up web_1 | web up",
    ),
    Case("exec", "docker-compose -p p exec -T -e A=b -u 0 db sh -c 'echo $A; id -u; exit 3'", "b 0", code=3),
    Case(
        "pause and unpause",
        "docker-compose -p p pause web 2>/dev/null; docker ps --filter status=paused --format '{{.Names}}';"
        " docker-compose -p p unpause web 2>/dev/null; docker ps --filter status=paused -q",
        "p_web_1",
    ),
    Case(
        "stop and start",
        "docker-compose -p p stop -t 2 2>/dev/null; docker ps -q; docker-compose -p p start >/dev/null 2>&1;"
        " docker ps -q | wc -l",
        "2",
    ),
    Case("restart", "docker-compose -p p restart -t 2 web 2>/dev/null; docker ps -q | wc -l", "2"),
    Case("top", "docker-compose -p p top db | grep -c 'trap exit'", "1"),
    Case("port of nothing", "docker-compose -p p port db 80", ("", ":0"), code=(0, 1), why="Compose prints an empty port"),
    Case("images", "docker-compose -p p images -q | sort -u | wc -l", "1"),
]

CHANGES = [
    Case(
        "up again with a change",
        f"{_RUNS} A=$(docker ps -qf name=p_web_1); sed -i s/webhost/newhost/ docker-compose.yml;"
        f" {_RUNS} test $A != $(docker ps -qf name=p_web_1) && docker-compose -p p exec -T web hostname",
        "newhost",
    ),
    Case(
        "run --rm",
        "docker-compose -p p run --rm --no-deps -T db sh -c 'echo $KIND; exit 4' 2>/dev/null; echo $?; docker ps -aq",
        "database 4",
    ),
    Case(
        "run -d",
        "docker-compose -p p run -d --no-deps db sleep 600 >/dev/null 2>&1;"
        " docker ps --format '{{.Names}}' | sed 's/_[0-9a-f]*$//'",
        "p_db_run",
    ),
    Case(
        "scale",
        f"{_RUNS} docker-compose -p p up -d --scale web=3 >/dev/null 2>&1; docker ps --format '{{{{.Names}}}}' | sort;"
        f" docker-compose -p p up -d --scale web=1 >/dev/null 2>&1; docker ps -q | wc -l",
        "p_db_1 p_web_1 p_web_2 p_web_3 2",
    ),
    Case(
        "kill",
        f"{_RUNS} docker-compose -p p kill -s KILL web 2>/dev/null; await '[ $(docker ps -q | wc -l) = 1 ]';"
        f" docker ps --format '{{{{.Names}}}}'",
        "p_db_1",
    ),
    Case("rm", f"{_RUNS} docker-compose -p p rm -sf web >/dev/null 2>&1; docker ps -a --format '{{{{.Names}}}}'", "p_db_1"),
    Case(
        "down -v",
        f"{_RUNS} docker-compose -p p down -v -t 2 >/dev/null 2>&1; docker ps -aq; docker volume ls -q --filter label=keep",
    ),
    Case(
        "anonymous volumes are kept when recreated",
        f"{_RUNS} docker-compose -p p exec -T db touch /scratch/f;"
        f" docker-compose -p p up -d --force-recreate >/dev/null 2>&1; docker-compose -p p exec -T db ls /scratch",
        "f",
    ),
    Case(
        "data stays through down and up",
        f"{_RUNS} docker-compose -p p exec -T db sh -c 'echo hi >/data/f'; docker-compose -p p down -t 2 >/dev/null 2>&1;"
        f" docker ps -aq; docker volume ls -q --filter label=keep; {_RUNS} docker-compose -p p exec -T web cat /data/f",
        "p_data hi",
    ),
]


@pytest.fixture(scope="module")
def project(stage: Desk) -> Desk:
    """The project, up."""
    (stage.folder / "docker-compose.yml").write_text(_TWO)
    done = stage.run("docker-compose -p p up -d")
    assert done.returncode == 0, done.stderr
    return stage


@each(BESIDE)
def test_compose_beside_a_project_that_is_up(project: Desk, case: Case) -> None:
    project.check(case)


@each(CHANGES)
def test_compose(desk: Desk, case: Case) -> None:
    (desk.folder / "docker-compose.yml").write_text(_TWO)
    desk.check(case)
