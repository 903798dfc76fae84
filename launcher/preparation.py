"""The whole set-up of a machine and a checkout. Each step is skipped where its result is there already."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from launcher.accounts import ensure_account
from launcher.console import LauncherError, say
from launcher.environment import ensure_environment
from launcher.frontend import ensure_frontend
from launcher.packages import RUNTIME, TESTS, ensure_packages
from launcher.project import Project


def require_root() -> None:
    if os.geteuid() != 0:
        raise LauncherError("containers need root: run it again with sudo")


def prepare(project: Project, *, development: bool = False) -> None:
    """Make the machine ready to run the product, and with ``development`` its tests."""
    require_root()
    # What is made here must be readable for the portal's system user whatever mask root uses.
    os.umask(0o022)
    with one_at_a_time(project):
        ensure_packages(RUNTIME + TESTS if development else RUNTIME)
        ensure_environment(project, development=development)
        ensure_frontend(project)
        ensure_account()


@contextmanager
def one_at_a_time(project: Project) -> Iterator[None]:
    """Two commands started together must not install into each other's environment."""
    folder_fd = os.open(project.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(folder_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another set-up of this folder to end")
            fcntl.flock(folder_fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder_fd)
