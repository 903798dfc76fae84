"""The system packages: which are missing here, and their installation through apt.

What counts is that the program, library or file is there, not who installed it: a docker from elsewhere is as good as Debian's.
"""

import ctypes
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from launcher.console import LauncherError, say
from launcher.elf import is_static_program
from launcher.interpreter import can_make_environments
from launcher.programs import run_program

POLICY = Path("/usr/sbin/policy-rc.d")
APT = ("apt-get", "-q", "-y", "-o", "DPkg::Lock::Timeout=300", "-o", "Dpkg::Use-Pty=0")


@dataclass(frozen=True, slots=True)
class Package:
    """A package by its Debian name, what it is for, and how to see that it is there."""

    name: str
    reason: str
    is_present: Callable[[], bool]


def has_program(*names: str) -> bool:
    return any(shutil.which(name) for name in names)


def has_library(name: str) -> bool:
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


def has_file(path: str) -> bool:
    return Path(path).exists()


def has_static_program(name: str) -> bool:
    found = shutil.which(name)
    return found is not None and is_static_program(Path(found))


RUNTIME = (
    Package("python3-venv", "virtual environment", can_make_environments),
    Package("ca-certificates", "secure downloads", partial(has_file, "/etc/ssl/certs/ca-certificates.crt")),
    Package("redis-server", "job queue", partial(has_program, "redis-server")),
    Package("libseccomp2", "system call filter of containers", partial(has_library, "libseccomp.so.2")),
    Package("libnftables1", "firewall of containers", partial(has_library, "libnftables.so.1")),
    Package("btrfs-progs", "quotas of disk space", partial(has_program, "mkfs.btrfs")),
    Package("busybox-static", "template Shell", partial(has_static_program, "busybox")),
    Package("mmdebstrap", "template Debian", partial(has_program, "mmdebstrap")),
    Package("debian-archive-keyring", "template Debian", partial(has_file, "/usr/share/keyrings/debian-archive-keyring.gpg")),
    Package("gettext", "translations", partial(has_program, "msgfmt")),
)
TESTS = (
    Package("chromium", "browser tests", partial(has_program, "chromium", "chromium-browser", "google-chrome")),
    Package("docker.io", "docker command line in tests", partial(has_program, "docker")),
    Package("docker-compose", "compose files in tests", partial(has_program, "docker-compose")),
    Package("docker-registry", "pull and push in tests", partial(has_program, "docker-registry")),
    Package("apache2-utils", "accounts of a registry in tests", partial(has_program, "htpasswd")),
    Package("xz-utils", "compressed archives in tests", partial(has_program, "xz")),
    Package("bzip2", "compressed archives in tests", partial(has_program, "bzip2")),
    Package("skopeo", "archives of images in tests", partial(has_program, "skopeo")),
    Package("umoci", "archives of images in tests", partial(has_program, "umoci")),
    Package("nftables", "looking for left-overs in tests", partial(has_program, "nft")),
    Package("iproute2", "looking for left-overs in tests", partial(has_program, "ip")),
    Package("git", "list of files in tests", partial(has_program, "git")),
)


def missing_packages(packages: Sequence[Package]) -> list[Package]:
    return [package for package in packages if not package.is_present()]


def ensure_packages(packages: Sequence[Package]) -> None:
    """Install what is missing. Raises LauncherError where there is no apt."""
    missing = missing_packages(packages)
    if not missing:
        return
    listed = ", ".join(f"{package.name} ({package.reason})" for package in missing)
    if not has_program("apt-get"):
        raise LauncherError(f"this system has no apt; install these yourself, by the names they have here: {listed}")
    say(f"installing with apt: {listed}")
    install_packages([package.name for package in missing])


def install_packages(names: Sequence[str]) -> None:
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    run_program([*APT, "update"], purpose="refreshing the package lists", environment=quiet)
    with services_held_back():
        run_program([*APT, "install", "--no-install-recommends", *names], purpose="installing system packages", environment=quiet)


@contextmanager
def services_held_back() -> Iterator[None]:
    """Keep package scripts from starting services (a public Redis, a dockerd), unless the administrator has a policy."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink(missing_ok=True)
