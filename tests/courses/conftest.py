"""An engine with the base of the exercises, which is made beside the tests that come before."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.courses.base import Base
from tests.courses.exercise import docker
from tests.engine.daemon import EngineDaemon, running_engine

_BASE = pytest.StashKey[Base]()
_HERE = Path(__file__).parent
IMAGE = "debian:course"
_SETTINGS = "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def pytest_collection_finish(session: pytest.Session) -> None:
    """Begin as soon as it is known that exercises will run."""
    wanted = any(_HERE in item.path.parents for item in session.items)
    if wanted and not session.config.option.collectonly and os.geteuid() == 0 and Base.can_be_made():
        session.config.stash[_BASE] = Base()


def pytest_sessionfinish(session: pytest.Session) -> None:
    if (base := session.config.stash.get(_BASE, None)) is not None:
        base.end()


@pytest.fixture(scope="session")
def course_engine(request: pytest.FixtureRequest) -> Iterator[EngineDaemon]:
    """One engine for all exercises; nothing of it may be left on the host."""
    base = request.config.stash.get(_BASE, None)
    if base is None:
        pytest.skip("mmdebstrap is not installed, which makes the base of the exercises")
    archive = base.finished()
    with running_engine() as daemon:
        docker(daemon, "import", "-c", 'CMD ["bash"]', "-c", _SETTINGS, str(archive), IMAGE)
        yield daemon


@pytest.fixture
def engine(course_engine: EngineDaemon) -> Iterator[EngineDaemon]:
    """The engine; containers, networks and volumes that an exercise leaves are removed."""
    yield course_engine
    course_engine.remove_containers()
    for network in course_engine.request("GET", "/networks?filters=%7B%22type%22%3A%5B%22custom%22%5D%7D").document:
        course_engine.request("DELETE", f"/networks/{network['Id']}")
    for volume in course_engine.request("GET", "/volumes").document["Volumes"] or []:
        course_engine.request("DELETE", f"/volumes/{volume['Name']}")
