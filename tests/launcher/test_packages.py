"""Which system packages are missing, and that installing them starts nothing."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from launcher import packages
from launcher.console import LauncherError
from launcher.elf import is_static_program
from launcher.packages import Package, ensure_packages, has_library, has_program, missing_packages, services_held_back


def package(name: str, *, present: bool) -> Package:
    return Package(name, "a test", lambda: present)


def test_only_absent_packages_are_missing() -> None:
    here, away = package("here", present=True), package("away", present=False)
    assert missing_packages([here, away]) == [away]


def test_nothing_happens_when_all_is_there() -> None:
    ensure_packages([package("here", present=True)])


def test_a_system_without_apt_gets_the_list(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LauncherError, match=r"no apt; install these yourself.*: away \(a test\)"):
        ensure_packages([package("away", present=False)])


def test_a_program_or_library_counts_wherever_it_came_from() -> None:
    assert has_program("no-such-program", "sh")
    assert not has_program("no-such-program")
    assert has_library("libc.so.6")
    assert not has_library("libno-such-library.so.1")


def test_a_program_that_needs_a_loader_is_not_static(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\n" + "#" * 100)
    assert not is_static_program(Path(sys.executable).resolve())
    assert not is_static_program(script)
    assert not is_static_program(tmp_path / "absent")


@pytest.mark.skipif(not shutil.which("busybox"), reason="busybox-static is not installed")
def test_the_static_busybox_is_recognised() -> None:
    assert is_static_program(Path(shutil.which("busybox") or ""))


def test_services_are_held_back_only_while_packages_are_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    policy = tmp_path / "policy-rc.d"
    monkeypatch.setattr(packages, "POLICY", policy)
    with services_held_back():
        # invoke-rc.d(8): 101 means that the action is forbidden.
        assert subprocess.run([policy, "redis-server", "start"], check=False).returncode == 101
    assert not policy.exists()


def test_the_policy_of_an_administrator_is_left_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    policy = tmp_path / "policy-rc.d"
    policy.write_text("theirs")
    monkeypatch.setattr(packages, "POLICY", policy)
    with services_held_back():
        assert policy.read_text() == "theirs"
    assert policy.read_text() == "theirs"
