"""The daemons that the cases are played against: this engine and, where it is installed, a dockerd. Each is started once."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.conformance.cases import Desk
from tests.engine.daemon import EngineDaemon
from tests.engine.dockerd import Dockerd


@pytest.fixture(scope="session", params=["atelier", "dockerd"])
def server(request: pytest.FixtureRequest) -> Iterator[EngineDaemon]:
    """Each of both, with the image busybox."""
    if request.param == "dockerd" and not Dockerd.is_installed():
        pytest.skip("dockerd is not installed (Debian: docker.io)")
    daemon = Dockerd() if request.param == "dockerd" else EngineDaemon()
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
    _clear(server)


@pytest.fixture(scope="module")
def stage(server: EngineDaemon, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """As ``desk``, for the whole file: for tests that look and change nothing."""
    yield Desk(server, tmp_path_factory.mktemp("stage"))
    _clear(server)


def _clear(server: EngineDaemon) -> None:
    """Remove containers, volumes and images but busybox."""
    server.remove_containers()
    for volume in server.request("GET", "/volumes").document["Volumes"] or []:
        server.request("DELETE", f"/volumes/{volume['Name']}?force=1")
    for image in server.request("GET", "/images/json").document:
        if "busybox:latest" not in (image["RepoTags"] or []):
            server.request("DELETE", f"/images/{image['Id']}?force=1")
