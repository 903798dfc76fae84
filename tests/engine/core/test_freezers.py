"""Which control file freezes a container, on each kind of host."""

import pytest

from engine.core.freezers import Freezer, is_frozen_text, plan_freezers
from engine.core.limits import CgroupLayout

UNIFIED = Freezer("/u/a/c/cgroup.freeze", "1", "0", "/u/a/c/cgroup.events")
OLD = Freezer("/f/a/c/freezer.state", "FROZEN", "THAWED", "/f/a/c/freezer.state")


@pytest.mark.parametrize(
    ("layout", "found"),
    [
        (CgroupLayout(2, {}, "/u"), [UNIFIED]),
        (CgroupLayout(1, {"freezer": "/f"}, "/u"), [UNIFIED, OLD]),
        (CgroupLayout(1, {"freezer": "/f"}, ""), [OLD]),
        (CgroupLayout(1, {}, ""), []),
    ],
    ids=["version 2", "hybrid", "version 1", "none"],
)
def test_the_best_comes_first(layout: CgroupLayout, found: list[Freezer]) -> None:
    assert plan_freezers(layout, ["a", "c"]) == found


@pytest.mark.parametrize(
    ("text", "frozen"),
    [
        ("populated 1\nfrozen 1\n", True),
        ("populated 1\nfrozen 0\n", False),
        ("FROZEN\n", True),
        ("FREEZING\n", False),
        ("THAWED\n", False),
        ("", False),
    ],
)
def test_only_what_stands_still_altogether_is_frozen(text: str, frozen: bool) -> None:
    assert is_frozen_text(text) is frozen
