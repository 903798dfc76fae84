"""Builds that end before their end: what is stopped at once, and that nothing is left of it."""

import http.client
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.engine.daemon import EngineDaemon, UnixConnection, wait_until
from tests.engine.service.building import build, context_of

pytestmark = pytest.mark.requires_root

ENDLESS = "FROM busybox\nRUN echo kept >/k\nRUN echo be''gun; sleep 1000\n"


@contextmanager
def building(engine: EngineDaemon, dockerfile: str, until: bytes) -> Iterator[http.client.HTTPResponse]:
    """A build that has said something and goes on; leaving the block closes its connection."""
    connection = UnixConnection(engine.socket_path)
    connection.request("POST", "/build", context_of({"Dockerfile": dockerfile}), {"Content-Type": "application/x-tar"})
    response = connection.getresponse()
    try:
        said = b""
        while until not in said:
            piece = response.read1(4096)
            assert piece, said
            said += piece
        yield response
    finally:
        connection.close()
        response.close()


def containers(engine: EngineDaemon) -> list[dict[str, object]]:
    found: list[dict[str, object]] = engine.request("GET", "/containers/json?all=1").document
    return found


def staged(engine: EngineDaemon) -> list[str]:
    """What lies in folders that are empty when nobody builds."""
    root = engine.data_path / "engine"
    return [str(path) for folder in ("builds", "layers/staging") for path in (root / folder).iterdir()]


def test_a_build_whose_client_leaves_is_stopped_and_leaves_nothing(engine: EngineDaemon) -> None:
    with building(engine, ENDLESS, b"begun"):
        assert len(containers(engine)) == 1
        assert staged(engine)
    wait_until(lambda: not containers(engine), "the step's container to go")
    wait_until(lambda: not staged(engine), "the context to go")
    assert build(engine, ENDLESS.replace("sleep 1000", "true")).cached == 1


def test_a_client_who_leaves_in_the_middle_of_the_context_leaves_nothing(engine: EngineDaemon) -> None:
    connection = UnixConnection(engine.socket_path)
    connection.putrequest("POST", "/build")
    connection.putheader("Content-Type", "application/x-tar")
    connection.putheader("Content-Length", "1000000")
    connection.endheaders()
    connection.send(context_of({"Dockerfile": ENDLESS})[:3000])
    wait_until(lambda: staged(engine), "the context to be read")
    connection.close()
    wait_until(lambda: not staged(engine), "the context to go")


def test_a_daemon_that_is_killed_in_a_build_leaves_finished_steps_only(start_engine: Callable[..., EngineDaemon]) -> None:
    engine = start_engine()
    with building(engine, ENDLESS, b"begun"):
        engine.kill()
    engine.start()
    assert containers(engine) == []
    wait_until(lambda: not staged(engine), "the context to go")
    assert build(engine, ENDLESS.replace("sleep 1000", "true")).cached == 1


def test_a_daemon_that_stops_ends_its_builds(start_engine: Callable[..., EngineDaemon]) -> None:
    engine = start_engine()
    with building(engine, ENDLESS, b"begun"):
        engine.stop()
    wait_until(lambda: not engine.leftovers(), "nothing to be left", hint=lambda: str(engine.leftovers()))
    engine.start()
    assert containers(engine) == []


def test_a_client_who_does_not_read_slows_its_own_build_alone(engine: EngineDaemon) -> None:
    log = engine.data_path / "engine" / "containers"
    with building(engine, "FROM busybox\nRUN echo be''gun; yes\n", b"begun"):
        assert build(engine, "FROM busybox\nRUN echo beside\n", nocache=1).error == ""
        size = sum(path.stat().st_size for path in log.rglob("*") if path.is_file())
        assert size < 64 << 20
    wait_until(lambda: not containers(engine), "the step's container to go")


def test_what_a_build_needs_is_not_pruned_meanwhile(engine: EngineDaemon) -> None:
    waits = "RUN echo be''gun; while [ ! -e /go ]; do sleep 0.05; done"
    stages = f"FROM busybox AS one\nENV A=1\nFROM busybox\nCOPY Dockerfile /a\n{waits}\nCOPY --from=one /etc/passwd /b\n"
    with building(engine, stages, b"begun") as response:
        engine.request("POST", '/images/prune?filters={"dangling":["false"]}')
        engine.request("POST", "/build/prune?all=1")
        (container,) = containers(engine)
        engine.request("PUT", f"/containers/{container['Id']}/archive?path=/", context_of({"go": ""}))
        assert b"Successfully built" in response.read()
