"""The lesson on Compose 1.29: two services, a named volume and a published port."""

import shutil

import pytest

from tests.courses.exercise import HERE, ask, build, compose, docker, wait_for
from tests.engine.daemon import EngineDaemon

pytestmark = [
    pytest.mark.requires_root,
    pytest.mark.timeout(600),  # the base may still be in the making
    pytest.mark.skipif(shutil.which("docker-compose") is None, reason="docker-compose is not installed (Debian: docker-compose)"),
]
_FOLDER = HERE / "visits"
_PORT = 4001


def test_a_node_application_and_its_redis_by_compose(engine: EngineDaemon) -> None:
    build(engine, "redis")
    compose(engine, _FOLDER, "up", "-d", "--build")
    wait_for(engine, "visits_node-app_1", "127.0.0.1", _PORT)  # which was the first visit
    assert _visit() == "Number of visits is 2"
    running = compose(engine, _FOLDER, "ps", "--services", "--filter", "status=running").split()
    assert sorted(running) == ["node-app", "redis-server"]
    assert compose(engine, _FOLDER, "port", "node-app", "8081") == f"0.0.0.0:{_PORT}"
    assert "listening on port 8081" in compose(engine, _FOLDER, "logs", "--no-color", "node-app")
    assert compose(engine, _FOLDER, "exec", "-T", "redis-server", "redis-cli", "get", "visits") == "2"
    asked = compose(
        engine, _FOLDER, "run", "--rm", "-T", "--entrypoint", "redis-cli", "redis-server", "-h", "redis-server", "ping"
    )
    assert asked.splitlines()[-1] == "PONG"
    compose(engine, _FOLDER, "restart", "-t", "2", "node-app")
    wait_for(engine, "visits_node-app_1", "127.0.0.1", _PORT)
    assert _visit() == "Number of visits is 4"


def test_down_keeps_the_visits_and_down_with_volumes_forgets_them(engine: EngineDaemon) -> None:
    build(engine, "redis")
    assert _first_visit_after_up(engine) == "Number of visits is 2"
    compose(engine, _FOLDER, "down", "-t", "2")
    assert docker(engine, "ps", "-aq") == ""
    assert docker(engine, "network", "ls", "-q", "--filter", "name=visits_") == ""
    assert _first_visit_after_up(engine) == "Number of visits is 4"
    compose(engine, _FOLDER, "down", "-v", "-t", "2")
    assert docker(engine, "volume", "ls", "-q") == ""
    assert _first_visit_after_up(engine) == "Number of visits is 2"


def _first_visit_after_up(engine: EngineDaemon) -> str:
    compose(engine, _FOLDER, "up", "-d")
    wait_for(engine, "visits_node-app_1", "127.0.0.1", _PORT)
    return _visit()


def _visit() -> str:
    return ask("127.0.0.1", _PORT).text
