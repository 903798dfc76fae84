"""The daemon dies at chosen steps in the midst of each change of networks, ports, volumes, disk and limits.

After each death the next daemon has records and kernel in agreement, and the change can be made, or made again, to its end.
``ATELIER_TEST_DEATHS`` tries as many steps of each change as it says, spread evenly, in place of a few.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any
from urllib.parse import quote

import pytest

from tests.engine.daemon import Answer, wait_until
from tests.engine.service.agreement import assert_agreement
from tests.engine.service.building import context_of
from tests.engine.service.counted import MIB, CountedEngine

pytestmark = pytest.mark.requires_root

ADA = "fuse/ada"
_POINTS = int(os.environ.get("ATELIER_TEST_DEATHS", "3"))
_TAR = {"Content-Type": "application/x-tar"}
_ENDLESS = sys.maxsize


class FusedEngine(CountedEngine):
    """Its daemon dies when its fuse has burnt down."""

    def __init__(self) -> None:
        super().__init__()
        self.environment = {"ENGINE_FUSE": str(self.root)}

    def command(self) -> list[str]:
        first, option, _, *rest = super().command()
        return [first, option, "tests.engine.service.dying", *rest]

    def lay_fuse(self, steps: int) -> int:
        """Let the daemon live for so many steps; return how many it made since the last time. Does nothing for a dead one."""
        fuse = self.root / "fuse"
        fuse.write_text(str(steps))
        os.kill(self.pid, signal.SIGUSR2)
        wait_until(lambda: not fuse.exists() or self.is_dead, "the fuse to be laid")
        fuse.unlink(missing_ok=True)
        return int((self.root / "steps").read_text())

    @property
    def is_dead(self) -> bool:
        return self._process is not None and self._process.poll() is not None

    def send(self, method: str, path: str, body: object = None, *, headers: dict[str, str] | None = None) -> Answer | None:
        """Ask as the tenant; None when the daemon dies over it."""
        tenant = "" if path.startswith("/tenants") else ADA
        try:
            return self.request(method, path, body, headers=headers, tenant=tenant)
        except (OSError, HTTPException, ValueError):
            return None


@dataclass(frozen=True)
class Change:
    """What is there before, and what is then asked for; ``again``: what the same request may be answered when it is repeated."""

    prepare: Callable[[FusedEngine], object]
    method: str
    path: str
    body: object = None
    headers: dict[str, str] | None = None
    again: tuple[int, ...] = ()


def make_network(engine: FusedEngine, name: str, **fields: object) -> None:
    answer = engine.send("POST", "/networks/create", {"Name": name, **fields})
    assert answer is not None
    assert answer.status == 201, answer.body


def make_container(engine: FusedEngine, *, networks: tuple[str, ...] = ("one",), runs: bool = True) -> None:
    """One with a published port and a volume, on networks that are made."""
    for name in networks:
        make_network(engine, name)
    host: dict[str, Any] = {"NetworkMode": networks[0], "PortBindings": {"80/tcp": [{}], "81/udp": [{}]}, "Binds": ["held:/v"]}
    fields = {"HostConfig": host, "NetworkingConfig": {"EndpointsConfig": {name: {} for name in networks}}}
    container_id = engine.create("sleep", "600", tenant=ADA, name="box", **fields)
    if runs:
        assert engine.request("POST", f"/containers/{container_id}/start", tenant=ADA).status == 204


def beside(engine: FusedEngine) -> None:
    make_container(engine)
    make_network(engine, "two")


def limited(engine: FusedEngine) -> None:
    make_container(engine)
    assert engine.request("PUT", f"/tenants/{ADA}", _LIMITS).status in (200, 201)


def created(engine: FusedEngine) -> None:
    engine.request("PUT", f"/tenants/{ADA}", {"network_in_bps": 10 * MIB, "disk": 300 * MIB})
    make_container(engine, networks=("one", "two"), runs=False)


def volume(engine: FusedEngine) -> None:
    answer = engine.send("POST", "/volumes/create", {"Name": "old"})
    assert answer is not None
    assert answer.status == 201


def litter(engine: FusedEngine) -> None:
    """Things that prunes take away."""
    for number in range(3):
        make_network(engine, f"n{number}")
        engine.create("true", tenant=ADA)
        engine.request("POST", "/volumes/create", {"Name": f"old{number}"}, tenant=ADA)


def nothing(_: FusedEngine) -> None:
    """Nothing has to be there."""


_LIMITS: dict[str, float] = {"disk": 200 * MIB, "network_in_bps": 10 * MIB, "network_out_bps": 5 * MIB, "io_write_bps": 50 * MIB}
_LIMITS |= {"cpus": 0.75, "memory": 500 * MIB, "pids": 300}
_PRUNE_ALL = quote('{"all":["1"]}')
_FILES = context_of({"a/b": "c" * 100_000, "d": "e"})
_CONTEXT = context_of({"Dockerfile": "FROM busybox\nRUN echo $$ >/one\nCOPY data /two/\n", "data": "x" * 100_000})
_NEW = {"Image": "busybox", "Cmd": ["sleep", "600"], "HostConfig": {"Binds": ["fresh:/v"], "StorageOpt": {"size": "20m"}}}

CHANGES = {
    "network create": Change(nothing, "POST", "/networks/create", {"Name": "new", "EnableIPv6": True}, again=(409,)),
    "network remove": Change(lambda engine: make_network(engine, "old"), "DELETE", "/networks/old", again=(404,)),
    "connect": Change(beside, "POST", "/networks/two/connect", {"Container": "box"}, again=(403,)),
    "disconnect": Change(
        lambda engine: make_container(engine, networks=("one", "two")),
        *("POST", "/networks/one/disconnect", {"Container": "box"}),
        again=(403,),
    ),
    "start": Change(created, "POST", "/containers/box/start", again=(304,)),
    "stop": Change(make_container, "POST", "/containers/box/stop?t=0", again=(304,)),
    "restart": Change(limited, "POST", "/containers/box/restart?t=0"),
    "remove": Change(make_container, "DELETE", "/containers/box?force=1&v=1", again=(404,)),
    "create": Change(nothing, "POST", "/containers/create?name=new", _NEW, again=(409,)),
    "volume create": Change(nothing, "POST", "/volumes/create", {"Name": "new"}),
    "volume remove": Change(volume, "DELETE", "/volumes/old", again=(404,)),
    "volume restore": Change(volume, "PUT", "/volumes/old/archive", _FILES, _TAR),
    "commit": Change(make_container, "POST", "/commit?container=box&repo=made"),
    "build": Change(nothing, "POST", "/build?t=made", _CONTEXT, _TAR),
    "limit": Change(make_container, "PUT", f"/tenants/{ADA}", _LIMITS),
    "limit no more": Change(limited, "DELETE", f"/tenants/{ADA}", again=(404,)),
    "prune networks": Change(litter, "POST", "/networks/prune"),
    "prune volumes": Change(litter, "POST", f"/volumes/prune?filters={_PRUNE_ALL}"),
    "prune containers": Change(litter, "POST", "/containers/prune"),
}


@pytest.fixture(scope="module")
def fused_engine() -> Iterator[FusedEngine]:
    engine = FusedEngine()
    try:
        engine.start()
        engine.import_busybox()
        engine.import_busybox(tenant=ADA)
        yield engine
        engine.remove_containers()
        engine.stop()
        wait_until(lambda: not engine.leftovers(), "the engine to leave nothing behind", hint=lambda: str(engine.leftovers()))
    finally:
        engine.destroy()


@pytest.fixture
def fused(fused_engine: FusedEngine) -> Iterator[FusedEngine]:
    """The file's engine; what a failure leaves is removed."""
    yield fused_engine
    clear(fused_engine)


def clear(engine: FusedEngine) -> None:
    """Take all of the tenant's away, which after any death must be possible."""
    engine.remove_containers()
    for network in engine.request("GET", "/networks", tenant=ADA).document:
        if network["Name"] not in ("bridge", "host", "none"):
            assert engine.request("DELETE", f"/networks/{network['Id']}", tenant=ADA).status == 204
    for one in engine.request("GET", "/volumes", tenant=ADA).document["Volumes"] or ():
        assert engine.request("DELETE", f"/volumes/{one['Name']}", tenant=ADA).status == 204, one
    engine.request("DELETE", "/images/made?force=1", tenant=ADA)
    engine.request("DELETE", f"/tenants/{ADA}")


def points(total: int) -> list[int]:
    """Steps to die at, the first and the last among them."""
    wanted = min(_POINTS, total)
    return sorted({1 + round(one * (total - 1) / max(1, wanted - 1)) for one in range(wanted)})


@pytest.mark.parametrize("name", CHANGES)
def test_the_daemon_dies_in_the_midst_of(fused: FusedEngine, name: str) -> None:
    change = CHANGES[name]
    request = (change.method, change.path, change.body)
    total = _steps_of(fused, change)
    for point in points(total):
        change.prepare(fused)
        fused.lay_fuse(point)
        answer = fused.send(*request, headers=change.headers)
        if answer is None:
            wait_until(lambda: fused.is_dead, "the end")
        else:
            fused.lay_fuse(_ENDLESS)  # it may have taken fewer steps this time, or die right after its answer
        if fused.is_dead:
            fused.kill()
            fused.start()
        assert_agreement(fused)
        repeated = fused.send(*request, headers=change.headers)
        assert repeated is not None
        assert repeated.status < 300 or repeated.status in change.again, (name, point, repeated.body)
        assert_agreement(fused)
        clear(fused)
    assert_agreement(fused)


def _steps_of(fused: FusedEngine, change: Change) -> int:
    change.prepare(fused)
    fused.lay_fuse(_ENDLESS)
    answer = fused.send(change.method, change.path, change.body, headers=change.headers)
    total = fused.lay_fuse(_ENDLESS)
    assert answer is not None
    assert answer.status < 300, answer.body
    assert_agreement(fused)
    clear(fused)
    return max(1, total)
