"""What the tests of exercises do: build a folder, run what was built, speak HTTP with it.

Owns the steps that they share. What an exercise shows, is its test's.
"""

import http.client
import json
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.engine.daemon import EngineDaemon, wait_until

HERE = Path(__file__).parent
_PATIENCE_SECONDS = 300  # the base is large, and the machine may have other things to do


@dataclass(frozen=True, slots=True)
class Answer:
    """A web page."""

    status: int
    text: str

    @property
    def document(self) -> Any:
        return json.loads(self.text)


def build(engine: EngineDaemon, exercise: str, *options: str) -> str:
    """Build an exercise's folder as a student would; return what was said."""
    return docker(engine, "build", "-t", exercise, *options, str(HERE / exercise))


def steps(said: str) -> list[str]:
    """The instructions that a build names."""
    return re.findall(r"^Step \d+/\d+ : (\w+)", said, re.MULTILINE)


def docker(engine: EngineDaemon, *arguments: str) -> str:
    """Run the docker command, which is to succeed; return its output."""
    return _output(engine, ["docker", *arguments])


def compose(engine: EngineDaemon, folder: Path, *arguments: str) -> str:
    """Run Compose in a folder as a student would; return its output. The project has the folder's name."""
    return _output(engine, ["docker-compose", "--ansi", "never", *arguments], folder)


def _output(engine: EngineDaemon, command: list[str], folder: Path | None = None) -> str:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(engine.root),
        "DOCKER_HOST": f"unix://{engine.socket_path}",
        "DOCKER_BUILDKIT": "0",
    }
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=_PATIENCE_SECONDS,
        check=False,
        stdin=subprocess.DEVNULL,
        env=environment,
        cwd=folder,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def start(engine: EngineDaemon, exercise: str, *options: str) -> str:
    """Run what was built, detached; return the container's address."""
    container_id = docker(engine, "run", "-d", "--name", exercise, *options, exercise)
    return str(engine.inspect(container_id)["NetworkSettings"]["IPAddress"])


def health(engine: EngineDaemon, name: str) -> str:
    return str(engine.inspect(name)["State"]["Health"]["Status"])


def wait_for_health(engine: EngineDaemon, name: str) -> None:
    wait_until(lambda: health(engine, name) == "healthy", f"{name} to be healthy", hint=lambda: docker(engine, "logs", name))


def ask(address: str, port: int, path: str = "/", *, method: str = "GET", body: object = None) -> Answer:
    """One request to a web server in a container."""
    connection = http.client.HTTPConnection(address, port, timeout=20)
    try:
        connection.request(method, path, None if body is None else json.dumps(body))
        response = connection.getresponse()
        return Answer(response.status, response.read().decode())
    finally:
        connection.close()


def wait_for(engine: EngineDaemon, exercise: str, address: str, port: int) -> None:
    """Wait until a server in a container takes connections."""

    def answers() -> bool:
        try:
            ask(address, port)
        except (OSError, http.client.HTTPException):
            return False
        return True

    wait_until(answers, f"{exercise} to answer", hint=lambda: docker(engine, "logs", exercise))
