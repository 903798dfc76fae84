"""The daemons that the cases are played against: this engine and, where it is installed, a dockerd."""

import gc
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path
from typing import Any

import aiodocker
import docker
import pytest

from tests.engine.conformance.cases import Case, Desk, clear
from tests.engine.conformance.players import KINDS, Players
from tests.engine.conformance.registries import Registries, registries_beside
from tests.engine.daemon import EngineDaemon
from tests.engine.dockerd import Dockerd

Client = Any  # the stubs of both packages know less than the packages do


@pytest.fixture(scope="session", params=list(KINDS))
def kind(request: pytest.FixtureRequest) -> str:
    """Each of both."""
    if request.param == "dockerd" and not Dockerd.is_installed():
        pytest.skip("dockerd is not installed (Debian: docker.io)")
    return str(request.param)


@pytest.fixture(scope="session")
def _all_players(request: pytest.FixtureRequest) -> Iterator[dict[str, Players]]:
    """Those of both kinds begin at once, as one waits where the other computes."""
    playing = {
        kind: Players(kind, list(_chosen(request.session.items, kind)))
        for kind in KINDS
        if kind != "dockerd" or Dockerd.is_installed()
    }
    yield playing
    for players in playing.values():
        players.end()


def _chosen(items: Iterable[pytest.Item], kind: str) -> Iterator[Case]:
    for item in items:
        if isinstance(item, pytest.Function) and "players" in item.fixturenames:
            case = item.callspec.params["case"]
            if isinstance(case, Case) and item.callspec.params["kind"] == kind and case.only in ("", kind):
                yield case


@pytest.fixture
def players(_all_players: dict[str, Players], kind: str) -> Players:
    """Those who play the cases of this run on one kind of daemon."""
    return _all_players[kind]


@pytest.fixture(scope="session")
def server(kind: str) -> Iterator[EngineDaemon]:
    """A daemon with the image busybox, for tests that are no cases."""
    daemon = KINDS[kind]()
    try:
        daemon.start().import_busybox()
        yield daemon
        daemon.remove_containers()
    finally:
        daemon.destroy()


@pytest.fixture
def desk(server: EngineDaemon, tmp_path: Path) -> Iterator[Desk]:
    """The server and an empty folder; what a test makes is removed."""
    yield Desk(server, tmp_path)
    clear(server)


@pytest.fixture
def client(desk: Desk) -> Iterator[Client]:
    """The package ``docker``, speaking with the desk's server."""
    client: Client = docker.DockerClient(base_url=f"unix://{desk.server.socket_path}", timeout=30)
    yield client
    client.close()
    del client
    gc.collect()  # here, where what the package leaves behind is expected


@pytest.fixture
async def async_client(desk: Desk) -> AsyncIterator[Client]:
    """The package ``aiodocker``, speaking with the desk's server."""
    client: Client = aiodocker.Docker(url=f"unix://{desk.server.socket_path}")
    yield client
    await client.close()


@pytest.fixture(scope="session")
def registries(server: EngineDaemon) -> Iterator[Registries]:
    """Registries beside the server."""
    with registries_beside(server.pid) as both:
        yield both
