"""What doctor says of a host."""

import subprocess
import sys

import pytest

from engine.network.foreign_rules import dropping_chains
from engine.service.doctor import Finding, judge_kernel, judge_overlay, report


def test_missing_things_tell_what_they_turn_off() -> None:
    text = report(
        [
            Finding("kernel", True, "6.12"),
            Finding("libx", False, "not found", "no x"),
            Finding("root", False, "user id 5", "must be root", is_fatal=True),
        ]
    )
    assert "ok      kernel  6.12" in text
    assert "without libx    not found" in text
    assert "→ no x" in text
    assert "MISSING root" in text


def test_the_command_exits_with_0_where_the_engine_can_run_and_1_where_not() -> None:
    done = subprocess.run([sys.executable, "-m", "engine", "doctor"], capture_output=True, text=True, check=False)
    assert done.returncode == (1 if "MISSING" in done.stdout else 0)
    assert "cgroups" in done.stdout


@pytest.mark.parametrize(
    ("release", "is_enough"),
    [("6.18.44", True), ("6.1.0-56-amd64", True), ("6.8.0-31-generic", True), ("5.19.1", True), ("5.15.0-1", False)],
    ids=["new", "debian 12", "ubuntu 24.04", "the first", "before"],
)
def test_which_kernels_the_engine_runs_on(release: str, is_enough: bool) -> None:
    assert judge_kernel(release).is_present == is_enough


@pytest.mark.parametrize(
    ("filesystems", "modules", "is_present", "detail"),
    [
        ("nodev\tproc\nnodev\toverlay\n", "", True, "filesystem of layers"),
        ("nodev\tproc\n", "kernel/fs/overlayfs/overlay.ko: kernel/x.ko\n", True, "a module that is loaded when it is needed"),
        ("nodev\tproc\n", "kernel/fs/overlayfs/overlay.ko.xz:\n", True, "a module that is loaded when it is needed"),
        ("nodev\tproc\n", "kernel/fs/fat/fat.ko: kernel/fs/overlay.ko\n", False, "filesystem of layers"),
        ("nodev\tproc\n", "", False, "filesystem of layers"),
    ],
    ids=["built in", "a module", "a packed module", "another's need", "neither"],
)
def test_overlay_counts_where_the_kernel_can_load_it(filesystems: str, modules: str, is_present: bool, detail: str) -> None:
    found = judge_overlay(filesystems, modules)
    assert (found.is_present, found.detail) == (is_present, detail)


def test_rules_of_others_that_drop_what_is_forwarded_are_told() -> None:
    listing = """table ip filter {
	chain FORWARD {
		type filter hook forward priority filter; policy drop;
	}
	chain DOCKER {
	}
}
table inet own {
	chain input {
		type filter hook input priority filter; policy drop;
	}
	chain forward {
		type filter hook forward priority filter; policy accept;
	}
}
table inet atelier_5a5a5a {
	chain forwarded {
		type filter hook forward priority filter; policy drop;
	}
}
"""
    assert list(dropping_chains(listing)) == ["ip filter FORWARD"]


def test_an_unknown_command_shows_the_usage() -> None:
    done = subprocess.run([sys.executable, "-m", "engine", "fly"], capture_output=True, text=True, check=False)
    assert (done.returncode, "usage: python -m engine" in done.stderr) == (2, True)
