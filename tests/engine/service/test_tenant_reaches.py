"""Where containers of a tenant may go outside, over a whole engine: by the API, at once, by each network, without a daemon.

The host is a network namespace of the test's own.
"""

import contextlib
import subprocess
from collections.abc import Callable, Iterator

import pytest

from engine.network.names_forward import HostServers
from tests.engine.daemon import EngineDaemon, wait_until
from tests.engine.network.asking import said, server
from tests.engine.network.sandboxes import ip, private_host
from tests.engine.network.test_reaches import FAR, SERVE, Inside, Outside

pytestmark = pytest.mark.requires_root

TEAM, ADA, BOB = "demo", "demo/ada", "demo/bob"
ANSWER, REFUSED = "answer", "No route to host"  # nc's word for "administratively prohibited"
StartEngine = Callable[..., EngineDaemon]


@pytest.fixture
def host() -> Iterator[None]:
    with private_host():
        yield


@pytest.fixture
def engine(host: None, start_engine: StartEngine) -> EngineDaemon:
    """With an outside that answers on 80 and 443."""
    return start_engine()


@pytest.fixture
def outside(host: None) -> Iterator[Outside]:
    with contextlib.closing(Outside()) as made, contextlib.closing(Inside(made.enter, SERVE, "80", "443")) as serving:
        assert serving.line() == "ready"
        yield made


def put(engine: EngineDaemon, tenant: str, **rules: object) -> None:
    answer = engine.request("PUT", f"/tenants/{tenant}", {"rules": rules})
    assert answer.status == 200, answer.body


def docker(engine: EngineDaemon, *arguments: str, tenant: str = ADA) -> str:
    done = subprocess.run(
        ["docker", "-H", f"unix://{engine.socket_of(tenant)}", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(engine.root)},
    )
    return (done.stdout + done.stderr).decode().strip()


def asked(engine: EngineDaemon, name: str, *, port: int = 80, tenant: str = ADA) -> str:
    """What a running container gets from outside."""
    said_there = docker(engine, "exec", name, "sh", "-c", f"echo question | nc -w 20 {FAR} {port}", tenant=tenant)
    return REFUSED if REFUSED in said_there else said_there


def lab(engine: EngineDaemon, name: str, *options: str, tenant: str = ADA) -> None:
    started = docker(engine, "run", "-d", "--name", name, *options, "busybox", "sleep", "600", tenant=tenant)
    assert len(started) == 64, started


def test_a_rule_holds_at_once_in_all_that_runs_and_leaves_others_alone(engine: EngineDaemon, outside: Outside) -> None:
    put(engine, ADA)
    put(engine, BOB)
    docker(engine, "network", "create", "own")
    lab(engine, "near")
    lab(engine, "far", "--network", "own")
    lab(engine, "within", "--network", "container:far")
    lab(engine, "near", tenant=BOB)
    names = ("near", "far", "within")
    assert [asked(engine, name) for name in names] == [ANSWER] * 3
    put(engine, ADA, outside=False)
    assert [asked(engine, name) for name in names] == [REFUSED] * 3
    assert asked(engine, "near", tenant=BOB) == ANSWER
    put(engine, TEAM, outside_to=[f"{FAR}:443"])
    put(engine, ADA)
    assert [asked(engine, name, port=port) for name in names for port in (80, 443)] == [REFUSED, ANSWER] * 3
    assert asked(engine, "near", tenant=BOB) == REFUSED
    assert engine.request("DELETE", f"/tenants/{TEAM}").status == 204
    assert [asked(engine, name) for name in names] == [ANSWER] * 3


def test_another_network_is_no_way_out(engine: EngineDaemon, outside: Outside) -> None:
    put(engine, ADA, outside=False)
    lab(engine, "box")
    docker(engine, "network", "create", "later")
    assert docker(engine, "network", "connect", "later", "box") == ""
    assert docker(engine, "network", "disconnect", "bridge", "box") == ""
    assert asked(engine, "box") == REFUSED
    assert docker(engine, "run", "--rm", "--network", "host", "busybox", "true") != ""


def test_a_step_of_a_build_is_as_confined_as_a_container(engine: EngineDaemon, outside: Outside) -> None:
    put(engine, ADA, outside=False)
    lab(engine, "box")
    context = engine.root / "context"
    context.mkdir()
    (context / "Dockerfile").write_text(f"FROM busybox\nRUN nc -w 20 {FAR} 80 </dev/null 2>&1 || echo\n")
    told = docker(engine, "build", "--no-cache", str(context))
    assert REFUSED in told, told


@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_it_holds_while_there_is_no_daemon_and_under_the_next_one(engine: EngineDaemon, outside: Outside, how: str) -> None:
    put(engine, ADA, outside_to=[f"{FAR}:443"])
    lab(engine, "box", "--restart", "always")
    enter = [
        "nsenter",
        "-t",
        docker(engine, "inspect", "-f", "{{.State.Pid}}", "box"),
        "-n",
        "busybox",
        "nc",
        "-w",
        "20",
        FAR,
        "80",
    ]
    (engine.stop if how == "stopped" else engine.kill)()
    done = subprocess.run(enter, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    assert REFUSED.encode() in done.stderr, done
    engine.start()
    assert [asked(engine, "box", port=port) for port in (80, 443)] == [REFUSED, ANSWER]
    put(engine, ADA)
    assert asked(engine, "box") == ANSWER


def test_the_engines_resolver_asks_nobody_outside_for_who_may_go_nowhere(engine: EngineDaemon, outside: Outside) -> None:
    address = next(one for one in HostServers().servers() if ":" not in one)
    ip(f"addr add {address}/32 dev lo")
    put(engine, ADA)
    docker(engine, "network", "create", "own")
    lab(engine, "box", "--network", "own")

    def finds(name: str) -> bool:
        return "203.0.113.7" in docker(engine, "exec", "box", "nslookup", "-type=a", name)

    with server(address, 53, lambda wire: [said(wire, "203.0.113.7")]) as questions:
        assert finds("one.example")
        put(engine, ADA, outside_to=["192.0.2.0/24"])
        assert finds("two.example")
        put(engine, ADA, outside=False)
        before = len(questions)
        assert not finds("three.example")
        assert len(questions) == before
        assert "Name:\tbox" in docker(engine, "exec", "box", "nslookup", "-type=a", "box")
        put(engine, ADA)
        wait_until(lambda: finds("four.example"), "names from outside again")


def test_a_port_that_is_published_works_for_who_may_go_nowhere(engine: EngineDaemon, outside: Outside) -> None:
    put(engine, ADA, outside=False)
    lab(engine, "web", "-p", "8080:80")
    docker(engine, "exec", "-d", "web", "sh", "-c", "while true; do echo answer | nc -l -p 80; done")
    fetch = [*outside.enter, "busybox", "nc", "-w", "5", "203.0.113.1", "8080"]

    def told() -> bytes:
        return subprocess.run(fetch, stdin=subprocess.DEVNULL, capture_output=True, check=False).stdout

    wait_until(lambda: told() == b"answer\n", "an answer by the published port")
    assert asked(engine, "web") == REFUSED
