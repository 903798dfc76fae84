"""Disks: what every driver does, and what those that count hold against whoever writes."""

import fcntl
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.core.tenants import ADMINISTRATOR, Tenant
from engine.errors import Unavailable
from engine.linux import btrfs
from engine.storage.disk import Disk, DiskSettings, open_disk
from engine.storage.disk_btrfs import BtrfsDisk
from engine.storage.disk_groups import group_of
from engine.storage.disk_plain import PlainDisk
from engine.storage.disk_project import ProjectDisk
from tests.engine.storage.disks import (
    ADA,
    BOB,
    MIB,
    OTHER,
    TEAM,
    fill,
    fill_by_allocation,
    fill_by_attributes,
    fill_by_map,
    fill_by_small_files,
    fill_patiently,
    image_disk,
    project_disk,
    refusal_on,
    reopened,
    settle,
    wait_until,
)

pytestmark = pytest.mark.requires_root

Counting = BtrfsDisk | ProjectDisk
_FICLONE = 0x40049409
_METADATA = 128 * 1024  # more than that of a few files
FILLERS = [fill, fill_by_allocation, fill_by_small_files, fill_by_attributes, fill_by_map]


@pytest.fixture(scope="module", params=["image", "image with full groups", "ext4", "xfs"])
def counting(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Counting]:
    """Each driver that counts, for a file of tests."""
    if request.param in {"ext4", "xfs"}:
        with project_disk(tmp_path_factory.mktemp("disk"), request.param) as found:
            yield found
        return
    with image_disk(tmp_path_factory.mktemp("disk"), is_simple=request.param == "image") as disk:
        assert disk.groups.are_simple == (request.param == "image")
        yield disk


@pytest.fixture
def on_btrfs(counting: Counting) -> BtrfsDisk:
    """For what the kernel does there only."""
    if not isinstance(counting, BtrfsDisk):
        pytest.skip("of btrfs only")
    return counting


@pytest.fixture
def place(counting: Counting) -> Iterator[Path]:
    """An empty folder on it; afterwards nothing is charged to anybody."""
    folder = _top(counting) / "place"
    folder.mkdir()
    yield folder
    for tenant in (ADA, BOB, TEAM, OTHER):
        counting.limit_tenant(tenant, None)
    counting.remove_area(folder)
    wait_until(lambda: not counting.tenant_bytes(TEAM) and not counting.tenant_bytes(OTHER), "what was removed not to count")


def _top(disk: Counting) -> Path:
    return disk.image.mount_path if isinstance(disk, BtrfsDisk) else disk.data_path


@pytest.fixture(params=["none", "image", "ext4", "xfs"])
def any_disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Disk, Path]]:
    """Each kind of driver, and a folder on it."""
    if request.param == "image":
        with image_disk(tmp_path) as disk:
            (tmp_path / "engine/place").mkdir()
            yield disk, tmp_path / "engine/place"
    elif request.param != "none":
        with project_disk(tmp_path, request.param) as found:
            (tmp_path / "engine/place").mkdir()
            yield found, tmp_path / "engine/place"
    else:
        (tmp_path / "engine/place").mkdir(parents=True)
        yield PlainDisk("wanted"), tmp_path / "engine/place"


def test_an_area_is_made_empty_used_and_removed_with_all_that_is_in_it(any_disk: tuple[Disk, Path]) -> None:
    disk, place = any_disk
    disk.make_area(place / "a", owner=ADA, mode=0o751)
    assert disk.is_area(place / "a")
    assert (place / "a").stat().st_mode & 0o7777 == 0o751
    assert list((place / "a").iterdir()) == []
    (place / "a/folder").mkdir()
    disk.make_area(place / "a/folder/inner", owner=BOB)
    (place / "a/folder/inner/file").write_text("x")
    disk.remove_area(place / "a")
    assert list(place.iterdir()) == []


@pytest.mark.parametrize("apart_from", [None, ()], ids=["plain", "for an overlay"])
def test_an_area_takes_no_place_that_is_taken(any_disk: tuple[Disk, Path], apart_from: tuple[Path, ...] | None) -> None:
    disk, place = any_disk
    (place / "a").mkdir()
    (place / "f").touch()
    for name in ("a", "f"):
        with pytest.raises(FileExistsError):
            disk.make_area(place / name, owner=ADA, apart_from=apart_from)
    assert sorted(path.name for path in place.iterdir()) == ["a", "f"]


def test_a_folder_is_removed_with_the_areas_in_it_and_its_neighbours_stay(any_disk: tuple[Disk, Path]) -> None:
    disk, place = any_disk
    (place / "plain/deep").mkdir(parents=True)
    (place / "plainer").mkdir()
    disk.make_area(place / "plain/deep/a", owner=ADA)
    disk.make_area(place / "plainer/b", owner=ADA)
    (place / "plain/deep/a/file").touch()
    disk.remove_area(place / "plain")
    assert [path.name for path in place.iterdir()] == ["plainer"]
    assert disk.is_area(place / "plainer/b")
    with pytest.raises(FileNotFoundError):
        disk.remove_area(place / "plain")


def test_a_folder_in_an_area_is_none(counting: Counting, place: Path) -> None:
    counting.make_area(place / "a", owner=ADA)
    (place / "a/folder").mkdir()
    assert [counting.is_area(place / name) for name in ("a", "a/folder", "missing")] == [True, False, False]
    with pytest.raises(OSError, match="not an area"):
        counting.limit_area(place / "a/folder", MIB)


def test_where_nobody_counts_a_limit_is_refused(tmp_path: Path) -> None:
    (tmp_path / "engine").mkdir()
    disk = open_disk(tmp_path / "engine", DiskSettings("none"))
    with pytest.raises(Unavailable):
        disk.make_area(tmp_path / "engine/a", owner=ADA, limit_bytes=MIB)
    assert not (tmp_path / "engine/a").exists()
    assert (disk.has_limits, disk.tenant_bytes(ADA)) == (False, None)


@pytest.mark.parametrize("writer", FILLERS, ids=[one.__name__ for one in FILLERS])
def test_the_limit_of_an_area_stops_every_way_of_writing(counting: Counting, place: Path, writer: Callable[[Path], int]) -> None:
    counting.make_area(place / "a", owner=ADA, limit_bytes=8 * MIB)
    written = writer(place / "a/f")
    assert 0 < written <= 8 * MIB
    settle(place)
    assert (counting.area_bytes(place / "a") or 0) <= 8 * MIB


@pytest.mark.parametrize("owner", [ADA, TEAM], ids=["a member's", "the team's own"])
def test_the_limits_of_member_and_team_hold_over_all_their_areas(counting: Counting, place: Path, owner: Tenant) -> None:
    counting.limit_tenant(owner, 8 * MIB)
    counting.limit_tenant(TEAM, 8 * MIB)
    for name in ("a", "b"):
        counting.make_area(place / name, owner=owner)
    counting.make_area(place / "c", owner=BOB)
    written = [fill_patiently(counting, place / name / "f", 5 * MIB) for name in ("a", "b", "c")]
    assert written[0] == 5 * MIB
    assert sum(written) <= 8 * MIB


def test_a_full_tenant_is_nobody_elses_problem(counting: Counting, place: Path) -> None:
    counting.limit_tenant(ADA, 4 * MIB)
    for name, owner in (("a", ADA), ("b", BOB), ("c", OTHER), ("d", ADMINISTRATOR)):
        counting.make_area(place / name, owner=owner)
    assert fill(place / "a/f") < 5 * MIB
    assert [fill(place / name / "f", 8 * MIB) for name in ("b", "c", "d")] == [8 * MIB] * 3
    (place / "record.json").write_text("{}")


def test_a_full_area_can_be_emptied_and_written_again(counting: Counting, place: Path) -> None:
    counting.make_area(place / "a", owner=ADA, limit_bytes=8 * MIB)
    for _ in range(3):
        assert fill(place / "a/f") >= 6 * MIB
        (place / "a/f").unlink()


def test_a_lifted_limit_lets_go_on(counting: Counting, place: Path) -> None:
    counting.make_area(place / "a", owner=ADA, limit_bytes=4 * MIB)
    assert fill(place / "a/f") < 5 * MIB
    counting.limit_area(place / "a", None)
    assert fill(place / "a/f", 12 * MIB) == 12 * MIB


def test_usage_is_exact(counting: Counting, place: Path) -> None:
    counting.make_area(place / "a", owner=ADA)
    counting.make_area(place / "b", owner=BOB)
    fill(place / "a/f", 8 * MIB)
    fill(place / "b/f", 3 * MIB)
    settle(place)
    used = [counting.area_bytes(place / name) or 0 for name in ("a", "b")]
    assert [size // _METADATA * _METADATA for size in used] == [8 * MIB, 3 * MIB]
    assert [counting.tenant_bytes(tenant) for tenant in (ADA, BOB, TEAM)] == [*used, sum(used)]


def test_names_of_one_file_count_once_and_holes_not_at_all(counting: Counting, place: Path) -> None:
    counting.make_area(place / "a", owner=ADA)
    fill(place / "a/f", 2 * MIB)
    os.link(place / "a/f", place / "a/g")
    with (place / "a/hole").open("wb") as file:
        file.truncate(1 << 30)
    settle(place)
    assert 2 * MIB <= (counting.area_bytes(place / "a") or 0) < 3 * MIB


def test_a_deleted_file_counts_while_it_is_open(counting: Counting, place: Path) -> None:
    counting.make_area(place / "a", owner=ADA, limit_bytes=8 * MIB)
    with (place / "a/f").open("wb", buffering=0) as file:
        file.write(b"x" * 6 * MIB)
        (place / "a/f").unlink()
        assert fill(place / "a/g") <= 2 * MIB
    (place / "a/g").unlink()
    settle(place)
    wait_until(lambda: (counting.area_bytes(place / "a") or 0) < MIB, "the deleted file not to count")
    assert fill(place / "a/g") >= 6 * MIB


def test_what_was_removed_can_be_written_again_once_it_is_said_to_be_given_back(counting: Counting, place: Path) -> None:
    counting.limit_tenant(TEAM, 24 * MIB)
    for number in range(4):
        counting.make_area(place / str(number), owner=ADA)
        assert fill_patiently(counting, place / str(number) / "file", 20 * MIB) == 20 * MIB
        settle(place)
        counting.remove_area(place / str(number))
        assert counting.is_given_back([OTHER]), "what others have removed is not waited for"
        wait_until(lambda: counting.is_given_back([ADA, TEAM]), "the space to be given back")


def test_what_is_held_open_is_not_said_to_be_given_back(on_btrfs: BtrfsDisk, place: Path) -> None:
    on_btrfs.make_area(place / "a", owner=ADA)
    with (place / "a/file").open("wb") as file:
        file.write(b"x" * MIB)
        settle(place)
        on_btrfs.remove_area(place / "a")
        assert not on_btrfs.is_given_back([ADA])
        assert not on_btrfs.is_given_back([TEAM])
    wait_until(lambda: on_btrfs.is_given_back([ADA]), "the space to be given back")


def test_clones_cannot_take_more_than_the_limit(on_btrfs: BtrfsDisk, place: Path) -> None:
    # Each clone is free where the first writer pays, and counts again where what is referred to does: never less than once.
    for name in ("a", "b"):
        on_btrfs.make_area(place / name, owner=ADA)
    fill(place / "a/f", 4 * MIB)
    _clone(place / "a/f", place / "b/f")
    settle(place)
    on_btrfs.remove_area(place / "a")
    settle(place)
    wait_until(lambda: (on_btrfs.tenant_bytes(ADA) or 0) < 5 * MIB, "the removed area to be taken apart")
    assert (on_btrfs.tenant_bytes(ADA) or 0) >= 4 * MIB
    assert (place / "b/f").read_bytes() == b"x" * 4 * MIB


def _clone(source: Path, target: Path) -> None:
    with source.open("rb") as read, target.open("wb") as written:
        fcntl.ioctl(written.fileno(), _FICLONE, read.fileno())


def test_an_area_is_charged_to_another_tenant(counting: Counting, place: Path) -> None:
    counting.make_area(place / "a", owner=ADA)
    fill(place / "a/f", 4 * MIB)
    settle(place)
    for owner in (BOB, TEAM, OTHER, ADMINISTRATOR, ADA):
        counting.charge_area(place / "a", owner)
        used = {tenant: counting.tenant_bytes(tenant) or 0 for tenant in (ADA, BOB, TEAM, OTHER, Tenant(OTHER.team))}
        paying = {owner, Tenant(owner.team)} - {ADMINISTRATOR}
        assert {tenant for tenant, size in used.items() if size >= 4 * MIB} == paying
        assert all(size == 0 for tenant, size in used.items() if tenant not in paying)


def test_an_area_that_moves_takes_its_place_below_the_new_tenants_limit(counting: Counting, place: Path) -> None:
    counting.limit_tenant(BOB, 6 * MIB)
    counting.make_area(place / "a", owner=ADA)
    counting.make_area(place / "b", owner=BOB)
    fill(place / "a/f", 5 * MIB)
    settle(place)
    counting.charge_area(place / "a", BOB)
    assert fill(place / "b/f", 5 * MIB) < 2 * MIB


def test_areas_keep_limits_and_tenants_when_they_are_renamed(counting: Counting, place: Path) -> None:
    counting.make_area(place / "a", owner=ADA, limit_bytes=4 * MIB)
    (place / "deep").mkdir()
    (place / "a").rename(place / "deep/b")
    assert counting.is_area(place / "deep/b")
    assert 2 * MIB <= fill(place / "deep/b/f") < 5 * MIB
    assert (counting.tenant_bytes(ADA) or 0) >= 2 * MIB


def test_what_was_removed_leaves_no_group(on_btrfs: BtrfsDisk, place: Path) -> None:
    on_btrfs.make_area(place / "a", owner=OTHER)
    fill(place / "a/f", 2 * MIB)
    on_btrfs.remove_area(place / "a")
    wait_until(lambda: not _leftovers(on_btrfs), "all groups to go")


def _leftovers(disk: BtrfsDisk) -> set[int]:
    """Groups of subvolumes that are not there, and of a tenant that has nothing."""
    disk.groups.put_right()
    folder = os.open(disk.image.mount_path, os.O_RDONLY)
    try:
        subvolumes = {item.object_id for item in btrfs.search(folder, btrfs.ROOT_TREE, btrfs.ROOT_ITEM)}
        groups = {item.offset for item in btrfs.search(folder, btrfs.QUOTA_TREE, btrfs.QGROUP_INFO)}
    finally:
        os.close(folder)
    stray = {group for group in groups if group < 1 << 48} - subvolumes
    return stray | groups & {group_of(OTHER), group_of(Tenant(OTHER.team))}


def test_files_of_areas_for_overlays_have_numbers_of_their_own(counting: Counting, place: Path) -> None:
    layers: list[Path] = []
    for number in range(20):
        counting.make_area(place / str(number), owner=ADA, apart_from=layers, limit_bytes=MIB)
        (place / str(number) / "diff").mkdir()
        (place / str(number) / "diff" / f"file{number}").touch()
        layers.append(place / str(number) / "diff")
    found = [path.stat().st_ino for layer in layers for path in (layer, *layer.iterdir())]
    assert len(set(found)) == len(found) == 40


def test_an_overlay_of_areas_shows_no_two_files_as_one(counting: Counting, place: Path, tmp_path: Path) -> None:
    layers: list[Path] = []
    for name in ("low", "high", "upper"):
        counting.make_area(place / name, owner=ADA, apart_from=layers)
        for folder in ("diff", "work"):
            (place / name / folder).mkdir()
        (place / name / "diff" / name).touch()
        layers.append(place / name / "diff")
    options = f"lowerdir={layers[1]}:{layers[0]},upperdir={layers[2]},workdir={place}/upper/work"
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, tmp_path], check=True)
    try:
        (tmp_path / "new").touch()
        seen = [(path.stat().st_dev, path.stat().st_ino) for path in tmp_path.iterdir()]
        assert len(set(seen)) == len(seen) == 4
    finally:
        subprocess.run(["umount", tmp_path], check=True)


def test_copy_up_stops_at_the_limit(counting: Counting, place: Path, tmp_path: Path) -> None:
    counting.make_area(place / "layer", owner=ADMINISTRATOR, apart_from=())
    (place / "layer/diff").mkdir()
    fill(place / "layer/diff/f", 16 * MIB)
    counting.make_area(place / "a", owner=ADA, limit_bytes=4 * MIB, apart_from=[place / "layer/diff"])
    for folder in ("upper", "work"):
        (place / "a" / folder).mkdir()
    options = f"lowerdir={place}/layer/diff,upperdir={place}/a/upper,workdir={place}/a/work"
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, tmp_path], check=True)
    try:
        refusal = refusal_on(place)
        with pytest.raises(OSError, match=os.strerror(refusal)) as caught, (tmp_path / "f").open("r+b", buffering=0) as file:
            for _ in range(16):
                file.write(b"y" * MIB)
        assert caught.value.errno == refusal
    finally:
        subprocess.run(["umount", tmp_path], check=True)


@pytest.mark.parametrize("unmount", [True, False], ids=["after an unmount", "after a kill"])
def test_the_next_daemon_finds_everything_as_it_was(tmp_path: Path, *, unmount: bool) -> None:
    with image_disk(tmp_path) as disk:
        place = disk.image.mount_path
        disk.limit_tenant(TEAM, 8 * MIB)
        disk.make_area(place / "a", owner=ADA, limit_bytes=4 * MIB, apart_from=())
        (place / "a/upper").mkdir()
        fill(place / "a/f", 2 * MIB)
        settle(place)
        before = disk.area_bytes(place / "a"), disk.tenant_bytes(ADA), disk.tenant_bytes(TEAM)
        again = reopened(disk, unmount=unmount)
        try:
            assert (again.area_bytes(place / "a"), again.tenant_bytes(ADA), again.tenant_bytes(TEAM)) == before
            assert fill(place / "a/g") < 3 * MIB
            again.make_area(place / "b", owner=BOB, apart_from=[place / "a"])
            assert fill(place / "b/f") < 6 * MIB
            again.limit_tenant(TEAM, None)
            again.limit_area(place / "a", None)
            (place / "a/upper/new").mkdir()
            assert (place / "a/upper/new").stat().st_ino > 1 << 32
        finally:
            again.close(unmount=True)
        assert not place.is_mount()
        disk.close = lambda *, unmount: None  # type: ignore[method-assign]  # it is closed already
