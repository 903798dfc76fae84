"""Project quotas: what is particular to them. What they have in common with other drivers is in test_disk.py."""

import io
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import Unavailable
from engine.linux.capabilities import is_effective, is_permitted, put_down, raised
from engine.linux.project_quota import project_of
from engine.storage.areas import Areas
from engine.storage.disk import DiskSettings, open_disk
from engine.storage.disk_choice import explain_disk
from engine.storage.disk_project import ProjectDisk
from engine.storage.files import exchange
from engine.storage.layers import LayerStore
from engine.storage.rootfs import create_rootfs
from engine.storage.trash import Trash
from tests.engine.storage.disks import ADA, BOB, MIB, OTHER, TEAM, fill, fill_patiently, project_disk, settle, wait_until
from tests.engine.storage.tar_archives import archive, member

pytestmark = pytest.mark.requires_root


@pytest.fixture(params=["ext4", "xfs"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ProjectDisk]:
    """Empty, and for one test."""
    with project_disk(tmp_path, request.param) as found:
        yield found


def _project(path: Path) -> int:
    folder = os.open(path, os.O_RDONLY)
    try:
        return project_of(folder)
    finally:
        os.close(folder)


def _is_settled(disk: ProjectDisk) -> bool:
    disk.balance.settle()
    return not disk.tenant_bytes(ADA)


def test_a_kernel_without_them_says_so_and_counts_nothing(tmp_path: Path) -> None:
    (tmp_path / "engine").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", tmp_path / "engine"], check=True)
    try:
        with pytest.raises(Unavailable, match="project quotas"):
            open_disk(tmp_path / "engine", DiskSettings("project"))
        assert list((tmp_path / "engine").iterdir()) == []
    finally:
        subprocess.run(["umount", tmp_path / "engine"], check=True)


def test_they_are_found_by_themselves_and_again(disk: ProjectDisk) -> None:
    assert explain_disk(disk.data_path)[0] == disk.kind
    disk.make_area(disk.data_path / "a", owner=ADA)
    again = open_disk(disk.data_path, DiskSettings("auto"))
    try:
        assert isinstance(again, ProjectDisk)
        with pytest.raises(Unavailable):
            open_disk(disk.data_path, DiskSettings("image"))
    finally:
        again.close(unmount=False)


def test_the_next_daemon_finds_areas_owners_and_limits(disk: ProjectDisk) -> None:
    top = disk.data_path
    (top / "deep/er").mkdir(parents=True)
    disk.make_area(top / "deep/er/a", owner=ADA, limit_bytes=8 * MIB)
    disk.limit_tenant(TEAM, 6 * MIB)
    fill(top / "deep/er/a/f", 2 * MIB)
    settle(top)
    before = disk.area_bytes(top / "deep/er/a")
    again = open_disk(top, DiskSettings("project"))
    assert isinstance(again, ProjectDisk)
    try:
        assert fill(top / "deep/er/a/g") < 5 * MIB, "the limit of the team holds before it is handed in anew"
        assert (again.area_bytes(top / "deep/er/a") or 0) > (before or 0)
        assert again.tenant_bytes(TEAM) == again.tenant_bytes(ADA) == again.area_bytes(top / "deep/er/a")
        again.free_tenants([TEAM])
        assert fill(top / "deep/er/a/g") < 5 * MIB, "and still does"
        again.make_area(top / "b", owner=BOB)
        assert _project(top / "b") != _project(top / "deep/er/a")
        again.free_tenants([])
        assert 6 * MIB < fill(top / "deep/er/a/g") + 2 * MIB <= 8 * MIB, "its own limit is known still"
    finally:
        again.close(unmount=False)


def test_an_id_whose_files_are_still_open_is_nobody_elses_and_goes_on_counting(disk: ProjectDisk) -> None:
    top = disk.data_path
    disk.make_area(top / "a", owner=ADA)
    project = _project(top / "a")
    with (top / "a/f").open("wb") as file:
        file.write(b"x" * 4 * MIB)
        file.flush()
        disk.remove_area(top / "a")
        assert (disk.tenant_bytes(ADA) or 0) >= 4 * MIB
        for number in range(5):
            disk.make_area(top / str(number), owner=OTHER)
            assert _project(top / str(number)) != project
    settle(top)
    wait_until(lambda: _is_settled(disk), "the file not to count")
    assert project not in {quota.project for quota in disk.balance.quotas()}


def test_what_many_write_at_once_stays_below_the_tenants_limit(disk: ProjectDisk) -> None:
    top, names = disk.data_path, [str(number) for number in range(6)]
    for name in names:
        disk.make_area(top / name, owner=ADA)
    disk.limit_tenant(ADA, 24 * MIB)
    writers = [threading.Thread(target=fill_patiently, args=(disk, top / name / "f", 64 * MIB)) for name in names]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    settle(top)
    assert 20 * MIB <= (disk.tenant_bytes(ADA) or 0) <= 24 * MIB + 6 * 64 * 1024


def test_areas_change_places_are_moved_and_thrown_away(disk: ProjectDisk) -> None:
    top = disk.data_path
    trash = Trash(top / "trash", disk)
    for name in ("one", "two"):
        (top / name).mkdir()
        disk.make_area(top / name / "data", owner=ADA)
        (top / name / "data" / name).touch()
        (top / name / "data/deep/folder").mkdir(parents=True)
    exchange(top / "one/data", top / "two/data")
    assert (top / "one/data/two").exists()
    (top / "one/data").rename(top / "moved")
    trash.discard(top / "moved")
    trash.discard(top / "two")
    trash.empty()
    settle(top)
    wait_until(lambda: _is_settled(disk), "what was thrown away not to count")
    assert list((top / "trash").iterdir()) == []


def test_nothing_gets_out_of_an_area_by_a_name_elsewhere(disk: ProjectDisk) -> None:
    top = disk.data_path
    for name in ("a", "b"):
        disk.make_area(top / name, owner=ADA)
    (top / "a/f").touch()
    for attempt in (os.link, os.rename):
        with pytest.raises(OSError, match="cross-device"):
            attempt(top / "a/f", top / "b/f")


@pytest.mark.parametrize("change", ["set_project(fd, 0, inherits=True)", "set_project(fd, project_of(fd), inherits=False)"])
def test_the_root_of_a_container_cannot_leave_its_area(disk: ProjectDisk, change: str) -> None:
    disk.make_area(disk.data_path / "a", owner=ADA)
    (disk.data_path / "a/upper").mkdir()
    project = _project(disk.data_path / "a/upper")
    code = (
        "import os; from engine.linux.project_quota import project_of, set_project;"
        f" fd = os.open({str(disk.data_path / 'a/upper')!r}, os.O_RDONLY); {change}"
    )
    done = subprocess.run(["unshare", "-Ur", sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "Invalid argument" in done.stderr
    assert _project(disk.data_path / "a/upper") == project


def test_files_without_content_find_an_end_too(disk: ProjectDisk) -> None:
    disk.make_area(disk.data_path / "a", owner=ADA, limit_bytes=MIB)
    made = 0
    try:
        for made in range(4096):
            (disk.data_path / "a" / str(made)).touch()
    except OSError:
        pass
    assert made < 1100


def test_a_right_that_was_put_down_is_raised_for_a_while_and_again_by_what_is_executed() -> None:
    if not is_permitted("CAP_SYS_RESOURCE"):
        pytest.skip("CAP_SYS_RESOURCE is not to be had here")

    def look() -> None:
        put_down("CAP_SYS_RESOURCE")
        seen.append(is_effective("CAP_SYS_RESOURCE"))
        with raised("CAP_SYS_RESOURCE"):
            seen.append(is_effective("CAP_SYS_RESOURCE"))
        seen.append(is_effective("CAP_SYS_RESOURCE"))
        code = "from engine.linux.capabilities import is_effective; print(is_effective('CAP_SYS_RESOURCE'))"
        seen.append(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"True\n")

    seen: list[bool] = []
    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [False, True, False, True]


def test_layers_are_unpacked_and_taken_over_from_containers_and_paid_by_their_owners(disk: ProjectDisk) -> None:
    top, areas = disk.data_path, Areas(disk)
    store = LayerStore(top / "layers", Trash(top / "trash", disk), areas)
    unpacked = store.unpack(io.BytesIO(archive([member("f", b"x" * MIB)])), owner=ADA)
    settle(top)
    assert (disk.tenant_bytes(ADA) or 0) >= MIB
    rootfs = create_rootfs(top / "container", [store.path(unpacked.diff_id)], areas=areas, owner=BOB, limit_bytes=4 * MIB)
    (rootfs.upper / "g").write_bytes(b"y" * MIB)
    adopted = store.adopt(rootfs.upper, area=rootfs.path, owner=OTHER)
    (store.path(adopted.diff_id).parent / "more").write_bytes(b"z" * 6 * MIB)
    settle(top)
    assert not disk.tenant_bytes(BOB), "the container's limit and tenant are no longer the layer's"
    assert (disk.tenant_bytes(OTHER) or 0) >= 7 * MIB
    (top / "plain").mkdir()
    (top / "plain/h").write_bytes(b"h")
    assert (store.path(store.adopt(top / "plain", owner=OTHER).diff_id) / "h").read_bytes() == b"h"
    for diff_id in (unpacked.diff_id, adopted.diff_id):
        store.release([diff_id])
        assert store.remove(diff_id)
