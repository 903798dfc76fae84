"""The docker command that labs are given: only one that runs in any image."""

import sys
from pathlib import Path

import pytest

from engine.service.docker_command import find_docker_command


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "not found"),
        (b"#!/bin/sh\nexec /usr/bin/docker.real\n", "not statically linked"),
        (b"", "not statically linked"),
        (b"\x7fELF\x02\x01", "not statically linked"),
        (Path(sys.executable).resolve().read_bytes(), "not statically linked"),
        (b"\x7fELF\x02\x01" + bytes(200), "not statically linked"),
    ],
    ids=["none", "script", "empty", "cut off", "dynamic", "without parts"],
)
def test_what_would_not_run_everywhere_is_not_offered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None, reason: str
) -> None:
    if content is not None:
        (tmp_path / "docker").write_bytes(content)
        (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    found = find_docker_command()
    assert found.path == ""
    assert reason in found.reason


def test_a_static_one_is_found_through_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    busybox = Path("/bin/busybox")
    if not busybox.exists():
        pytest.skip("busybox-static is not installed")
    (tmp_path / "docker").symlink_to(busybox)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_docker_command().path == str(busybox.resolve())
