"""What is thrown away vanishes at once and is gone soon, whatever a container nested in it."""

import os
from functools import partial
from pathlib import Path

import pytest

from engine.storage.trash import Trash, remove_tree
from tests.engine.storage.disks import wait_until
from tests.engine.storage.tar_archives import names_in


def nest(path: Path, depth: int) -> None:
    """Make folders inside folders, deeper than any path can name."""
    path.mkdir()
    current = os.open(path, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=current)
        below = os.open("d", os.O_RDONLY, dir_fd=current)
        os.close(current)
        current = below
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=current))
    os.close(current)


def test_a_discarded_folder_leaves_its_place_and_then_the_disk(tmp_path: Path) -> None:
    trash = Trash(tmp_path / "trash")
    victim = tmp_path / "victim"
    (victim / "a" / "b").mkdir(parents=True)
    (victim / "a" / "file").write_text("x")
    (victim / "a" / "link").symlink_to(tmp_path)
    os.mkfifo(victim / "pipe")
    (victim / "closed").mkdir(mode=0)
    trash.discard(victim)
    assert not victim.exists()
    trash.empty()
    assert names_in(tmp_path) == ["trash"]
    assert names_in(tmp_path / "trash") == []


def test_a_file_and_nothing_can_be_discarded_too(tmp_path: Path) -> None:
    trash = Trash(tmp_path / "trash")
    (tmp_path / "file").write_text("x")
    trash.discard(tmp_path / "file")
    trash.discard(tmp_path / "missing")
    trash.empty()
    assert names_in(tmp_path) == ["trash"]


def test_what_a_link_points_to_stays(tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "link").symlink_to("precious")
    trash = Trash(tmp_path / "trash")
    trash.discard(tmp_path / "link")
    trash.empty()
    assert names_in(tmp_path) == ["precious", "trash"]


def test_no_nesting_is_too_deep(tmp_path: Path) -> None:
    trash = Trash(tmp_path / "trash")
    nest(tmp_path / "deep", 3000)
    trash.discard(tmp_path / "deep")
    trash.empty()
    assert names_in(tmp_path / "trash") == []


def test_the_next_start_removes_what_was_left(tmp_path: Path) -> None:
    (tmp_path / "trash" / "left" / "over").mkdir(parents=True)
    Trash(tmp_path / "trash").empty()
    assert names_in(tmp_path / "trash") == []


def test_what_cannot_be_removed_is_said_and_does_not_stop_the_rest(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    trash = Trash(tmp_path / "trash")
    for name in ("good", "stubborn"):
        (tmp_path / name).mkdir()
    (tmp_path / "stubborn" / "file").write_text("x")
    unlink = os.unlink

    def failing(path: str, *, dir_fd: int) -> None:
        raise OSError(5, "Input/output error", path)

    monkeypatch.setattr(os, "unlink", failing)
    trash.discard(tmp_path / "stubborn")
    trash.discard(tmp_path / "good")
    trash.empty()
    monkeypatch.setattr(os, "unlink", unlink)
    assert len(names_in(tmp_path / "trash")) == 1
    assert "next start of the engine tries again" in caplog.text
    Trash(tmp_path / "trash").empty()
    assert names_in(tmp_path / "trash") == []


def test_a_closed_trash_begins_nothing_more_and_the_next_one_goes_on(tmp_path: Path) -> None:
    trash = Trash(tmp_path / "trash")
    (tmp_path / "victim" / "folder").mkdir(parents=True)
    trash.discard(tmp_path / "victim")  # it waits for a pause
    trash.close()
    (tmp_path / "late").mkdir()
    trash.discard(tmp_path / "late")
    assert len(names_in(tmp_path / "trash")) == 2
    following = Trash(tmp_path / "trash")
    following.empty()
    assert names_in(tmp_path / "trash") == []


def is_gone(trash: Trash, thrown: frozenset[str]) -> bool:
    return not thrown & trash.hasten()


def test_what_somebody_waits_for_is_removed_without_a_pause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.storage.trash._PAUSE_SECONDS", 600.0)
    monkeypatch.setattr("engine.storage.trash._LONGEST_WAIT_SECONDS", 600.0)
    trash = Trash(tmp_path / "trash")
    assert trash.hasten() == frozenset()
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        trash.discard(tmp_path / name)
        thrown = trash.hasten()
        assert thrown
        wait_until(partial(is_gone, trash, thrown), f"the {name} to be gone")
        assert names_in(tmp_path / "trash") == []


def test_closing_waits_for_no_large_tree(tmp_path: Path) -> None:
    folder = os.open(tmp_path, os.O_RDONLY)
    nest(tmp_path / "deep", 100)
    looks = iter([True] * 10 + [False])
    remove_tree(folder, "deep", goes_on=lambda: next(looks))
    assert len(names_in(tmp_path)) == 1
    remove_tree(folder, names_in(tmp_path)[0])
    os.close(folder)
    assert names_in(tmp_path) == []
