"""The data folder: owners and modes, folders that are not ours, one launcher at a time."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from launcher.accounts import Account, ensure_account
from launcher.console import LauncherError
from launcher.data_folder import DataFolder, check_data_folder, empty_temporary_folder, holder_of, locked, prepare_data_folder


@pytest.fixture
def root() -> Iterator[Path]:
    """A short path: the paths of sockets are limited."""
    path = Path(tempfile.mkdtemp(prefix="at-"))
    yield path
    shutil.rmtree(path)


@pytest.mark.requires_root
def test_each_folder_is_open_to_those_who_need_it_only(root: Path) -> None:
    account = ensure_account()
    data = DataFolder(root / "new" / "data")
    prepare_data_folder(data, account)
    assert mode_and_owner(data.root) == (0o711, 0, 0)
    assert mode_and_owner(data.portal) == (0o700, account.uid, account.gid)
    assert mode_and_owner(data.redis) == (0o700, account.uid, account.gid)
    assert mode_and_owner(data.run) == (0o750, 0, account.gid)
    assert mode_and_owner(data.log) == (0o700, 0, 0)


def mode_and_owner(path: Path) -> tuple[int, int, int]:
    status = path.stat()
    return status.st_mode & 0o7777, status.st_uid, status.st_gid


def test_a_folder_with_files_of_others_is_refused(root: Path) -> None:
    (root / "thesis.txt").write_text("mine")
    with pytest.raises(LauncherError, match="holds other files; choose an empty or new one"):
        check_data_folder(DataFolder(root))


def test_a_file_is_refused(root: Path) -> None:
    (root / "file").write_text("")
    with pytest.raises(LauncherError, match="is not a folder"):
        check_data_folder(DataFolder(root / "file"))


def test_a_path_too_long_for_sockets_is_refused(root: Path) -> None:
    with pytest.raises(LauncherError, match="too long a path for sockets"):
        check_data_folder(DataFolder(root / ("x" * 100)))


@pytest.mark.requires_root
def test_a_folder_of_ours_is_accepted_again(root: Path) -> None:
    data = DataFolder(root)
    prepare_data_folder(data, Account(0, 0, (0,)))
    check_data_folder(data)


def test_a_second_launcher_is_told_who_holds_the_folder(root: Path) -> None:
    data = DataFolder(root)
    command = Path("/proc/self/cmdline").read_bytes()
    with locked(data):
        # This very process counts as a launcher only where its command line says so.
        if b"atelier" in command:
            with pytest.raises(LauncherError, match=rf"already running on .* \(pid {os.getpid()}\)"), locked(data):
                pass
    with locked(data):
        assert data.lock.read_text() == f"{os.getpid()}\n"


def test_a_pid_taken_by_another_program_is_not_a_holder(root: Path) -> None:
    data = DataFolder(root)
    data.lock.write_text("1\n")
    assert holder_of(data) is None


@pytest.mark.requires_root
def test_temporary_files_of_killed_programs_are_removed_but_nothing_mounted(root: Path) -> None:
    data = DataFolder(root)
    prepare_data_folder(data, Account(0, 0, (0,)))
    (data.tmp / "left" / "deep").mkdir(parents=True)
    (data.tmp / "file").touch()
    mounted = data.tmp / "root" / "shared memory"
    mounted.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(mounted)], check=True)
    try:
        (mounted / "precious").touch()
        empty_temporary_folder(data)
        assert [path.name for path in data.tmp.iterdir()] == ["root"]
        assert (mounted / "precious").exists()
    finally:
        subprocess.run(["umount", str(mounted)], check=True)
    empty_temporary_folder(data)
    assert not list(data.tmp.iterdir())
