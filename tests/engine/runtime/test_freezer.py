"""Freezing with each kind of freezer, on real cgroups and on a folder of files that stands for one that never gets there."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.core.freezers import Freezer, plan_freezers
from engine.core.limits import CgroupLayout
from engine.linux.cgroups import detect_layout
from engine.runtime.freezer import freeze, is_frozen, thaw


def _one_hierarchy(kind: str) -> tuple[CgroupLayout, str]:
    """The host's layout as if it had this kind of freezer alone, and where that is mounted."""
    layout = detect_layout()
    if kind == "unified":
        return CgroupLayout(layout.version, {}, layout.unified), layout.unified
    root = layout.mounts.get("freezer", "")
    return CgroupLayout(1, {"freezer": root} if root else {}, ""), root


@pytest.fixture(params=["unified", "freezer"])
def freezers(request: pytest.FixtureRequest) -> Iterator[list[Freezer]]:
    """The freezer of a cgroup with one busy process in it."""
    layout, root = _one_hierarchy(request.param)
    if not root:
        pytest.skip(f"this host has no {request.param} freezer")
    group = Path(root, f"atelier-freezer-{os.getpid()}")
    group.mkdir()
    found = plan_freezers(layout, [group.name])
    process = subprocess.Popen(["sh", "-c", "while :; do :; done"])
    try:
        (group / "cgroup.procs").write_text(str(process.pid))
        yield found
    finally:
        thaw(found)
        process.kill()
        process.wait()
        group.rmdir()


@pytest.mark.requires_root
def test_it_stands_still_and_goes_on(freezers: list[Freezer]) -> None:
    assert not is_frozen(freezers)
    freeze(freezers)
    assert is_frozen(freezers)
    freeze(freezers)
    thaw(freezers)
    assert not is_frozen(freezers)


@pytest.mark.parametrize("is_told", [True, False], ids=["version 2", "version 1"])
def test_what_does_not_stand_still_goes_on_altogether(tmp_path: Path, is_told: bool) -> None:
    control = tmp_path / "control"
    state = tmp_path / "state" if is_told else control
    for file in (control, state):
        file.write_text("frozen 0\n")
    freezer = Freezer(str(control), "1", "0", str(state))
    with pytest.raises(TimeoutError):
        freeze([freezer], patience_seconds=0.05)
    assert control.read_text().startswith("0")


def test_a_host_without_a_freezer_says_so(tmp_path: Path) -> None:
    missing = Freezer(str(tmp_path / "x"), "1", "0", str(tmp_path / "y"))
    with pytest.raises(FileNotFoundError):
        freeze([missing])
    thaw([missing])
    assert not is_frozen([missing])
