"""Limits of tenants and containers on what runs: network rates and input and output, over a whole engine."""

import os
import re
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from engine.core.limits import CgroupLayout
from engine.core.tenant_io import NO_IO_RATES, IoRates, plan_tenant_io
from engine.core.tenants import Tenant
from engine.linux.block_devices import device_beneath
from engine.linux.cgroups import detect_layout
from engine.network.names import rate_device_names, veth_name
from engine.service.io_limits import write_present
from tests.engine.daemon import EngineDaemon, wait_until

TEAM, ADA, BOB = "blue", "blue/ada", "blue/bob"
MB = 1_000_000
PORT = 9000


@pytest.fixture
def limited(engine: EngineDaemon) -> Iterator[EngineDaemon]:
    """Without limits at the end."""
    yield engine
    for tenant in engine.request("GET", "/tenants").document:
        engine.request("DELETE", f"/tenants/{tenant['name']}")


def put(engine: EngineDaemon, name: str, **limits: int) -> dict[str, Any]:
    answer = engine.request("PUT", f"/tenants/{name}", limits)
    if answer.status == 503:
        pytest.skip(answer.message)
    assert answer.status == 200, answer.body
    return dict(answer.document)


def usage(engine: EngineDaemon, name: str) -> dict[str, int]:
    return dict(engine.request("GET", f"/tenants/{name}").document["usage"])


def sink(engine: EngineDaemon, **host: object) -> tuple[str, str]:
    """A container that takes one connection and says how much came; its id and address."""
    # Input that never ends: at its end this nc would close the connection.
    container_id = engine.run("sh", "-c", f"mkfifo /in; nc -l -p {PORT} <>/in | wc -c", tenant=ADA, HostConfig=host)
    networks = engine.inspect(container_id)["NetworkSettings"]["Networks"]
    wait_until(lambda: b"nc" in engine.cli("top", container_id).stdout, "the sink to listen")
    return container_id, networks["bridge"]["IPAddress"]


def seconds_to_send(engine: EngineDaemon, taken: tuple[str, str], megabytes: int, **host: object) -> float:
    """From the start of the sender until all has arrived."""
    container_id, address = taken
    begun = time.monotonic()
    command = f"dd if=/dev/zero bs=1000000 count={megabytes} | nc {address} {PORT}"
    engine.run("sh", "-c", command, tenant=ADA, HostConfig=host)
    assert engine.wait(container_id) == 0
    assert int(engine.output(container_id)) == megabytes * MB
    return time.monotonic() - begun


def classes(engine: EngineDaemon) -> list[str]:
    command = ["tc", "class", "show", "dev", rate_device_names(engine.instance)[0]]
    shown = subprocess.run(command, check=False, capture_output=True, text=True).stdout
    return [line for line in shown.splitlines() if " parent " in line]


@pytest.mark.requires_root
@pytest.mark.parametrize("name", [TEAM, ADA])
def test_a_tenants_rate_holds_for_what_starts_and_its_traffic_is_counted(limited: EngineDaemon, name: str) -> None:
    put(limited, name, network_out_bps=4 * MB)
    assert seconds_to_send(limited, sink(limited), 8) > 1.5
    counted = usage(limited, TEAM)
    assert min(counted["network_in_bytes"], counted["network_out_bytes"]) > 0
    assert usage(limited, ADA)["network_out_bytes"] == counted["network_out_bytes"]


@pytest.mark.requires_root
def test_all_is_counted_of_a_container_that_ends_while_the_daemon_is_busy(limited: EngineDaemon) -> None:
    """Its interface is there until it has been read, however late that is; stopped, the daemon is as late as can be."""
    put(limited, TEAM)
    before = usage(limited, TEAM)["network_in_bytes"]
    container_id, address = sink(limited)
    device = Path("/sys/class/net", veth_name(limited.instance, IPv4Address(address)))
    pidfd = os.pidfd_open(limited.inspect(container_id)["State"]["Pid"])
    assert device.exists()
    limited.run("sh", "-c", f"dd if=/dev/zero bs=1000000 count=8 | nc {address} {PORT}", tenant=ADA)
    os.kill(limited.pid, signal.SIGSTOP)
    try:
        assert select.select([pidfd], [], [], 60)[0]  # the sink has ended
        time.sleep(0.5)  # in which the kernel takes down what nobody holds
        assert device.exists()
    finally:
        os.kill(limited.pid, signal.SIGCONT)
        os.close(pidfd)
    assert limited.wait(container_id) == 0
    assert usage(limited, TEAM)["network_in_bytes"] - before > 8 * MB


@pytest.mark.requires_root
def test_the_interface_of_a_container_that_came_to_its_network_later_is_kept_as_well(limited: EngineDaemon) -> None:
    container_id = limited.run("sleep", "600", tenant=ADA, HostConfig={"NetworkMode": "none"})
    for change in ("none/disconnect", "bridge/connect"):
        assert limited.request("POST", f"/networks/{change}", {"Container": container_id}, tenant=ADA).status == 200
    found = limited.inspect(container_id)
    address = found["NetworkSettings"]["Networks"]["bridge"]["IPAddress"]
    device = Path("/sys/class/net", veth_name(limited.instance, IPv4Address(address)))
    pidfd = os.pidfd_open(found["State"]["Pid"])
    os.kill(limited.pid, signal.SIGSTOP)
    try:
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        assert select.select([pidfd], [], [], 60)[0]
        time.sleep(0.5)  # in which the kernel takes down what nobody holds
        assert device.exists()
    finally:
        os.kill(limited.pid, signal.SIGCONT)
        os.close(pidfd)
    wait_until(lambda: not device.exists(), "the interface to go")


@pytest.mark.requires_root
def test_a_container_has_rates_of_its_own_from_the_start(limited: EngineDaemon) -> None:
    assert seconds_to_send(limited, sink(limited), 8, Atelier={"NetworkOutBps": 4 * MB}) > 1.5
    assert seconds_to_send(limited, sink(limited, Atelier={"NetworkInBps": 4 * MB}), 8) > 1.5


@pytest.mark.requires_root
def test_a_containers_rates_change_while_it_runs_and_are_shown(limited: EngineDaemon) -> None:
    taken = sink(limited)
    path = f"/containers/{taken[0]}/update"
    assert "Atelier" not in limited.inspect(taken[0])["HostConfig"]
    assert limited.request("POST", path, {"Atelier": {"NetworkInBps": 4 * MB}}).status == 200
    assert limited.inspect(taken[0])["HostConfig"]["Atelier"] == {"NetworkInBps": 4 * MB, "NetworkOutBps": None}
    assert limited.request("POST", path, {"CpuShares": 100}).status == 200
    assert any("ceil 32Mbit" in line for line in classes(limited))
    assert seconds_to_send(limited, taken, 8) > 1.5
    other = limited.run("sleep", "600", tenant=ADA, HostConfig={"Atelier": {"NetworkInBps": MB}})
    assert limited.request("POST", f"/containers/{other}/update", {"Atelier": {"NetworkInBps": 0}}).status == 200
    assert "Atelier" not in limited.inspect(other)["HostConfig"]
    assert classes(limited) == []


@pytest.mark.requires_root
def test_the_docker_command_can_ask_for_rates_by_options_of_a_network(limited: EngineDaemon) -> None:
    network = "--network=name=bridge,driver-opt=atelier.in_bps=4000000,driver-opt=atelier.out_bps={}"
    made = limited.cli("create", network.format(5 * MB), "busybox", check=True)
    assert made.stderr == b""
    rates = limited.inspect(made.stdout.decode().strip())["HostConfig"]["Atelier"]
    assert rates == {"NetworkInBps": 4 * MB, "NetworkOutBps": 5 * MB}
    refused = limited.cli("create", network.format("fast"), "busybox")
    assert refused.returncode == 1
    assert b"invalid driver option atelier.out_bps=fast: use a number of bytes a second" in refused.stderr


@pytest.mark.requires_root
@pytest.mark.parametrize(
    ("rates", "words"),
    [
        ({"NetworkInBps": 5}, "invalid NetworkInBps 5: use 4096 to"),
        ({"NetworkOutBps": -1}, "invalid NetworkOutBps -1"),
        ({"NetworkBps": 5}, "unknown field Atelier.NetworkBps: use NetworkInBps and NetworkOutBps"),
        ({"NetworkInBps": "1m"}, "NetworkInBps"),
    ],
)
def test_wrong_rates_of_a_container_are_refused_when_it_is_made(engine: EngineDaemon, rates: object, words: str) -> None:
    body = {"Image": "busybox", "HostConfig": {"Atelier": rates}}
    answer = engine.request("POST", "/containers/create", body)
    assert answer.status == 400
    assert words in answer.message


@pytest.mark.requires_root
def test_rates_outlive_a_daemon_that_is_killed(start_engine: Callable[..., EngineDaemon]) -> None:
    engine = start_engine()
    put(engine, ADA, network_in_bps=4 * MB)
    container_id = engine.run("sleep", "600", tenant=ADA, HostConfig={"Atelier": {"NetworkOutBps": 3 * MB}})
    before = [re.sub(r"a7e1:\w+|leaf \w+", "", line) for line in classes(engine)]
    assert len(before) == len(("team", "member", "container"))
    engine.kill()
    engine.start()
    assert [re.sub(r"a7e1:\w+|leaf \w+", "", line) for line in classes(engine)] == before
    assert engine.request("GET", f"/tenants/{ADA}").document["limits"]["network_in_bps"] == 4 * MB
    assert seconds_to_send(engine, sink(engine), 8) > 1.5
    assert engine.inspect(container_id)["State"]["Running"]


@pytest.mark.requires_root
def test_limits_that_went_while_the_daemon_was_away_leave_nothing_behind(start_engine: Callable[..., EngineDaemon]) -> None:
    """As after a kill in the midst of taking them away: the record is gone, the kernel still limits."""
    engine = start_engine()
    put(engine, ADA, network_in_bps=4 * MB)
    engine.run("sleep", "600", tenant=ADA)
    engine.kill()
    (engine.data_path / "engine" / "tenants" / "limits.json").unlink()
    engine.start()
    assert not any(
        name in rate_device_names(engine.instance) for name in (path.name for path in Path("/sys/class/net").iterdir())
    )


def seconds_to_write(engine: EngineDaemon, *containers: str, megabytes: int = 8) -> float:
    begun = time.monotonic()
    script = f"dd if=/dev/zero of=/written bs=1M count={megabytes} conv=fsync"
    docker = ["docker", "-H", f"unix://{engine.socket_path}", "exec"]
    writers = [subprocess.Popen([*docker, one, "sh", "-c", script]) for one in containers]
    assert [writer.wait() for writer in writers] == [0] * len(containers)
    return time.monotonic() - begun


@pytest.mark.requires_root
@pytest.mark.parametrize("name", [TEAM, ADA])
def test_a_tenants_writing_is_limited_at_once_and_counted(limited: EngineDaemon, name: str) -> None:
    container_id = limited.run("sleep", "600", tenant=ADA)
    put(limited, name, io_write_bps=4 * MB)
    assert seconds_to_write(limited, container_id) > 1.2
    assert usage(limited, ADA)["io_write_bytes"] >= 8 * MB
    assert usage(limited, TEAM)["io_write_bytes"] >= 8 * MB


@pytest.mark.requires_root
def test_what_starts_later_shares_with_what_runs_already(limited: EngineDaemon) -> None:
    put(limited, TEAM, io_write_bps=4 * MB)
    containers = [limited.run("sleep", "600", tenant=tenant) for tenant in (ADA, BOB)]
    assert seconds_to_write(limited, *containers, megabytes=4) > 1.2


@pytest.mark.requires_root
def test_many_that_start_at_once_never_have_more_together_than_the_team(limited: EngineDaemon) -> None:
    """On version 1, where each has a part; also while the limit changes, and as they end."""
    put(limited, TEAM, io_write_bps=100 * MB)
    with ThreadPoolExecutor(8) as pool:
        started = [pool.submit(limited.run, "sleep", "600", tenant=f"{TEAM}/m{number % 3}") for number in range(8)]
        pool.submit(put, limited, TEAM, io_write_bps=80 * MB)
    containers = [one.result() for one in started]
    assert sum(_parts(limited)) in (0, 80 * MB)
    for container_id in containers[:4]:
        limited.request("DELETE", f"/containers/{container_id}?force=1")
    wait_until(lambda: sum(_parts(limited)) in (0, 80 * MB), "the parts of those that are left to grow")


def _parts(engine: EngineDaemon) -> list[int]:
    """What each running container may write a second; none on version 2."""
    root = Path(detect_layout().mounts.get("blkio", "/nowhere"), f"atelier-{engine.instance}", f"t-{TEAM}")
    texts = [path.read_text().split() for path in root.glob("m-*/c-*/blkio.throttle.write_bps_device")]
    return [int(words[1]) for words in texts]


@pytest.mark.requires_root
def test_a_tenants_reading_is_limited(limited: EngineDaemon) -> None:
    container_id = limited.run("sleep", "600", tenant=ADA)
    seconds_to_write(limited, container_id)
    put(limited, ADA, io_read_bps=4 * MB)
    begun = time.monotonic()
    limited.cli("exec", container_id, "dd", "if=/written", "of=/dev/null", "bs=1M", "iflag=direct", check=True)
    assert time.monotonic() - begun > 1.2


@pytest.mark.requires_root
def test_a_containers_own_limits_hold_below_those_of_its_tenant_and_after_them(limited: EngineDaemon) -> None:
    number = device_beneath(limited.data_path / "engine")
    if number is None:
        pytest.skip("the data folder lies on no block device")
    name = next(line for line in Path(f"/sys/dev/block/{number}/uevent").read_text().split() if line.startswith("DEVNAME="))
    own = {"BlkioDeviceWriteBps": [{"Path": f"/dev/{name.removeprefix('DEVNAME=')}", "Rate": 2 * MB}]}
    container_id = limited.run("sleep", "600", tenant=ADA, HostConfig=own)
    put(limited, ADA, io_write_bps=100 * MB)
    assert seconds_to_write(limited, container_id, megabytes=4) > 1.2
    limited.request("DELETE", f"/tenants/{ADA}")
    assert seconds_to_write(limited, container_id, megabytes=4) > 1.2


def test_on_version_2_the_teams_own_cgroup_holds_the_sum(tmp_path: Path) -> None:
    """Against a folder of files; cgroups come and go with containers, so those that are not there are left out."""
    layout = CgroupLayout(2, {}, str(tmp_path))
    team, ada = tmp_path / "atelier-1" / "t-blue", tmp_path / "atelier-1" / "t-blue" / "m-ada"
    ada.mkdir(parents=True)
    for folder in (team, ada):
        (folder / "io.max").touch()
    tenants = {Tenant("blue"): IoRates(write_bps=100), Tenant("blue", "ada"): NO_IO_RATES, Tenant("blue", "bob"): IoRates(1)}
    write_present(plan_tenant_io(layout, "atelier-1", "7:0", tenants, []))
    assert (team / "io.max").read_text() == "7:0 rbps=max wbps=100 riops=max wiops=max\n"
    assert (ada / "io.max").read_text() == "7:0 rbps=max wbps=max riops=max wiops=max\n"
    assert sorted(path.name for path in team.iterdir()) == ["io.max", "m-ada"]
