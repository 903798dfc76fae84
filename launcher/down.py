"""`down`: stop a running `up`, all containers and the engine of a data folder; the data stays."""

import os
import select
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from launcher.accounts import ensure_account
from launcher.console import LauncherError, say
from launcher.data_folder import DataFolder, empty_temporary_folder, holder_of, locked, prepare_data_folder
from launcher.manager import how_it_ended
from launcher.parts import engine_part
from launcher.preparation import require_root
from launcher.project import Project
from launcher.site import Site
from launcher.spawning import make_spawner
from launcher.unix_http import request

GRACE_SECONDS = 10
LAUNCHER_SECONDS = 60.0
ENGINE_SECONDS = 30.0
STOPS_AT_ONCE = 16


def down(project: Project, site: Site) -> None:
    """Raises LauncherError when something does not stop."""
    require_root()
    data = site.data
    if not data.lock.exists():
        say(f"nothing runs on {data.root}")
        return
    _stop_launcher(data)
    prepare_data_folder(data, ensure_account())
    with locked(data):
        if not Path(project.python).exists() or not data.engine.exists():
            say("no engine was ever started there")
            return
        with _engine(project, site):
            _stop_containers(data)
        empty_temporary_folder(data)
    say(f"everything on {data.root} is stopped; the data stays")


def _stop_launcher(data: DataFolder) -> None:
    pid = holder_of(data)
    if pid is None:
        return
    say(f"stopping the launcher (pid {pid})")
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        signal.pidfd_send_signal(pidfd, signal.SIGTERM)
        if not select.select([pidfd], [], [], LAUNCHER_SECONDS)[0]:
            raise LauncherError(f"the launcher (pid {pid}) does not stop")
    finally:
        os.close(pidfd)


@contextmanager
def _engine(project: Project, site: Site) -> Iterator[None]:
    """An engine of our own: it takes over whatever a former one left, and at its end takes bridges and firewall down."""
    part = engine_part(project, site.data)
    log = site.data.log / "engine.log"
    offset = log.stat().st_size if log.exists() else 0
    spawner = make_spawner(project, site, ensure_account())
    pid = spawner.spawn(part, log=log, lock_fd=None)
    deadline = time.monotonic() + ENGINE_SECONDS
    try:
        while not part.is_ready(log, offset):
            if time.monotonic() > deadline or os.waitpid(pid, os.WNOHANG)[0]:
                raise LauncherError(f"the engine does not start; see {log}")
            time.sleep(0.05)
        yield
    finally:
        _stop_engine(pid)


def _stop_engine(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGTERM)
        _, status = os.waitpid(pid, 0)
    except (ProcessLookupError, ChildProcessError):
        return
    if status != 0:
        raise LauncherError(f"the engine {how_it_ended(status)} instead of stopping in order")


def _stop_containers(data: DataFolder) -> None:
    running: list[dict[str, Any]] = request(data.engine_socket, "GET", "/containers/json", timeout_seconds=ENGINE_SECONDS) or []
    if running:
        say(f"stopping {len(running)} containers")
    with ThreadPoolExecutor(STOPS_AT_ONCE) as pool:
        list(pool.map(lambda container: _stop_container(data, container["Id"]), running))


def _stop_container(data: DataFolder, container_id: str) -> None:
    target = f"/containers/{quote(container_id)}/stop?t={GRACE_SECONDS}"
    request(data.engine_socket, "POST", target, timeout_seconds=GRACE_SECONDS + ENGINE_SECONDS)
