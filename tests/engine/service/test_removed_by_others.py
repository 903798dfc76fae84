"""What other programs of a host, or people, take away from the engine while it works is made again; no container starts anew."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.engine.daemon import EngineDaemon, wait_until
from tests.engine.service.agreement import assert_agreement
from tests.engine.service.test_ports import fetch

pytestmark = pytest.mark.requires_root

ADA = "gone/ada"
_MIB = 1 << 20


@pytest.fixture(scope="module")
def prepared(engine_daemon: EngineDaemon) -> EngineDaemon:
    engine_daemon.import_busybox(tenant=ADA)
    answer = engine_daemon.request("PUT", f"/tenants/{ADA}", {"network_in_bps": 50 * _MIB, "network_out_bps": 50 * _MIB})
    assert answer.status in (200, 201)
    return engine_daemon


@pytest.fixture
def pair(prepared: EngineDaemon) -> Iterator[tuple[str, str]]:
    """Two containers of a limited tenant on one network, the first with a published port."""
    # Not of the pool: another engine of this host takes what is free there while the bridge is away.
    subnet = f"172.{32 + int(prepared.instance[:2], 16) % 32}.{int(prepared.instance[2:4], 16)}.0/24"
    body = {"Name": "room", "IPAM": {"Config": [{"Subnet": subnet}]}}
    assert prepared.request("POST", "/networks/create", body, tenant=ADA).status == 201
    host = {"NetworkMode": "room", "PortBindings": {"80/tcp": [{}]}}
    serve = ("sh", "-c", "mkdir /w; echo hello >/w/index.html; exec httpd -f -p 80 -h /w")
    yield (
        prepared.run(*serve, tenant=ADA, name="web", HostConfig=host),
        prepared.run("sleep", "600", tenant=ADA, name="client", HostConfig={"NetworkMode": "room"}),
    )
    prepared.remove_containers()
    assert prepared.request("DELETE", "/networks/room", tenant=ADA).status == 204


def devices(engine: EngineDaemon, kind: str) -> list[str]:
    """The daemon may be standing still."""
    return sorted(path.name for path in Path("/sys/class/net").glob(f"{kind}{engine.instance}*"))


def delete_bridges(engine: EngineDaemon) -> None:
    for name in devices(engine, "b"):
        subprocess.run(["ip", "link", "del", name], check=True)


def delete_one_rate_device(engine: EngineDaemon) -> None:
    subprocess.run(["ip", "link", "del", devices(engine, "r")[0]], check=True)


def delete_both_rate_devices(engine: EngineDaemon) -> None:
    for name in devices(engine, "r"):
        subprocess.run(["ip", "link", "del", name], check=True)


def delete_tables(engine: EngineDaemon) -> None:
    """As `nft flush ruleset` does, without what others have."""
    for family in ("inet", "bridge"):
        subprocess.run(["nft", "delete", "table", family, f"atelier_{engine.instance}"], check=True)


def kill_resolver(engine: EngineDaemon) -> None:
    pid = engine.resolver_pid()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: engine.resolver_pid() not in (None, pid), "another resolver")


def kill_supervisor(engine: EngineDaemon) -> None:
    pid = engine.supervisor_pid()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: engine.supervisor_pid() not in (None, pid), "another supervisor")


LOSSES = (delete_bridges, delete_one_rate_device, delete_both_rate_devices, delete_tables, kill_resolver, kill_supervisor)


def reaches(engine: EngineDaemon, client: str) -> bool:
    """Finds the other by name, and at its address."""
    script = "ping -c 1 -w 2 $(nslookup web | awk '/^Name/ { getline; print $2 }')"
    return engine.cli("exec", client, "sh", "-c", script).returncode == 0


def is_published(engine: EngineDaemon, container_id: str) -> bool:
    port = engine.inspect(container_id)["NetworkSettings"]["Ports"]["80/tcp"][0]["HostPort"]
    return fetch(int(port)) == "hello"


@pytest.mark.parametrize("lose", LOSSES, ids=[loss.__name__ for loss in LOSSES])
def test_it_is_made_again_while_containers_run(
    prepared: EngineDaemon, pair: tuple[str, str], lose: Callable[[EngineDaemon], None]
) -> None:
    web, client = pair
    wait_until(lambda: reaches(prepared, client) and is_published(prepared, web), "the first answer")
    lose(prepared)
    assert_agreement(prepared)
    wait_until(lambda: reaches(prepared, client), "the container to be reached again")
    wait_until(lambda: is_published(prepared, web), "the port to be led on again")


@pytest.mark.parametrize("lose", LOSSES[:4], ids=[loss.__name__ for loss in LOSSES[:4]])
def test_it_is_made_again_by_the_next_daemon(
    prepared: EngineDaemon, pair: tuple[str, str], lose: Callable[[EngineDaemon], None]
) -> None:
    web, client = pair
    wait_until(lambda: reaches(prepared, client), "the first answer")
    os.kill(prepared.pid, signal.SIGSTOP)  # it sees nothing of it
    lose(prepared)
    prepared.kill()
    prepared.start()
    assert_agreement(prepared)
    wait_until(lambda: reaches(prepared, client), "the container to be reached again")
    wait_until(lambda: is_published(prepared, web), "the port to be led on again")


def test_it_is_made_again_in_the_midst_of_work(prepared: EngineDaemon, pair: tuple[str, str]) -> None:
    def live(_: int) -> None:
        for _ in range(3):
            container_id = prepared.run("sleep", "600", tenant=ADA, HostConfig={"NetworkMode": "room"})
            assert prepared.request("DELETE", f"/containers/{container_id}?force=1").status == 204

    with ThreadPoolExecutor(3) as pool:
        lives = [pool.submit(live, number) for number in range(3)]
        for lose in (delete_tables, kill_resolver, delete_tables):
            lose(prepared)
        for one in lives:
            one.result()
    assert_agreement(prepared)
    wait_until(lambda: reaches(prepared, pair[1]), "the container to be reached")
