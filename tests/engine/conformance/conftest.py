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
    """The server and an empty folder; containers, volumes and images that a test makes are removed."""
    yield Desk(server, tmp_path)
    server.remove_containers()
    for volume in server.request("GET", "/volumes").document["Volumes"] or []:
        server.request("DELETE", f"/volumes/{volume['Name']}?force=1")
    for image in server.request("GET", "/images/json").document:
        for tag in image["RepoTags"] or [image["Id"]]:
            if tag not in ("busybox:latest", "<none>:<none>"):
                server.request("DELETE", f"/images/{tag}?force=1")
