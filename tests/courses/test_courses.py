"""Exercises of a course: each is built from its folder with this engine, run, and does what it is to show."""

import pytest

from tests.courses.exercise import HERE, ask, build, docker, start, steps, wait_for, wait_for_health
from tests.engine.api.raw_client import RawClient
from tests.engine.daemon import EngineDaemon

pytestmark = [
    pytest.mark.requires_root,
    pytest.mark.timeout(600),  # the base may still be in the making
]


def test_a_redis_server_with_a_shell(engine: EngineDaemon) -> None:
    build(engine, "redis")
    start(engine, "redis", "-v", "cache:/data")
    wait_for_health(engine, "redis")
    assert docker(engine, "exec", "redis", "bash", "-c", "redis-cli set lesson one; redis-cli get lesson") == "OK\none"
    assert docker(engine, "exec", "redis", "redis-cli", "config", "get", "maxmemory") == "maxmemory\n33554432"
    assert docker(engine, "exec", "redis", "id", "-un") == "redis"
    docker(engine, "rm", "-f", "redis")
    start(engine, "redis", "-v", "cache:/data")
    wait_for_health(engine, "redis")
    assert docker(engine, "exec", "redis", "redis-cli", "get", "lesson") == "one"


def test_a_simple_web_application_of_node_and_express(engine: EngineDaemon) -> None:
    build(engine, "simpleweb")
    address = start(engine, "simpleweb")
    wait_for(engine, "simpleweb", address, 3000)
    assert ask(address, 3000).text == "Hello from a container"
    assert ask(address, 3000, "/hello/ada").document == {"hello": "ada"}
    assert ask(address, 3000, "/nosuch").status == 404
    assert _dialled(engine, "simpleweb", 3000).endswith(b"Hello from a container")
    assert docker(engine, "exec", "simpleweb", "ls") == "index.js\npackage.json"
    docker(engine, "stop", "simpleweb")
    assert engine.inspect("simpleweb")["State"]["ExitCode"] == 0
    assert docker(engine, "logs", "simpleweb") == "listening on port 3000"


def test_a_change_of_the_source_repeats_the_last_steps_only(engine: EngineDaemon) -> None:
    build(engine, "simpleweb")
    assert build(engine, "simpleweb").count("Using cache") == 7
    said = build(engine, "simpleweb", "--build-arg", "UNUSED=1")
    assert steps(said) == ["FROM", "WORKDIR", "ENV", "COPY", "RUN", "COPY", "EXPOSE", "CMD"]


def test_nginx_serves_a_folder(engine: EngineDaemon) -> None:
    build(engine, "nginx")
    address = start(engine, "nginx")
    wait_for(engine, "nginx", address, 80)
    page = ask(address, 80)
    assert (page.status, "Served by nginx" in page.text) == (200, True)
    assert ask(address, 80, "/style.css").text == "h1 { color: teal; }\n"
    missing = ask(address, 80, "/nosuch")
    assert (missing.status, "No such page" in missing.text) == (404, True)
    assert '"GET /style.css HTTP/1.1" 200' in docker(engine, "logs", "nginx")
    assert list(engine.inspect("nginx")["Config"]["ExposedPorts"]) == ["80/tcp"]
    docker(engine, "stop", "nginx")
    assert engine.inspect("nginx")["State"]["ExitCode"] == 0


def test_php_and_mariadb_in_one_container_keep_notes(engine: EngineDaemon) -> None:
    build(engine, "crud")
    address = start(engine, "crud")
    wait_for(engine, "crud", address, 80)
    assert ask(address, 80).document == [{"id": 1, "text": "made while building"}]
    created = ask(address, 80, method="POST", body={"text": "it's new"})
    assert (created.status, created.document) == (201, {"id": 2})
    assert ask(address, 80, "/2").document == {"id": 2, "text": "it's new"}
    assert ask(address, 80, "/2", method="PUT", body={"text": "changed"}).document["text"] == "changed"
    assert ask(address, 80, "/2").document["text"] == "changed"
    assert ask(address, 80, "/1", method="DELETE").status == 200
    assert ask(address, 80, "/1").status == 404
    assert ask(address, 80).document == [{"id": 2, "text": "changed"}]


def test_a_flask_application_keeps_its_data_on_a_volume(engine: EngineDaemon) -> None:
    build(engine, "flask")
    assert _visits(engine, "-v", "visits:/data") == ["Hello, visitor 1", "Hello, visitor 2"]
    assert _visits(engine, "-v", "visits:/data", "-e", "GREETING=Welcome") == ["Welcome, visitor 3", "Welcome, visitor 4"]
    assert _visits(engine) == ["Hello, visitor 1", "Hello, visitor 2"]


# The rule of the lesson: what a program is given, when nothing and when "other" follows the image's name.
COMMANDS = {
    "cmd-exec": ("Hello $HOME", "other"),
    "cmd-shell": ("Hello /root", "other"),
    "entrypoint-exec": ("Hello", "Hello echo other"),
    "entrypoint-shell": ("Hello /root", "Hello /root"),
    "both-exec": ("Hello world", "Hello echo other"),
    "both-cmd-shell": ("Hello /bin/sh -c world", "Hello echo other"),
    "both-entrypoint-shell": ("Hello", "Hello"),
    "both-shell": ("Hello", "Hello"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_command_against_entrypoint(engine: EngineDaemon, name: str) -> None:
    build(engine, "commands", "-f", str(HERE / "commands" / f"{name}.dockerfile"))
    alone = docker(engine, "run", "--rm", "commands")
    followed = docker(engine, "run", "--rm", "commands", "echo", "other")
    assert (alone, followed) == COMMANDS[name]


def _visits(engine: EngineDaemon, *options: str) -> list[str]:
    """What two visitors of a fresh container read; a first one has waited for it."""
    address = start(engine, "flask", *options)
    docker(engine, "exec", "flask", "python3", "-c", _AWAIT_FLASK)
    texts = [ask(address, 5000).text for _ in range(2)]
    docker(engine, "rm", "-f", "flask")
    return texts


_AWAIT_FLASK = """
import socket, time
for _ in range(200):
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", 5000)) == 0:
            break
    time.sleep(.05)
"""


def _dialled(engine: EngineDaemon, name: str, port: int) -> bytes:
    """What a web server in a container says to who comes by a dialled stream."""
    with RawClient(engine) as client:
        client.post(f"/v1.47/containers/{name}/dial?port={port}", early=b"GET / HTTP/1.0\r\n\r\n", upgrade=True)
        assert client.head().startswith(b"HTTP/1.1 101")
        return client.rest()
