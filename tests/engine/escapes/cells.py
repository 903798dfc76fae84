"""An engine whose image ``busybox`` also holds the attackers' programs, and containers on it that wait for their orders."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.engine.daemon import EngineDaemon, frames, running_engine
from tests.engine.escapes.attack_image import COMPILER, attack_tar

ADA, BOB = "blue/ada", "red/bob"


@contextmanager
def attack_engine() -> Iterator[EngineDaemon]:
    """One engine for a file of tests; at its end nothing of it may be left on the host."""
    if COMPILER is None:
        pytest.skip("no C compiler to make the attackers with")
    with running_engine() as daemon:
        query = urlencode({"fromSrc": "-", "repo": "busybox", "tag": "latest", "changes": 'CMD ["sh"]'})
        assert daemon.request("POST", f"/images/create?{query}", attack_tar()).status == 200
        yield daemon


@contextmanager
def cells(engine: EngineDaemon) -> Iterator[Callable[..., "Cell"]]:
    """Makes containers; each is removed at the end."""
    made: list[Cell] = []

    def make(*command: str, tenant: str = ADA, **fields: Any) -> Cell:
        made.append(Cell(engine, *command, tenant=tenant, **fields))
        return made[-1]

    yield make
    for cell in made:
        cell.remove()


class Cell:
    """A running container that waits for its orders."""

    def __init__(self, engine: EngineDaemon, *command: str, tenant: str = ADA, **fields: Any) -> None:
        self.engine = engine
        self.container_id = engine.run(*(command or ("sleep", "1000")), tenant=tenant, **fields)

    @property
    def pid(self) -> int:
        """On the host."""
        return int(self.engine.inspect(self.container_id)["State"]["Pid"])

    def run(self, *command: str, **fields: Any) -> tuple[int, str]:
        """Run an exec to its end; answers exit code and output, both streams."""
        exec_id = self.prepare(*command, AttachStdout=True, AttachStderr=True, **fields)
        answer = self.engine.request("POST", f"/exec/{exec_id}/start", {"Tty": bool(fields.get("Tty"))})
        output = answer.body if fields.get("Tty") else b"".join(data for _, data in frames(answer.body))
        code = self.engine.request("GET", f"/exec/{exec_id}/json").document["ExitCode"]
        return code, output.decode(errors="replace")

    def prepare(self, *command: str, **fields: Any) -> str:
        """An exec that is not started yet."""
        created = self.engine.request("POST", f"/containers/{self.container_id}/exec", {"Cmd": command, **fields})
        assert created.status == 201, created.body
        return str(created.document["Id"])

    def shell(self, script: str, **fields: Any) -> str:
        """What a line of shell prints, errors included."""
        return self.run("sh", "-c", script, **fields)[1]

    def start(self, *command: str) -> None:
        """Run an exec and let it go on."""
        assert self.engine.request("POST", f"/exec/{self.prepare(*command)}/start", {"Detach": True}).status == 200

    def call(self, *arguments: object, gate: str = "", user: str = "") -> str:
        """What a system call answers: ``ok VALUE``, or the error's name."""
        return self.run("sys", *([gate] if gate else []), *map(str, arguments), User=user)[1].strip()

    def log(self) -> str:
        """All that the first process and its children have written."""
        return self.engine.output(self.container_id).decode(errors="replace")

    def remove(self) -> None:
        """Remove it, whatever it does."""
        status = self.engine.request("DELETE", f"/containers/{self.container_id}?force=1").status
        assert status in (204, 404), status
