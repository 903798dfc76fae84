"""A start that fails at any step leaves nothing behind but the reason in its record."""

from collections.abc import Callable
from pathlib import Path

import pytest

from engine.runtime.steps import STEPS
from tests.engine.daemon import EngineDaemon, wait_until
from tests.engine.service.faults import container_cgroups

pytestmark = pytest.mark.requires_root


@pytest.mark.parametrize("step", STEPS)
def test_nothing_is_left_when_a_step_of_the_launch_fails(start_engine: Callable[..., EngineDaemon], step: str) -> None:
    engine = start_engine(ATELIER_FAIL_STEP=step)
    container_id = engine.create("true")
    answer = engine.request("POST", f"/containers/{container_id}/start")
    assert (answer.status, step in answer.message) == (500, True), answer.body
    state = engine.inspect(container_id)["State"]
    assert (state["Status"], state["Pid"], step in state["Error"]) == ("created", 0, True)
    _assert_nothing_of(engine, container_id)
    vanishing = engine.create("true", HostConfig={"AutoRemove": True})
    assert engine.request("POST", f"/containers/{vanishing}/start").status == 500
    assert engine.request("GET", f"/containers/{vanishing}/json").status == 404
    assert engine.request("DELETE", f"/containers/{container_id}").status == 204


def _assert_tells_no_folder_of_the_host(engine: EngineDaemon, message: str) -> None:
    assert message != ""
    for folder in ("/sys/fs/cgroup", str(engine.root), str(engine.data_path)):
        assert folder not in message


def _assert_nothing_of(engine: EngineDaemon, container_id: str) -> None:
    assert container_id not in container_cgroups(engine)
    assert engine.inspect(container_id)["NetworkSettings"]["IPAddress"] == ""
    wait_until(lambda: not _ports(engine), "the veth to be gone", hint=lambda: str(_ports(engine)))
    supervisor = engine.supervisor_pid()
    children = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text()
    assert children == ""
    assert engine.mounts(supervisor) == []


def _ports(engine: EngineDaemon) -> list[str]:
    """Devices of this engine that are ports of a bridge."""
    links = Path("/sys/class/net").iterdir()
    return [link.name for link in links if engine.instance in link.name and (link / "brport").exists()]


def test_a_network_that_cannot_be_set_up_undoes_the_container(start_engine: Callable[..., EngineDaemon]) -> None:
    engine = start_engine()
    engine.wait(engine.run("true"))
    leases = engine.data_path / "engine" / "networks"
    moved = leases.rename(leases.with_name("moved"))
    leases.write_text("in the way")  # a lease cannot be recorded now
    try:
        container_id = engine.create("true")
        assert engine.request("POST", f"/containers/{container_id}/start").status == 500
        _assert_nothing_of(engine, container_id)
    finally:
        leases.unlink()
        moved.rename(leases)
    assert engine.request("POST", f"/containers/{container_id}/start").status == 204


def test_a_record_that_cannot_be_written_undoes_a_create(start_engine: Callable[..., EngineDaemon]) -> None:
    engine = start_engine()
    containers = engine.data_path / "engine" / "containers"
    moved = containers.rename(containers.with_name("moved"))
    containers.write_text("in the way")
    try:
        answer = engine.request("POST", "/containers/create?name=one", {"Image": "busybox"})
        assert answer.status == 500
        _assert_tells_no_folder_of_the_host(engine, answer.message)
    finally:
        containers.unlink()
        moved.rename(containers)
    assert engine.request("POST", "/containers/create?name=one", {"Image": "busybox"}).status == 201
    assert len(list(containers.iterdir())) == 1


def test_a_writable_layer_that_is_gone_fails_the_start_and_nothing_else(start_engine: Callable[..., EngineDaemon]) -> None:
    engine = start_engine()
    container_id = engine.create("true")
    (engine.data_path / "engine" / "containers" / container_id / "disk" / "upper").rmdir()
    answer = engine.request("POST", f"/containers/{container_id}/start")
    assert answer.status == 500
    _assert_tells_no_folder_of_the_host(engine, answer.message)
    _assert_nothing_of(engine, container_id)
    assert engine.wait(engine.run("true")) == 0


def test_a_run_that_cannot_be_recorded_is_ended(start_engine: Callable[..., EngineDaemon]) -> None:
    engine = start_engine()
    container_id = engine.create("sleep", "600")
    obstacle = engine.data_path / "engine" / "containers" / container_id / ".container.json.new"
    obstacle.mkdir()
    answer = engine.request("POST", f"/containers/{container_id}/start")
    assert (answer.status, "cannot start container" in answer.message) == (500, True)
    _assert_tells_no_folder_of_the_host(engine, answer.message)
    _assert_nothing_of(engine, container_id)
    obstacle.rmdir()
    assert engine.request("POST", f"/containers/{container_id}/start").status == 204


def test_an_exit_that_cannot_be_recorded_is_told_all_the_same(start_engine: Callable[..., EngineDaemon]) -> None:
    engine = start_engine()
    container_id = engine.run("sh", "-c", "sleep 0.5; exit 6")
    obstacle = engine.data_path / "engine" / "containers" / container_id / ".container.json.new"
    obstacle.mkdir()
    assert engine.wait(container_id) == 6
    assert engine.inspect(container_id)["State"]["Status"] == "exited"
