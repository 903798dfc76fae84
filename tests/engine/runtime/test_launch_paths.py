"""Resolving of paths inside a rootfs, in a chroot of its own as the launched child has one."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.runtime.paths import resolve_inside

pytestmark = pytest.mark.requires_root


def inside(root: Path, action: Callable[[], str]) -> str:
    """What ``action`` answers in a child whose root is ``root``."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.chroot(root)
            os.chdir("/")
            os.write(writer, action().encode())
        except OSError as error:
            os.write(writer, f"error: {os.strerror(error.errno or 0)}".encode())
        finally:
            os._exit(0)
    os.close(writer)
    os.waitpid(pid, 0)
    with open(reader, "rb") as file:
        return file.read().decode()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = tmp_path / "root"
    (path / "etc").mkdir(parents=True)
    (path / "etc/real").write_text("x")
    (path / "etc/link").symlink_to("real")
    (path / "etc/absolute").symlink_to("/etc/real")
    (path / "etc/up").symlink_to("../../../../etc/real")
    (path / "etc/dangling").symlink_to("../run/service/file")
    (path / "lib").symlink_to("usr/lib")
    (path / "loop").symlink_to("loop")
    (path / "etc/file-as-folder").symlink_to("real/x")
    return path


@pytest.mark.parametrize(
    ("path", "resolved"),
    [
        ("/etc/real", "/etc/real"),
        ("etc/./real", "/etc/real"),
        ("/etc/link", "/etc/real"),
        ("/etc/absolute", "/etc/real"),
        ("/etc/up", "/etc/real"),
        ("/../../etc/real", "/etc/real"),
        ("/etc/dangling", "/run/service/file"),
        ("/lib/x", "/usr/lib/x"),
        ("/new/deep/file", "/new/deep/file"),
        ("/", "/"),
        ("/loop", "error: Too many levels of symbolic links"),
        ("/etc/file-as-folder", "error: Not a directory"),
    ],
)
def test_paths_lead_inside_and_are_made(root: Path, path: str, resolved: str) -> None:
    before = sorted(entry.name for entry in root.parent.iterdir())
    assert inside(root, lambda: resolve_inside(path, directory=False)) == resolved
    assert sorted(entry.name for entry in root.parent.iterdir()) == before
    if not resolved.startswith("error"):
        assert (root / resolved.lstrip("/")).exists()


def test_the_end_is_made_as_what_is_wanted(root: Path) -> None:
    inside(root, lambda: resolve_inside("/a/b", directory=True))
    inside(root, lambda: resolve_inside("/a/c", directory=False))
    assert (root / "a/b").is_dir()
    assert (root / "a/c").is_file()
