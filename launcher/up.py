"""`up`: the whole product on this machine, in the foreground."""

import ctypes
import os
import shutil
import signal
from collections.abc import Callable

from launcher.accounts import ensure_account
from launcher.console import LauncherError, say
from launcher.data_folder import empty_temporary_folder, locked, prepare_data_folder
from launcher.manager import SIGNALS, Manager
from launcher.parts import PORTAL, all_parts, host_parts
from launcher.portal_data import Credential, prepare_portal_data
from launcher.preparation import prepare
from launcher.project import Project
from launcher.site import Site, check_port_is_free
from launcher.spawning import make_spawner

PR_SET_CHILD_SUBREAPER = 36


def up(project: Project, site: Site, *, demo: bool) -> None:
    """Set up what is missing, start all parts, and run until SIGINT or SIGTERM. Containers stay."""
    prepare(project)
    prepare_data_folder(site.data, ensure_account())
    with locked(site.data) as lock_fd:
        check_port_is_free(site)
        empty_temporary_folder(site.data)
        # Blocked from here on and taken one by one in the manager's loop.
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        become_reaper()
        _run(project, site, lock_fd, demo=demo)


def up_engine_only(project: Project, site: Site) -> None:
    """Engine and agent alone, until SIGINT or SIGTERM, for the parts that run by Compose."""
    prepare(project)
    account = ensure_account()
    prepare_data_folder(site.data, account)
    with locked(site.data) as lock_fd:
        empty_temporary_folder(site.data)
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        become_reaper()
        manager = Manager(
            host_parts(project, site),
            spawner=make_spawner(project, site, account),
            log_path=site.data.log,
            lock_fd=lock_fd,
        )
        say(f"starting engine and agent on {site.data.root}")
        try:
            if manager.start(step=PORTAL, step_needs="engine", do_step=lambda: None):
                say(f"the engine is ready: unix://{site.data.engine_socket}")
                manager.watch()
        finally:
            say("stopping; containers stay")
            manager.stop()
            empty_temporary_folder(site.data)


def become_reaper() -> None:
    """Inherit orphans of this process's descendants: containers whose daemon died are then reaped without delay."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _run(project: Project, site: Site, lock_fd: int, *, demo: bool) -> None:
    spawner = make_spawner(project, site, ensure_account())
    parts = all_parts(project, site, redis_server=_redis_server())
    manager = Manager(parts, spawner=spawner, log_path=site.data.log, lock_fd=lock_fd)
    made: list[Credential] = []

    def prepare_database() -> None:
        made.extend(prepare_portal_data(spawner, site, demo=demo))

    say(f"starting on {site.data.root}")
    try:
        if _start(manager, prepare_database):
            announce(site, made)
            manager.watch()
    finally:
        say("stopping; containers stay")
        manager.stop()
        empty_temporary_folder(site.data)


def _start(manager: Manager, prepare_database: Callable[[], None]) -> bool:
    return manager.start(step=PORTAL, step_needs="redis", do_step=prepare_database)


def _redis_server() -> str:
    found = shutil.which("redis-server")
    if found is None:
        raise LauncherError("redis-server is not on the PATH")
    return found


def announce(site: Site, made: list[Credential]) -> None:
    """The last lines of a start: address, and the passwords that exist nowhere else in clear."""
    say(f"Atelier is ready: {site.url}")
    if made:
        width = max(len(credential.username) for credential in made)
        say("first passwords, shown only now:")
        for credential in made:
            say(f"  {credential.username:<{width}}  {credential.password}")
