"""A private Redis for the portal's tests, and the cast: an owner, a teacher, an administrator, an outsider."""

import json
import shutil
import subprocess
import tempfile
import time
from base64 import b64decode
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from celery import current_app
from django.conf import settings as django_settings
from django.test import Client, override_settings
from redis import Redis

from portal.accounts.models import User
from portal.hosts.models import Host
from portal.jobs.models import Job
from portal.labs.models import Lab, LabTemplate, TemplateState
from portal.labs.services import launch_lab
from portal.labs.templates import build_template
from portal.teams.models import Membership, Role, Team
from tests.portal.programs import Programs, wait_for_jobs

HOST_QUEUE = "host.local"


@pytest.fixture(scope="session")
def short_path() -> Iterator[Path]:
    """A folder with a name short enough for unix sockets."""
    path = Path(tempfile.mkdtemp(prefix="at-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def redis_url(short_path: Path) -> Iterator[str]:
    socket_path = short_path / "redis.sock"
    command = ["redis-server", "--port", "0", "--unixsocket", str(socket_path), "--save", "", "--dir", str(short_path)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    with Redis(unix_socket_path=str(socket_path)) as redis:
        _wait_for(redis)
        yield f"unix://{socket_path}"
    server.terminate()
    server.wait()


def _wait_for(redis: Redis) -> None:
    give_up_at = time.monotonic() + 20
    while True:
        try:
            redis.ping()
            return
        except OSError:
            assert time.monotonic() < give_up_at, "Redis does not start"
        except Exception:
            if time.monotonic() > give_up_at:
                raise
        time.sleep(0.02)


@pytest.fixture(scope="session", autouse=True)
def portal_settings(redis_url: str, short_path: Path) -> Iterator[None]:
    """Point the portal at the private Redis and at an engine that is not there unless a test starts it."""
    layer: dict[str, Any] = deepcopy(django_settings.CHANNEL_LAYERS["default"])
    layer["CONFIG"]["hosts"][0]["address"] = redis_url
    static_path = short_path / "static"
    static_path.mkdir()
    broker = redis_url.replace("unix://", "redis+socket://")
    plain_static = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    with override_settings(
        CHANNEL_LAYERS={"default": layer},
        CACHES={"default": {**django_settings.CACHES["default"], "LOCATION": redis_url}},
        STORAGES={**django_settings.STORAGES, "staticfiles": plain_static},
        ENGINE_SOCKET=str(short_path / "engine.sock"),
        STATIC_ROOT=str(static_path),
        CELERY_BROKER_URL=broker,
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
    ):
        current_app.conf.update(broker_url=broker)
        yield
        current_app.close()


@pytest.fixture(autouse=True)
def redis(redis_url: str) -> Iterator[Redis]:
    """An empty Redis for each test."""
    with Redis(unix_socket_path=redis_url.removeprefix("unix://")) as client:
        client.flushall()
        yield client


@dataclass
class HostQueue:
    """What was sent to the agent of host ``local``."""

    redis: Redis

    def messages(self) -> list[dict[str, Any]]:
        """Return the keyword arguments of all waiting messages, oldest first."""
        return [json.loads(b64decode(envelope["body"]))[1] for envelope in self.envelopes()]

    def envelopes(self) -> list[dict[str, Any]]:
        return [json.loads(raw) for raw in reversed(self.redis.lrange(HOST_QUEUE, 0, -1))]


@pytest.fixture
def host_queue(redis: Redis) -> HostQueue:
    return HostQueue(redis)


@dataclass
class Cast:
    """``ada`` and ``alan`` are students of team ``demo``, ``grace`` its teacher, ``oscar`` teaches another team."""

    team: Team
    other_team: Team
    host: Host
    template: LabTemplate
    ada: User
    alan: User
    grace: User
    oscar: User
    admin: User

    def client(self, user: User) -> Client:
        client = Client()
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        return client

    def launch(self, owner: User | None = None) -> Lab:
        return launch_lab(owner=owner or self.ada, team=self.team, template=self.template)


@pytest.fixture
def cast(db: None) -> Cast:
    return make_cast()


def make_cast() -> Cast:
    team = Team.objects.create(slug="demo", name="Demo")
    other_team = Team.objects.create(slug="other", name="Other")
    users = {name: User.objects.create_user(name, password=f"{name}-secret-1") for name in ("ada", "alan", "grace", "oscar")}
    admin = User.objects.create_superuser("root", password="root-secret-1")
    for name, role in (("ada", Role.STUDENT), ("alan", Role.STUDENT), ("grace", Role.TEACHER)):
        Membership.objects.create(team=team, user=users[name], role=role)
    Membership.objects.create(team=other_team, user=users["oscar"], role=Role.TEACHER)
    template = LabTemplate.objects.create(
        slug="shell",
        name="Shell",
        image="atelier/shell:latest",
        source="image.import_shell",
        cpus=0.5,
        memory_bytes=2**27,
        pids=100,
    )
    template.teams.add(team)
    host = Host.objects.create(name="local")
    return Cast(team=team, other_team=other_team, host=host, template=template, admin=admin, **users)


@pytest.fixture(scope="module")
def running_programs(django_db_setup: None, short_path: Path, redis_url: str) -> Iterator[Programs]:
    programs = Programs(folder=short_path, redis_url=redis_url)
    try:
        programs.start_all()
        yield programs
    finally:
        programs.stop_all()


@pytest.fixture
def programs(running_programs: Programs, db: None, settings: Any) -> Iterator[Programs]:
    """The file's programs, all of them running, with no container of another test."""
    settings.ENGINE_SOCKET = str(running_programs.engine.socket_path)
    running_programs.engine.remove_containers()
    yield running_programs
    wait_for_jobs(running_programs)


@pytest.fixture
def school(programs: Programs, cast: Cast) -> Cast:
    """The cast, with the image of template ``shell`` made on the host."""
    type(cast.template).objects.update(
        state=TemplateState.FAILED, command=["/bin/sh", "-c", "trap 'exit 0' TERM; echo up; while :; do sleep 9 & wait $!; done"]
    )
    build_template(actor=cast.grace, template=cast.template)
    wait_for_jobs(programs)
    cast.template.refresh_from_db()
    assert cast.template.state == TemplateState.READY, Job.objects.get().error_message
    return cast
