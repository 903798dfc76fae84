"""What counts as used while starts are under way: an engine's own objects, none of which runs anything."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from engine.core.containers import ContainerConfig, ContainerRecord, HostConfig, Run
from engine.core.lifecycle import State
from engine.core.limits import Limits
from engine.core.tenants import Tenant
from engine.errors import QuotaExceeded
from engine.service.admit_container import admitted_start, count_running
from engine.service.engine import Engine
from engine.service.lifecycle import build_engine
from engine.storage.disk import DiskSettings
from engine.tenants.limits import TenantLimits

MIB = 1 << 20
TEAM, ADA, BOB = Tenant("demo"), Tenant("demo", "ada"), Tenant("demo", "bob")
pytestmark = pytest.mark.requires_root


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    built = build_engine(data_path=tmp_path / "data", run_path=tmp_path / "run", disk=DiskSettings("none"))
    yield built
    built.trash.close()
    built.disk.close(unmount=True)


def record(number: int, tenant: Tenant = ADA, *, mib: int | None = None, state: State = State.CREATED) -> ContainerRecord:
    return ContainerRecord(
        container_id=f"{number:064x}",
        name=f"n{number}",
        tenant=tenant,
        created_ns=number,
        image_id="",
        config=ContainerConfig(image="", hostname=""),
        host=HostConfig(limits=Limits(memory_bytes=None if mib is None else mib * MIB)),
        run=Run(state=state),
    )


def test_memory_that_is_asked_for_counts_until_the_start_is_over(engine: Engine) -> None:
    engine.tenants.set_limits(TEAM, TenantLimits(memory=200 * MIB))
    with admitted_start(engine, record(1, mib=90)), admitted_start(engine, record(2, BOB, mib=90)):
        with (
            pytest.raises(QuotaExceeded, match="90 MiB needed, 20 MiB left of 200 MiB"),
            admitted_start(engine, record(3, mib=90)),
        ):
            pass
        with admitted_start(engine, record(4)), pytest.raises(QuotaExceeded, match="15 MiB needed, 14 MiB left"):
            admitted_start(engine, record(5, mib=15)).__enter__()
        with admitted_start(engine, record(6, Tenant("red"), mib=500)):
            pass
    with admitted_start(engine, record(3, mib=190)):
        pass


def test_a_start_that_fails_gives_its_place_back(engine: Engine) -> None:
    engine.tenants.set_limits(ADA, TenantLimits(running=1, memory=100 * MIB, pids=1))
    for _ in range(3):
        with pytest.raises(OSError, match="nothing works"), admitted_start(engine, record(1, mib=100)):
            raise OSError("nothing works")
    with admitted_start(engine, record(2, mib=100)):
        assert count_running(engine, ADA) == 1
    assert count_running(engine, ADA) == 0


def test_a_restart_and_the_start_within_it_have_one_place(engine: Engine) -> None:
    engine.tenants.set_limits(ADA, TenantLimits(running=1, memory=100 * MIB, pids=1))
    one = record(1, mib=100, state=State.RUNNING)
    engine.containers.reserve(one)
    with admitted_start(engine, one):
        with admitted_start(engine, one):
            assert count_running(engine, TEAM) == 1
        assert count_running(engine, TEAM, apart_from=one.container_id) == 0
        with pytest.raises(QuotaExceeded), admitted_start(engine, record(2)):
            pass


def test_of_those_that_wait_for_a_restart_as_many_are_turned_away_as_are_too_many(engine: Engine) -> None:
    engine.tenants.set_limits(TEAM, TenantLimits(running=2))
    waiting = [record(number, state=State.RESTARTING) for number in range(1, 6)]
    for one in waiting:
        engine.containers.reserve(one)
    outcomes = []
    with ExitStack() as places:
        for one in waiting:  # none of the records has been written anew meanwhile
            try:
                places.enter_context(admitted_start(engine, one))
                outcomes.append("started")
            except QuotaExceeded:
                outcomes.append("turned away")
    assert outcomes == ["turned away"] * 3 + ["started"] * 2
    assert count_running(engine, TEAM) == 2
    for one in waiting:
        engine.starts.settle(one.container_id)
    assert count_running(engine, TEAM) == 5


def test_containers_of_builds_and_of_all_members_count(engine: Engine) -> None:
    engine.tenants.set_limits(TEAM, TenantLimits(containers=2))
    for number, tenant in ((1, ADA), (2, BOB)):
        engine.containers.reserve(record(number, tenant))
    with pytest.raises(QuotaExceeded, match="container quota of team demo"):
        engine.containers.reserve(record(3, TEAM))
    assert engine.containers.get(record(3).container_id) is None
    engine.containers.drop(record(1).container_id)
    engine.containers.reserve(record(3, TEAM))
    engine.containers.reserve(record(4, Tenant()))
