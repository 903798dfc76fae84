"""Many clients of two tenants make, join, publish, leave, restart and remove at once; then nothing is left or lost."""

import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.engine.daemon import Answer, EngineDaemon, wait_until
from tests.engine.service.agreement import assert_agreement, differences

pytestmark = pytest.mark.requires_root

TENANTS = ("crowd/ada", "crowd/bob")
_CLIENTS, _OPERATIONS = 3, 85  # of each tenant
_NETWORKS, _CONTAINERS = 4, 6  # names of each tenant
_EXPECTED = frozenset({200, 201, 204, 304, 403, 404, 409})


@pytest.fixture(scope="module")
def crowded(engine_daemon: EngineDaemon) -> Iterator[EngineDaemon]:
    for tenant in TENANTS:
        engine_daemon.import_busybox(tenant=tenant)
    yield engine_daemon
    clear(engine_daemon)


class Client:
    """One of several that work on the same few names; what it does follows from its seed."""

    def __init__(self, engine: EngineDaemon, tenant: str, seed: int) -> None:
        self._engine = engine
        self._tenant = tenant
        self._random = random.Random(seed)
        self._verbs: tuple[Callable[[], Answer], ...] = (
            *(self._make_network, self._remove_network, self._create, self._create, self._start, self._start),
            *(self._connect, self._connect, self._disconnect, self._stop, self._restart, self._remove),
        )

    def work(self) -> list[str]:
        """Return the answers that nobody may get."""
        answers = [self._random.choice(self._verbs)() for _ in range(_OPERATIONS)]
        return [f"{one.status} {one.message}" for one in answers if one.status not in _EXPECTED]

    def _ask(self, method: str, path: str, body: object = None) -> Answer:
        return self._engine.request(method, path, body, tenant=self._tenant)

    @property
    def _network(self) -> str:
        return f"net{self._random.randrange(_NETWORKS)}"

    @property
    def _container(self) -> str:
        return f"box{self._random.randrange(_CONTAINERS)}"

    def _make_network(self) -> Answer:
        return self._ask("POST", "/networks/create", {"Name": self._network, "EnableIPv6": self._random.random() < 0.3})

    def _remove_network(self) -> Answer:
        return self._ask("DELETE", f"/networks/{self._network}")

    def _create(self) -> Answer:
        host = {"NetworkMode": self._network, "PortBindings": {"80/tcp": [{}], "53/udp": [{}]}}
        body = {"Image": "busybox", "Cmd": ["sleep", "600"], "HostConfig": host}
        return self._ask("POST", f"/containers/create?name={self._container}", body)

    def _start(self) -> Answer:
        return self._ask("POST", f"/containers/{self._container}/start")

    def _stop(self) -> Answer:
        return self._ask("POST", f"/containers/{self._container}/stop?t=0")

    def _restart(self) -> Answer:
        return self._ask("POST", f"/containers/{self._container}/restart?t=0")

    def _remove(self) -> Answer:
        return self._ask("DELETE", f"/containers/{self._container}?force=1")

    def _connect(self) -> Answer:
        return self._ask("POST", f"/networks/{self._network}/connect", {"Container": self._container})

    def _disconnect(self) -> Answer:
        return self._ask("POST", f"/networks/{self._network}/disconnect", {"Container": self._container})


def clear(engine: EngineDaemon) -> None:
    engine.remove_containers()
    for network in engine.request("GET", "/networks").document:
        if network["Name"] not in ("bridge", "host", "none"):
            assert engine.request("DELETE", f"/networks/{network['Id']}").status == 204


def test_five_hundred_changes_at_once_leave_records_and_kernel_in_agreement(crowded: EngineDaemon) -> None:
    clients = [Client(crowded, tenant, seed) for seed, tenant in enumerate(TENANTS * _CLIENTS)]
    with ThreadPoolExecutor(len(clients)) as pool:
        surprises = [one for found in pool.map(lambda client: client.work(), clients) for one in found]
    assert surprises == []
    assert_agreement(crowded)
    crowded.kill()
    crowded.start()
    assert_agreement(crowded)
    clear(crowded)
    wait_until(lambda: not differences(crowded), "nothing to be left", hint=lambda: str(differences(crowded)))
    assert not list((crowded.data_path / "engine/networks").glob("*/*.lease"))
    assert not list((crowded.data_path / "engine/networks").glob("*.ports"))
