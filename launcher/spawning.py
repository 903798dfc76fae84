"""Starts processes of the product: as which user, with which environment and view, and where their output goes."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from launcher.accounts import Account
from launcher.console import LauncherError
from launcher.parts import Part
from launcher.programs import last_lines
from launcher.project import Project
from launcher.site import Site, site_names
from launcher.view import View, check_readable, is_open_to, needs_of_portal, plan_view

BECOME = Path(__file__).with_name("become.py")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
KEPT_LOCK_FD = 3


@dataclass(frozen=True, slots=True)
class Spawner:
    """``view`` and ``account`` are for the parts that do not run as root."""

    project: Project
    account: Account
    view: View
    environment: Mapping[str, str]
    root_environment: Mapping[str, str]

    def order(self, argv: Sequence[str], *, is_root: bool, has_own_mounts: bool = False) -> list[str]:
        """The command that becomes ``argv``."""
        user = None if is_root else {"uid": self.account.uid, "gid": self.account.gid, "groups": list(self.account.groups)}
        shown = [{"path": str(need.path), "is_writable": need.is_writable} for need in self.view.shown]
        order = {
            "covers": [] if is_root else list(self.view.covers),
            "shown": [] if is_root else shown,
            "has_own_mounts": has_own_mounts,
            "folder": str(self.project.root),
            "user": user,
            "parent_pid": os.getpid(),
            "argv": list(argv),
            "environment": {**self.environment, **(self.root_environment if is_root else {})},
        }
        return [sys.executable, "-I", "-S", str(BECOME), json.dumps(order)]

    def run(self, argv: Sequence[str], *, purpose: str) -> str:
        """Run a command of the portal to its end and return its output. Raises LauncherError with its last lines."""
        done = subprocess.run(
            self.order(argv, is_root=False), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise LauncherError(f"{purpose} failed\n{last_lines(done.stdout + done.stderr)}")
        return done.stdout

    def spawn(self, part: Part, *, log: Path, lock_fd: int | None) -> int:
        """Start a part in a process group of its own and return its pid.

        ``lock_fd`` is handed down to parts that must end before another launcher may use the folder.
        """
        command = self.order(part.argv, is_root=part.is_root, has_own_mounts=part.has_own_mounts)
        log_fd = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        actions: list[tuple[Any, ...]] = [
            (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, log_fd, 1),
            (os.POSIX_SPAWN_DUP2, log_fd, 2),
        ]
        if lock_fd is not None:
            actions.append((os.POSIX_SPAWN_DUP2, lock_fd, KEPT_LOCK_FD))
        try:
            return os.posix_spawn(command[0], command, os.environ, file_actions=actions, setpgroup=0)
        finally:
            os.close(log_fd)


def make_spawner(project: Project, site: Site, account: Account) -> Spawner:
    """Work out what the portal's user can reach. Raises LauncherError where a mode shuts it out."""
    data = site.data
    needs = needs_of_portal(project, data=[data.portal, data.redis, data.run])
    check_readable(account, needs)
    view = plan_view(needs, is_open=lambda folder: is_open_to(account, folder))
    return Spawner(project, account, view, environment_of(project, site, os.environ), {"TMPDIR": str(data.tmp)})


def environment_of(project: Project, site: Site, outer: Mapping[str, str]) -> dict[str, str]:
    """What the parts see: nothing of the terminal's environment but ATELIER_* settings, which win over ours.

    All but the portal's folder: it follows from the data folder, and no other was made for its user.
    """
    return {
        "PATH": f"{project.environment / 'bin'}:{PATH}",
        "LANG": "C.UTF-8",
        "HOME": str(site.data.portal),
        "PYTHONUNBUFFERED": "1",
        "ATELIER_REDIS_URL": f"unix://{site.data.redis_socket}",
        "ATELIER_ENGINE_SOCKET": str(site.data.engine_socket),
        "ATELIER_HOST_NAME": site.host_name,
        "ATELIER_ALLOWED_HOSTS": ",".join(site_names(site)),
        **{name: value for name, value in outer.items() if name.startswith("ATELIER_")},
        "ATELIER_DATA": str(site.data.portal),
    }
