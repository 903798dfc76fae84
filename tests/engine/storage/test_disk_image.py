"""The engine's own file system in a file: how it is chosen, made, enlarged, found again and let go."""

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from engine.errors import InvalidParameter, Unavailable
from engine.linux import loop
from engine.storage import disk_image
from engine.storage.disk import DiskSettings, open_disk
from engine.storage.disk_btrfs import BtrfsDisk
from engine.storage.disk_choice import explain_disk, image_of
from engine.storage.tree import names_in
from tests.engine.storage.disks import ADA, MIB, SETTINGS, fill, image_disk, settle, wait_until

pytestmark = pytest.mark.requires_root


def test_data_from_before_stays_where_it_is_and_the_way_out_is_told(tmp_path: Path) -> None:
    (tmp_path / "engine/containers").mkdir(parents=True)
    disk = open_disk(tmp_path / "engine", DiskSettings("auto"))
    assert (disk.kind, disk.has_limits) == ("none", False)
    assert "convert" in disk.reason
    assert disk.status().warnings
    assert explain_disk(tmp_path / "engine") == ("none", disk.reason)
    with pytest.raises(Unavailable):
        open_disk(tmp_path / "engine", DiskSettings("image"))
    assert not image_of(tmp_path / "engine").path.exists()


def test_a_host_that_can_make_none_gets_plain_folders_and_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "engine").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path))
    disk = open_disk(tmp_path / "engine", DiskSettings("auto"))
    assert (disk.kind, "mkfs.btrfs is not installed" in disk.reason) == ("none", True)
    assert len(disk.status().warnings) == 1
    assert explain_disk(tmp_path / "engine") == ("none", "btrfs-progs are not installed")
    with pytest.raises(Unavailable, match="install btrfs-progs"):
        open_disk(tmp_path / "engine", DiskSettings("image"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["engine"]


def test_what_a_daemon_left_that_was_killed_while_it_made_an_image_is_taken_away(tmp_path: Path) -> None:
    (tmp_path / ".engine.btrfs.new").write_bytes(b"half")
    (tmp_path / ".engine.btrfs.new.mounted").mkdir()
    with image_disk(tmp_path):
        assert sorted(path.name for path in tmp_path.iterdir()) == ["engine", "engine.btrfs"]


def test_data_in_an_image_is_never_hidden_by_a_wish_for_another_driver(tmp_path: Path) -> None:
    with image_disk(tmp_path) as disk:
        (disk.image.mount_path / "record").write_text("x")
        disk.close(unmount=True)
        again = open_disk(tmp_path / "engine", DiskSettings("none"))
        assert (tmp_path / "engine/record").read_text() == "x"
        again.close(unmount=True)
        disk.close = lambda *, unmount: None  # type: ignore[method-assign]  # it is closed already


def test_what_the_engine_alone_has_open_at_its_end_keeps_no_mount(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(disk_image, "_UNMOUNT_SECONDS", 0.1)
    with image_disk(tmp_path) as disk:
        (tmp_path / "engine/forgotten").mkdir()
        held = os.open(tmp_path / "engine/forgotten", os.O_RDONLY)
        disk.close(unmount=True)
        assert not (tmp_path / "engine").is_mount()
        assert "still had open at its end" in caplog.text
        os.close(held)
        wait_until(lambda: loop.loop_of(disk.image.path) is None, "the loop device to go")
        disk.close = lambda *, unmount: None  # type: ignore[method-assign]  # it is closed already


def test_what_another_process_has_open_keeps_the_mount(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk_image, "_UNMOUNT_SECONDS", 0.1)
    with image_disk(tmp_path) as disk, subprocess.Popen(["sleep", "60"], cwd=tmp_path / "engine") as other:
        with pytest.raises(OSError, match="busy"):
            disk.image.unmount(at_end=True)
        assert (tmp_path / "engine").is_mount()
        other.kill()
        other.wait()


def test_what_came_into_a_folder_after_it_was_opened_is_listed(tmp_path: Path) -> None:
    with image_disk(tmp_path):
        folder = os.open(tmp_path / "engine", os.O_RDONLY | os.O_DIRECTORY)
        (tmp_path / "engine" / "late").touch()
        assert "late" in names_in(folder)
        os.close(folder)


def test_the_disk_grows_while_it_is_used_and_never_shrinks(tmp_path: Path) -> None:
    with image_disk(tmp_path) as disk:
        disk.make_area(tmp_path / "engine/a", owner=ADA)
        with (tmp_path / "engine/a/f").open("wb") as file:
            before = disk.status().size_bytes
            disk.image.grow(before + (1 << 30))
            file.write(b"x" * MIB)
        assert disk.status().size_bytes == before + (1 << 30)
        with pytest.raises(InvalidParameter):
            disk.image.grow(before)


def test_removed_files_give_the_hosts_space_back(tmp_path: Path) -> None:
    with image_disk(tmp_path) as disk:
        disk.make_area(tmp_path / "engine/a", owner=ADA)
        fill(tmp_path / "engine/a/f", 64 * MIB)
        settle(tmp_path / "engine")
        full = disk.image.path.stat().st_blocks * 512
        disk.remove_area(tmp_path / "engine/a")

        def is_given_back() -> bool:
            settle(tmp_path / "engine")
            subprocess.run(["fstrim", tmp_path / "engine"], check=True)  # what discard=async does by itself within two minutes
            return disk.image.path.stat().st_blocks * 512 < full - 48 * MIB

        wait_until(is_given_back, "what was removed to be taken apart and given back")


def test_many_engines_that_start_at_once_get_a_loop_device_each(tmp_path: Path) -> None:
    def start(number: int) -> tuple[Path, BtrfsDisk]:
        folder = tmp_path / str(number)
        (folder / "engine").mkdir(parents=True)
        disk = open_disk(folder / "engine", SETTINGS)
        assert isinstance(disk, BtrfsDisk)
        return folder, disk

    with ThreadPoolExecutor(4) as pool:
        opened = list(pool.map(start, range(4)))
    try:
        devices = {loop.loop_of(disk.image.path) for _, disk in opened}
        assert None not in devices
        assert len(devices) == 4
    finally:
        for _, disk in opened:
            disk.close(unmount=True)
    assert not any(os.path.ismount(folder / "engine") for folder, _ in opened)
