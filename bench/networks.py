"""Figures of networks: what they add to a start, networks themselves, many at once, throughput, names.

Traffic is made by traffic.py inside the containers' network namespaces, by the same program of the host on both sides: what is
measured is the way between, not the image.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from bench import traffic
from bench.contenders import IMAGE, Engine
from bench.figures import Figure
from bench.processes import engine_pids
from bench.scale import CLIENTS, remove_all, start_many
from bench.timing import call, connect, fetch, fresh_name, milliseconds, take_turns
from launcher.unix_http import UnixConnection

MANY_NETWORKS = 200
CONNECTS = 100
PORT, HOST_PORT = 5001, 15001
SEND_SECONDS = 3.0
SEND_ROUNDS = 3
LOOKUPS = 2000
STORM_SECONDS = 3.0
SERVER = "server"
NETWORK = "bench"
_WAYS: dict[str, dict[str, object]] = {
    "without a network": {"NetworkMode": "none"},
    "on the default network": {},
    "on a network with names": {"NetworkMode": NETWORK},
    "with a published port": {"PortBindings": {f"{PORT}/tcp": [{"HostPort": ""}]}},
}


class NetworkBench:
    """Engines take turns; each has a network of its own with a container on it."""

    def __init__(self, engines: Sequence[Engine]) -> None:
        self._engines = engines
        self._subnets = count()

    def figures(self) -> dict[str, Callable[[], list[Figure]]]:
        return {"networks": self.networks, "connects": self.connects, "traffic": self.traffic}

    def networks(self) -> list[Figure]:
        """Start and removal by kind of network, then networks made and removed, alone and among many."""
        with ExitStack() as stack:
            for engine in self._engines:
                stack.enter_context(self._network(engine, NETWORK))
            figures = [figure for way, host in _WAYS.items() for figure in self._starts(way, host)]
        figures += self._lives_of_networks("")
        with ExitStack() as stack:
            for engine in self._engines:
                for _ in range(MANY_NETWORKS):
                    stack.enter_context(self._network(engine, fresh_name()))
            figures += self._lives_of_networks(f" beside {MANY_NETWORKS} networks")
        return figures

    def _starts(self, way: str, host: dict[str, object]) -> list[Figure]:
        starts: dict[str, list[float]] = {engine.name: [] for engine in self._engines}
        removals: dict[str, list[float]] = {engine.name: [] for engine in self._engines}

        def life(engine: Engine) -> None:
            connection = connect(engine)
            container = f"/containers/{make(engine, host)}"
            starts[engine.name].append(milliseconds(lambda: call(connection, "POST", f"{container}/start")))
            removals[engine.name].append(milliseconds(lambda: call(connection, "DELETE", f"{container}?force=1")))
            connection.close()

        take_turns({engine.name: partial(life, engine) for engine in self._engines})
        return [
            Figure(f"API: start {way}", "ms", starts),
            Figure(f"API: removal of what runs {way}", "ms", removals),
        ]

    def _lives_of_networks(self, beside: str) -> list[Figure]:
        creates: dict[str, list[float]] = {engine.name: [] for engine in self._engines}
        removals: dict[str, list[float]] = {engine.name: [] for engine in self._engines}

        def life(engine: Engine) -> None:
            connection, name = connect(engine), fresh_name()
            creates[engine.name].append(milliseconds(lambda: self._create(connection, name)))
            removals[engine.name].append(milliseconds(lambda: call(connection, "DELETE", f"/networks/{name}")))
            connection.close()

        take_turns({engine.name: partial(life, engine) for engine in self._engines})
        return [Figure(f"API: `network create`{beside}", "ms", creates), Figure(f"API: `network rm`{beside}", "ms", removals)]

    def connects(self) -> list[Figure]:
        """Containers that run are put on a network and taken off it, by several clients at once, until the last answer."""
        come: dict[str, list[float]] = {}
        go: dict[str, list[float]] = {}
        for engine in self._engines:
            start_many(engine, CONNECTS)
            with self._network(engine, NETWORK):
                containers = ids(engine)
                come[engine.name] = [milliseconds(partial(change_all, engine, "connect", containers))]
                go[engine.name] = [milliseconds(partial(change_all, engine, "disconnect", containers))]
                remove_all(engine)
        return [
            Figure(f"API: {CONNECTS} containers connected by {CLIENTS} clients at once", "ms", come),
            Figure(f"API: {CONNECTS} containers disconnected by {CLIENTS} clients at once", "ms", go),
        ]

    def traffic(self) -> list[Figure]:
        """TCP between two containers and through a published port, and names; the engines one after the other."""
        found: dict[str, dict[str, list[float]]] = {}
        for engine in self._engines:
            with self._network(engine, NETWORK), pair(engine) as (server, client):
                for name, values in measure(engine, server, client).items():
                    found.setdefault(name, {})[engine.name] = values
        units = {"one lookup of a container's name": "ms", "lookups of a container's name": "/s"}
        return [Figure(name, units.get(name, "MB/s"), samples) for name, samples in found.items()]

    @contextmanager
    def _network(self, engine: Engine, name: str) -> Iterator[None]:
        """A network for as long as the block lasts."""
        connection = connect(engine)
        self._create(connection, name)
        try:
            yield
        finally:
            call(connection, "DELETE", f"/networks/{name}")
            connection.close()

    def _create(self, connection: UnixConnection, name: str) -> None:
        """With a subnet of its own, as dockerd's pools hold but 31, and packets of one size: here it else follows the way out."""
        number = next(self._subnets) % 65536
        pool = {"Subnet": f"10.{96 + number // 256 % 64}.{number % 256}.0/24"}
        options = {"com.docker.network.driver.mtu": "1500"}
        call(connection, "POST", "/networks/create", {"Name": name, "IPAM": {"Config": [pool]}, "Options": options})


def make(engine: Engine, host: dict[str, object], *, name: str = "") -> str:
    """Make a container that sleeps; return its id."""
    connection = connect(engine)
    body = {"Image": IMAGE, "Cmd": ["sleep", "3600"], "HostConfig": host, "ExposedPorts": {f"{PORT}/tcp": {}}}
    container_id = call(connection, "POST", f"/containers/create?name={name or fresh_name()}", body)["Id"]
    connection.close()
    return container_id


def ids(engine: Engine) -> list[str]:
    connection = connect(engine)
    found = json.loads(fetch(connection, "GET", "/containers/json"))
    connection.close()
    return [container["Id"] for container in found]


def change_all(engine: Engine, verb: str, containers: Sequence[str]) -> None:
    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(partial(change, engine, verb), containers))


def change(engine: Engine, verb: str, container: str) -> None:
    connection = connect(engine)
    call(connection, "POST", f"/networks/{NETWORK}/{verb}", {"Container": container})
    connection.close()


@contextmanager
def pair(engine: Engine) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Two containers on the network, the first with a published port; as inspect shows them."""
    publish = {"PortBindings": {f"{PORT}/tcp": [{"HostPort": str(HOST_PORT)}]}}
    connection = connect(engine)
    made = [make(engine, {"NetworkMode": NETWORK, **more}, name=name) for name, more in ((SERVER, publish), ("client", {}))]
    try:
        for container in made:
            call(connection, "POST", f"/containers/{container}/start")
        server, client = (json.loads(fetch(connection, "GET", f"/containers/{container}/json")) for container in made)
        yield server, client
    finally:
        for container in made:
            call(connection, "DELETE", f"/containers/{container}?force=1")
        connection.close()


def measure(engine: Engine, server: dict[str, Any], client: dict[str, Any]) -> dict[str, list[float]]:
    """All kinds of traffic, each from a network namespace to another."""
    address = server["NetworkSettings"]["Networks"][NETWORK]["IPAddress"]
    inside, outside = client["State"]["Pid"], engine_pids(str(engine.folder))[0]
    with serving(server["State"]["Pid"]):
        between = [run(inside, "send", address, PORT, SEND_SECONDS) for _ in range(SEND_ROUNDS)]
        through = [run(outside, "send", "127.0.0.1", HOST_PORT, SEND_SECONDS) for _ in range(SEND_ROUNDS)]
    return {
        "TCP between two containers": between,
        "TCP from the host through a published port": through,
        "one lookup of a container's name": [run(inside, "look-up", SERVER, LOOKUPS)],
        "lookups of a container's name": [run(inside, "storm", SERVER, STORM_SECONDS)],
    }


@contextmanager
def serving(pid: int) -> Iterator[None]:
    """A server in the network namespace of a process."""
    server = subprocess.Popen(command_in(pid, "serve", "0.0.0.0", PORT), stdin=subprocess.DEVNULL)
    try:
        yield
    finally:
        server.kill()
        server.wait()


def run(pid: int, *arguments: object) -> float:
    done = subprocess.run(command_in(pid, *arguments), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=True)
    return float(done.stdout)


def command_in(pid: int, *arguments: object) -> list[str]:
    program = [sys.executable, "-I", str(Path(traffic.__file__).resolve())]
    return ["nsenter", f"--net=/proc/{pid}/ns/net", *program, *map(str, arguments)]
