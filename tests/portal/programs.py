"""The programs around the portal, for tests of the whole path: a real engine, an agent, a portal worker, a web server."""

import os
import socket
import subprocess
import sys
from pathlib import Path

from django.conf import settings
from django.db import connection

from portal.jobs.models import Job
from tests.engine.daemon import EngineDaemon, wait_until

_STOP_SECONDS = 20


class Programs:
    """Starts each in its own process against the test's database and Redis. ``kill`` and ``start`` one by its name."""

    def __init__(self, *, folder: Path, redis_url: str) -> None:
        self.engine = EngineDaemon()
        self.port = _free_port()
        self._folder = folder
        self._redis_url = redis_url
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start_all(self) -> None:
        self.engine.start()
        self.start("worker")
        self.start("agent")

    def start(self, name: str) -> None:
        with (self._folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(self._command(name), stdout=log, stderr=log, env=self._environment())

    def kill(self, name: str) -> None:
        self._processes[name].kill()
        self._processes.pop(name).wait(_STOP_SECONDS)

    def stop_all(self) -> None:
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            process.wait(_STOP_SECONDS)
        self.engine.remove_containers()
        self.engine.destroy()

    def log(self, name: str) -> str:
        return (self._folder / f"{name}.log").read_text()

    def _command(self, name: str) -> list[str]:
        if name == "web":
            arguments = ["daphne", "-b", "127.0.0.1", "-p", str(self.port), "portal.config.asgi:application"]
        elif name == "worker":
            arguments = ["celery", "-A", "portal.config", "worker", "-Q", "portal", "-P", "threads", "-c", "2"]
        else:
            engine = f"unix://{self.engine.socket_path}"
            arguments = ["engine", "agent", "--host", "local", "--broker", self._redis_url, "--engine", engine]
        return [sys.executable, "-m", *arguments]

    def start_web(self) -> None:
        """Start Daphne and wait until it listens. Sessions that the tests make are good there: both have one key."""
        (self._folder / "secret.key").write_text(settings.SECRET_KEY)
        self.start("web")
        wait_until(lambda: _answers(self.port), "Daphne to listen", hint=lambda: self.log("web"))

    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "ATELIER_DATA": str(self._folder),
            "ATELIER_DATABASE_URL": f"sqlite://{connection.settings_dict['NAME']}",
            "ATELIER_REDIS_URL": self._redis_url,
            "ATELIER_ENGINE_SOCKET": str(self.engine.socket_path),
            "ATELIER_HOST_NAME": settings.HOST_NAME,
        }


def wait_for_jobs(programs: Programs) -> None:
    def is_quiet() -> bool:
        return not Job.objects.filter(state__in=("pending", "running")).exists()

    wait_until(
        is_quiet, "all jobs to end", hint=lambda: f"{list(Job.objects.all())} {programs.log('agent')} {programs.log('worker')}"
    )


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
