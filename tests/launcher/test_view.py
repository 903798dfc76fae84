"""What the portal's user is shown where folders above are closed to it."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from launcher.accounts import Account, ensure_account
from launcher.console import LauncherError
from launcher.spawning import BECOME
from launcher.view import Need, View, check_readable, is_open_to, plan_view

PORTAL, VENV, DATA = Path("/root/src/portal"), Path("/root/src/.venv"), Path("/srv/data")

PLANS = [
    ("nothing closed, nothing covered", set(), View((), ())),
    ("the topmost closed folder is covered once", {"/root", "/root/src"}, View(("/root",), (Need(PORTAL), Need(VENV)))),
    ("only what lies below a closed folder is shown again", {"/srv"}, View(("/srv",), (Need(DATA, is_writable=True),))),
    (
        "two closed folders are two covers",
        {"/root/src", "/srv"},
        View(("/root/src", "/srv"), (Need(PORTAL), Need(VENV), Need(DATA, is_writable=True))),
    ),
]


@pytest.mark.parametrize(("closed", "view"), [row[1:] for row in PLANS], ids=[row[0] for row in PLANS])
def test_closed_folders_are_covered_and_needs_shown_in_them(closed: set[str], view: View) -> None:
    needs = [Need(PORTAL), Need(VENV), Need(DATA, is_writable=True)]
    assert plan_view(needs, is_open=lambda folder: str(folder) not in closed) == view


def test_an_entry_closed_by_its_own_mode_is_named_with_the_way_out(tmp_path: Path) -> None:
    entry = tmp_path / "manage.py"
    entry.touch(mode=0o600)
    nobody = Account(65534, 65534, (65534,))
    with pytest.raises(LauncherError, match=rf"cannot read {entry}; allow it: chmod -R a\+rX {entry}"):
        check_readable(nobody, [Need(entry)])
    entry.chmod(0o644)
    check_readable(nobody, [Need(entry)])


@pytest.fixture
def closed_folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="at-"))
    yield path
    shutil.rmtree(path)


@pytest.mark.requires_root
def test_a_process_of_the_portal_sees_needed_entries_only_and_the_host_sees_nothing(closed_folder: Path) -> None:
    account = ensure_account()
    (closed_folder / "code").mkdir()
    (closed_folder / "code" / "page").write_text("shown")
    (closed_folder / "secret").write_text("hidden")
    (closed_folder / "data").mkdir()
    os.chown(closed_folder / "data", account.uid, account.gid)
    needs = [Need(closed_folder / "code"), Need(closed_folder / "data", is_writable=True)]
    view = plan_view(needs, is_open=lambda folder: is_open_to(account, folder))
    script = f"cd {closed_folder}; id -u; ls; cat code/page; echo; touch code/new 2>&1; touch data/new"
    done = become(["/bin/sh", "-c", script], view, account)
    lines = done.stdout.splitlines()
    assert lines[:4] == [str(account.uid), "code", "data", "shown"]
    assert "Read-only file system" in lines[4]
    assert (closed_folder / "data" / "new").stat().st_uid == account.uid
    assert str(closed_folder) not in Path("/proc/self/mounts").read_text()


@pytest.mark.requires_root
def test_what_a_part_with_its_own_mounts_mounts_ends_with_it(closed_folder: Path) -> None:
    script = f"mount -t tmpfs tmpfs {closed_folder} && grep -c {closed_folder} /proc/self/mounts"
    done = become(["/bin/sh", "-c", script], View((), ()), Account(0, 0, (0,)), has_own_mounts=True)
    assert done.stdout == "1\n"
    assert str(closed_folder) not in Path("/proc/self/mounts").read_text()


def become(argv: list[str], view: View, account: Account, *, has_own_mounts: bool = False) -> subprocess.CompletedProcess[str]:
    order = {
        "covers": view.covers,
        "shown": [{"path": str(need.path), "is_writable": need.is_writable} for need in view.shown],
        "has_own_mounts": has_own_mounts,
        "folder": "/",
        "user": {"uid": account.uid, "gid": account.gid, "groups": account.groups},
        "parent_pid": os.getpid(),
        "argv": argv,
        "environment": {"PATH": os.environ["PATH"]},
    }
    return subprocess.run(
        [sys.executable, "-I", "-S", BECOME, json.dumps(order)], capture_output=True, text=True, check=False, timeout=20
    )
