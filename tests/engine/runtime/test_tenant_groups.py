"""Limits of tenants written: version 2 into a directory of files, which is what the kernel shows."""

import errno
from pathlib import Path

import pytest

from engine.core.limits import CgroupLayout
from engine.core.tenant_cgroups import NO_CEILINGS, Ceilings
from engine.core.tenant_plan import Ground, TenantPlan, TenantShare, plan_tenants
from engine.core.tenants import Tenant
from engine.runtime.stray_cgroups import find_tenants, remove_tenant
from engine.runtime.tenant_groups import hold, write_values

BLUE, ADA = Tenant("blue"), Tenant("blue", "ada")
ALL = frozenset(range(4))
MIB = 1 << 20
FILES = {
    "memory.max": "max",
    "memory.high": "max",
    "memory.swap.max": "max",
    "memory.current": str(50 * MIB),
    "cpu.max": "max 100000",
    "pids.max": "max",
    "cpuset.cpus": "",
    "cgroup.subtree_control": "",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A version 2 tree with the cgroups of a team and a member."""
    (tmp_path / "cgroup.subtree_control").touch()
    for path in ("atelier-x", "atelier-x/t-blue", "atelier-x/t-blue/m-ada"):
        (tmp_path / path).mkdir()
        for name, text in FILES.items():
            (tmp_path / path / name).write_text(f"{text}\n")
    return tmp_path


def plan(root: Path, team: Ceilings, *, seen: frozenset[int] = ALL) -> TenantPlan:
    shares = {BLUE: TenantShare(team, seen), ADA: TenantShare(NO_CEILINGS, seen)}
    return plan_tenants(Ground(CgroupLayout(2, {}, str(root)), "x", ALL), shares, [])


def team_file(root: Path, name: str) -> str:
    return (root / "atelier-x/t-blue" / name).read_text().strip()


def test_limits_come_and_go(root: Path) -> None:
    assert hold(plan(root, Ceilings(1.5, 64 * MIB, MIB, 10), seen=frozenset({2, 3}))) == set()
    names = ("memory.max", "memory.high", "memory.swap.max", "cpu.max", "pids.max", "cpuset.cpus")
    assert [team_file(root, name) for name in names] == [str(64 * MIB), "max", str(MIB), "150000 100000", "10", "2-3"]
    assert hold(plan(root, NO_CEILINGS)) == set()
    assert [team_file(root, name) for name in names] == [FILES[name] for name in names]


def test_a_set_of_processors_that_cannot_be_emptied_becomes_the_one_above(root: Path) -> None:
    """As Linux 6.1 refuses it where processes are."""
    (root / "atelier-x/cpuset.cpus.effective").write_text("0-3\n")

    def put(path: str, value: str) -> None:
        if not value:
            raise OSError(errno.ENOSPC, "No space left on device", path)
        Path(path).write_text(f"{value}\n")

    path = root / "atelier-x/t-blue/cpuset.cpus"
    path.write_text("2\n")
    write_values([{"path": str(path), "value": "", "optional": True}], put=put)
    assert path.read_text() == "0-3\n"


def test_what_has_no_room_for_another_reason_is_an_error(root: Path) -> None:
    def put(path: str, value: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", path)

    with pytest.raises(OSError, match="No space"):
        write_values([{"path": str(root / "atelier-x/pids.max"), "value": "5", "optional": False}], put=put)


def test_controllers_are_switched_on_at_every_level(root: Path) -> None:
    hold(plan(root, Ceilings(pids=10)))
    for path in ("", "atelier-x", "atelier-x/t-blue"):
        assert (root / path / "cgroup.subtree_control").read_text().startswith("+")
    assert (root / "atelier-x/t-blue/m-ada/cgroup.subtree_control").read_text() == "\n"  # it has no limits of its own


def test_memory_in_use_is_never_cut_off_and_the_limit_follows_it(root: Path) -> None:
    """What is in use is asked back by memory.high, which is lifted again: else all would wait for as long as there is more."""
    assert hold(plan(root, Ceilings(memory_bytes=20 * MIB))) == {BLUE}
    assert 50 * MIB < int(team_file(root, "memory.max")) < 60 * MIB
    assert team_file(root, "memory.high") == "max"
    (root / "atelier-x/t-blue/memory.current").write_text(str(30 * MIB))
    assert hold(plan(root, Ceilings(memory_bytes=20 * MIB))) == {BLUE}
    assert 30 * MIB < int(team_file(root, "memory.max")) < 40 * MIB
    (root / "atelier-x/t-blue/memory.current").write_text(str(10 * MIB))
    assert hold(plan(root, Ceilings(memory_bytes=20 * MIB))) == set()
    assert team_file(root, "memory.max") == str(20 * MIB)


def test_a_looser_limit_is_never_looser_than_the_one_before(root: Path) -> None:
    (root / "atelier-x/t-blue/memory.max").write_text(str(50 * MIB))
    hold(plan(root, Ceilings(memory_bytes=20 * MIB)))
    assert team_file(root, "memory.max") == str(50 * MIB)


def test_what_a_killed_daemon_left_of_a_lowering_is_lifted(root: Path) -> None:
    (root / "atelier-x/t-blue/memory.high").write_text(str(20 * MIB))
    hold(plan(root, NO_CEILINGS))
    assert team_file(root, "memory.high") == "max"


def test_a_limit_that_cannot_be_written_is_an_error(root: Path) -> None:
    (root / "atelier-x/t-blue/pids.max").unlink()
    assert hold(plan(root, NO_CEILINGS)) == set()
    with pytest.raises(FileNotFoundError):
        hold(plan(root, Ceilings(pids=10)))


def test_tenants_without_a_cgroup_and_without_limits_are_left_alone(tmp_path: Path) -> None:
    assert hold(plan(tmp_path, NO_CEILINGS)) == set()
    assert list(tmp_path.iterdir()) == []


def test_tenants_are_found_by_their_directories_and_removed_where_nothing_is_below(tmp_path: Path) -> None:
    layout = CgroupLayout(2, {}, str(tmp_path))
    (tmp_path / "atelier-x/t-blue/m-ada/c-1").mkdir(parents=True)
    (tmp_path / "atelier-x/t-red").mkdir()
    (tmp_path / "atelier-y/t-green").mkdir(parents=True)
    found = find_tenants(layout, "x")
    assert found == {BLUE, ADA, Tenant("red")}
    for tenant in [*sorted(found, reverse=True), Tenant()]:
        remove_tenant(layout, "x", tenant)
    assert find_tenants(layout, "x") == {BLUE, ADA}
    assert (tmp_path / "atelier-y/t-green").is_dir()
