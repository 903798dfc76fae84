"""The system user that the portal's processes run as."""

import os
import pwd
from dataclasses import dataclass

from launcher.console import say
from launcher.programs import run_program

NAME = "atelier"


@dataclass(frozen=True, slots=True)
class Account:
    """``groups`` are all groups of the user, its own included."""

    uid: int
    gid: int
    groups: tuple[int, ...]


def ensure_account() -> Account:
    """Return the user, made where it is missing, without a home, password or shell."""
    try:
        return _look_up()
    except KeyError:
        say(f"making the system user {NAME}")
    run_program(
        [
            "useradd",
            "--system",
            "--user-group",
            "--no-create-home",
            "--home-dir",
            "/nonexistent",
            "--shell",
            "/usr/sbin/nologin",
            NAME,
        ],
        purpose=f"making the system user {NAME}",
    )
    return _look_up()


def _look_up() -> Account:
    entry = pwd.getpwnam(NAME)
    return Account(entry.pw_uid, entry.pw_gid, tuple(os.getgrouplist(NAME, entry.pw_gid)))
