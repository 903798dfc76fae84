"""`compose`: makes ready what docker-compose.yml needs of this machine, each of it once.

Owns the folder `<data>/compose` (secrets, the queue's socket), `.env` and `.wheels` in the checkout, and the base image where no
registry has one. Must not start anything: that is Compose's.
"""

import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path

from launcher.accounts import Account, ensure_account
from launcher.base_image import NAME as BASE_IMAGE
from launcher.base_image import ensure_base_image
from launcher.console import say
from launcher.data_folder import DataFolder, prepare_data_folder
from launcher.preparation import prepare
from launcher.programs import run_program
from launcher.project import Project, digest_of
from launcher.site import Site, site_names

SECRETS = ("database_password", "secret_key")
WHEELS = ".wheels"
# What the image has, whatever this machine has: Debian 12's Python and C library.
_PYTHON = "3.11"
_PLATFORMS = tuple(f"manylinux_2_{minor}_{os.uname().machine}" for minor in (36, 34, 31, 28, 26, 24, 17, 12, 5))


def compose(project: Project, site: Site, *, make_base: bool) -> None:
    """Raises LauncherError for what cannot be made."""
    prepare(project)
    account = ensure_account()
    prepare_data_folder(site.data, account)
    make_folders(site.data, account)
    collect_wheels(project)
    if make_base:
        ensure_base_image(site.data)
    names = {"ATELIER_ALLOWED_HOSTS": ",".join(site_names(site))}
    write_settings(project.root / ".env", settings_of(site, account, make_base=make_base), defaults=names)
    say(f"ready; start it with: sudo DOCKER_HOST=unix://{site.data.engine_socket} docker-compose up -d")


def make_folders(data: DataFolder, account: Account) -> None:
    """The folder of the queue's socket for the parts alone; secrets that only root changes and the parts read."""
    _make_folder(data.compose, 0, 0, 0o711)
    _make_folder(data.compose_run, account.uid, account.gid, 0o700)
    _make_folder(data.compose_secrets, 0, account.gid, 0o750)
    for name in SECRETS:
        _make_secret(data.compose_secrets / name, account.gid)


def _make_folder(path: Path, uid: int, gid: int, mode: int) -> None:
    path.mkdir(exist_ok=True)
    os.chown(path, uid, gid)
    path.chmod(mode)


def _make_secret(path: Path, gid: int) -> None:
    """Whole or not at all, and never again: a database keeps the password that it was made with."""
    if path.exists():
        return
    temporary = path.with_name(f".{path.name}.new")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "w") as stream:
        stream.write(secrets.token_urlsafe(50) + "\n")
        stream.flush()
        os.fsync(stream.fileno())
    os.chown(temporary, 0, gid)
    temporary.chmod(0o440)
    temporary.rename(path)


def collect_wheels(project: Project) -> None:
    """Python packages for the image, by this machine's own index: a build in a container may reach another one, or none."""
    wheels, digest = project.root / WHEELS, digest_of([project.requirements])
    stamp = wheels / "made-from"
    if stamp.is_file() and stamp.read_text() == digest:
        return
    say("collecting Python packages for the image")
    temporary = project.root / f"{WHEELS}.new"
    shutil.rmtree(temporary, ignore_errors=True)
    platforms = [word for platform in _PLATFORMS for word in ("--platform", platform)]
    run_program(
        [
            project.python, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input", "--no-deps",
            "--only-binary=:all:", "--implementation", "cp", "--python-version", _PYTHON, *platforms,
            "--requirement", str(project.requirements), "--dest", str(temporary),
        ],
        purpose="collecting Python packages",
        folder=project.root,
    )  # fmt: skip
    (temporary / stamp.name).write_text(digest)
    shutil.rmtree(wheels, ignore_errors=True)
    temporary.rename(wheels)


def settings_of(site: Site, account: Account, *, make_base: bool) -> dict[str, str]:
    """What docker-compose.yml asks for by name."""
    return {
        "ATELIER_DATA": str(site.data.root),
        "ATELIER_UID": str(account.uid),
        "ATELIER_GID": str(account.gid),
        "ATELIER_BIND": site.bind,
        "ATELIER_PORT": str(site.port),
        "ATELIER_HOST_NAME": site.host_name,
        **({"ATELIER_BASE": BASE_IMAGE} if make_base else {}),
    }


def write_settings(path: Path, settings: Mapping[str, str], *, defaults: Mapping[str, str]) -> None:
    """Set ours, ``defaults`` only where they are missing, and keep all other lines: they are the administrator's."""
    lines = path.read_text().splitlines() if path.exists() else []
    kept = [line for line in lines if line.partition("=")[0] not in settings]
    there = {line.partition("=")[0] for line in kept}
    added = {**settings, **{name: value for name, value in defaults.items() if name not in there}}
    temporary = path.with_name(f"{path.name}.new")
    temporary.write_text("".join(f"{line}\n" for line in [*kept, *(f"{name}={value}" for name, value in added.items())]))
    temporary.replace(path)
