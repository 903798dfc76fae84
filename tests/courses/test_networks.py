"""Exercises with networks: containers that find each other by name, and pages that are seen from outside."""

import socket
from collections.abc import Callable

import pytest

from tests.courses.exercise import ask, build, docker, start, wait_for, wait_for_health
from tests.engine.daemon import EngineDaemon, wait_until

pytestmark = [
    pytest.mark.requires_root,
    pytest.mark.timeout(600),  # the base may still be in the making
]


def test_two_redis_containers_on_a_network_of_ones_own_reach_each_other_by_name(engine: EngineDaemon) -> None:
    build(engine, "redis")
    docker(engine, "network", "create", "mynetwork", "--subnet", "172.50.0.0/16")
    for name in ("redis1", "redis2"):
        docker(engine, "run", "-d", "--name", name, "--network", "mynetwork", "redis")
    wait_for_health(engine, "redis1")
    wait_for_health(engine, "redis2")
    assert docker(engine, "exec", "redis1", "redis-cli", "-h", "redis2", "set", "lesson", "networks") == "OK"
    assert docker(engine, "exec", "redis2", "redis-cli", "get", "lesson") == "networks"
    assert docker(engine, "exec", "redis2", "redis-cli", "-h", "redis1", "ping") == "PONG"
    listed = docker(engine, "network", "inspect", "-f", "{{range .Containers}}{{.Name}} {{.IPv4Address}} {{end}}", "mynetwork")
    assert sorted(listed.split()[1::2]) == ["172.50.0.2/16", "172.50.0.3/16"]


def test_a_name_is_gone_with_its_container_and_comes_with_the_next(engine: EngineDaemon) -> None:
    docker(engine, "network", "create", "class")
    docker(engine, "run", "-d", "--name", "asks", "--network", "class", "debian:course", "sleep", "600")
    docker(engine, "run", "-d", "--name", "answers", "--network", "class", "debian:course", "sleep", "600")
    assert _has_address(engine, "asks", "answers")
    docker(engine, "rm", "-f", "answers")
    assert not _has_address(engine, "asks", "answers")
    docker(
        engine,
        "run",
        "-d",
        "--name",
        "other",
        "--network",
        "class",
        "--network-alias",
        "answers",
        "debian:course",
        "sleep",
        "600",
    )
    assert _has_address(engine, "asks", "answers")


def test_containers_on_the_default_bridge_have_no_names_for_each_other(engine: EngineDaemon) -> None:
    for name in ("one", "two"):
        docker(engine, "run", "-d", "--name", name, "debian:course", "sleep", "600")
    assert not _has_address(engine, "one", "two")


def test_a_node_application_counts_visits_in_the_redis_of_another_container(engine: EngineDaemon) -> None:
    build(engine, "redis")
    build(engine, "visits")
    docker(engine, "network", "create", "visits")
    docker(engine, "run", "-d", "--name", "redis-server", "--network", "visits", "redis")
    wait_for_health(engine, "redis-server")
    docker(engine, "run", "-d", "--name", "visits", "--network", "visits", "-p", "4001:8081", "visits")
    wait_for(engine, "visits", "127.0.0.1", 4001)  # which was the first visit
    assert [ask("127.0.0.1", 4001).text for _ in range(2)] == ["Number of visits is 2", "Number of visits is 3"]
    assert docker(engine, "port", "visits", "8081").splitlines()[0] == "0.0.0.0:4001"
    docker(engine, "restart", "-t", "2", "visits")
    wait_for(engine, "visits", "127.0.0.1", 4001)
    assert ask("127.0.0.1", 4001).text == "Number of visits is 5"


def test_two_sites_on_two_ports_of_the_host(engine: EngineDaemon) -> None:
    build(engine, "nginx")
    for name, port in (("first", 8777), ("second", 8888)):
        docker(engine, "run", "-d", "--name", name, "-p", f"{port}:80", "nginx")
        wait_for(engine, name, "127.0.0.1", port)
    docker(engine, "exec", "second", "sh", "-c", "echo second >/usr/share/nginx/html/index.html")
    assert "Served by nginx" in ask("127.0.0.1", 8777).text
    assert ask("127.0.0.1", 8888).text == "second\n"
    docker(engine, "rm", "-f", "first")
    wait_until(_refuses(8777), "the port to be free")
    assert ask("127.0.0.1", 8888).status == 200


def test_a_port_that_is_taken_is_told_before_the_start(engine: EngineDaemon) -> None:
    build(engine, "nginx")
    start(engine, "nginx", "-p", "8777:80")
    done = engine.cli("run", "-d", "--name", "late", "-p", "8777:80", "nginx")
    assert done.returncode != 0
    assert b"8777" in done.stderr
    assert b"port is already allocated" in done.stderr
    docker(engine, "rm", "-f", "nginx")
    docker(engine, "start", "late")
    wait_for(engine, "late", "127.0.0.1", 8777)


def _has_address(engine: EngineDaemon, container: str, name: str) -> bool:
    return engine.cli("exec", container, "getent", "ahostsv4", name).returncode == 0


def _refuses(port: int) -> Callable[[], bool]:
    def refuses() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) != 0

    return refuses
