"""The writable layer of a container."""

import os
import stat
from pathlib import Path

import pytest

from engine.storage.rootfs import create_rootfs, remove_rootfs, rootfs_of, size_rw
from engine.storage.trash import Trash
from tests.engine.storage.tar_archives import names_in
from tests.engine.storage.test_trash import nest


@pytest.fixture
def container(tmp_path: Path) -> Path:
    path = tmp_path / "container"
    path.mkdir()
    return path


@pytest.mark.requires_root
def test_the_root_folder_looks_like_the_top_layers(tmp_path: Path, container: Path) -> None:
    base, top = tmp_path / "base", tmp_path / "top"
    base.mkdir(mode=0o700)
    top.mkdir()
    top.chmod(0o1751)
    os.chown(top, 3, 4)
    rootfs = create_rootfs(container, [base, top])
    status = rootfs.upper.stat()
    assert (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) == (0o1751, 3, 4)
    assert rootfs.upper.parent == rootfs.work.parent == rootfs.path
    assert names_in(rootfs.work) == names_in(rootfs.upper) == []


def test_a_removed_rootfs_is_gone_and_may_be_removed_again(tmp_path: Path, container: Path) -> None:
    trash = Trash(tmp_path / "trash")
    create_rootfs(container, [])
    remove_rootfs(container, trash)
    remove_rootfs(container, trash)
    assert names_in(container) == []
    trash.empty()


def test_the_size_counts_each_file_once_without_its_holes(container: Path) -> None:
    upper = create_rootfs(container, []).upper
    (upper / "a").mkdir()
    (upper / "a" / "file").write_bytes(b"x" * 5000)
    os.link(upper / "a" / "file", upper / "same")
    with (upper / "sparse").open("wb") as file:
        file.truncate(1 << 40)
    assert size_rw(container) == 5000


def test_the_size_follows_no_link_out_of_the_container(tmp_path: Path, container: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file").write_bytes(b"x" * 100_000)
    upper = create_rootfs(container, []).upper
    (upper / "link").symlink_to(tmp_path / "outside")
    assert size_rw(container) < 5000


def test_the_size_survives_nesting_deeper_than_a_path(container: Path, tmp_path: Path) -> None:
    upper = create_rootfs(container, []).upper
    (upper / "file").write_bytes(b"x" * 700)
    nest(upper / "deep", 2500)
    assert size_rw(container) == 700
    trash = Trash(tmp_path / "trash")
    remove_rootfs(container, trash)
    trash.empty()


def test_where_a_rootfs_is_does_not_depend_on_its_being_there(container: Path) -> None:
    assert rootfs_of(container) == create_rootfs(container, [])
