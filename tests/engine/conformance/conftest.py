"""The daemons that the cases are played against: this engine and, where it is installed, a dockerd."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.engine.conformance.cases import Case, Desk, clear
from tests.engine.conformance.players import KINDS, Players
from tests.engine.conformance.registries import Registries, registries_beside
from tests.engine.daemon import EngineDaemon
from tests.engine.dockerd import Dockerd


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


@pytest.fixture(scope="session")
def registries(server: EngineDaemon) -> Iterator[Registries]:
    """Registries beside the server."""
    with registries_beside(server.pid) as both:
        yield both
