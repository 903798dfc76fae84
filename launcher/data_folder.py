"""The data folder: its layout, who may enter what, and the lock that keeps a second launcher out."""

import fcntl
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from launcher.accounts import Account
from launcher.console import LauncherError

DEFAULT = Path("/var/lib/atelier")
ADDRESS_BYTES = 107  # unix(7): sun_path without its closing zero
LONGEST_SOCKET = "supervisor/control.sock"
# Parts of a launcher that was killed stop by themselves, but not at once, and hold the lock until then.
STOPPING_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class DataFolder:
    root: Path

    @property
    def portal(self) -> Path:
        return self.root / "portal"

    @property
    def redis(self) -> Path:
        return self.root / "redis"

    @property
    def run(self) -> Path:
        return self.root / "run"

    @property
    def log(self) -> Path:
        return self.root / "log"

    @property
    def tmp(self) -> Path:
        """Temporary files of the parts that run as root."""
        return self.root / "tmp"

    @property
    def engine(self) -> Path:
        return self.root / "engine"

    @property
    def compose(self) -> Path:
        """What the parts that run by Compose share with this host."""
        return self.root / "compose"

    @property
    def compose_run(self) -> Path:
        return self.compose / "run"

    @property
    def compose_secrets(self) -> Path:
        return self.compose / "secrets"

    @property
    def lock(self) -> Path:
        return self.root / "up.lock"

    @property
    def prepared(self) -> Path:
        return self.root / "prepared.json"

    @property
    def engine_socket(self) -> Path:
        return self.run / "engine.sock"

    @property
    def redis_socket(self) -> Path:
        return self.redis / "redis.sock"


def prepare_data_folder(folder: DataFolder, account: Account) -> None:
    """Make what is missing and set owners and modes. Raises LauncherError for a folder that is not ours to use."""
    check_data_folder(folder)
    folder.root.mkdir(parents=True, exist_ok=True)
    _own(folder.root, 0, 0, 0o711)
    folder.lock.touch(mode=0o600)
    for path, uid, gid, mode in (
        (folder.portal, account.uid, account.gid, 0o700),
        (folder.redis, account.uid, account.gid, 0o700),
        (folder.run, 0, account.gid, 0o750),
        (folder.log, 0, 0, 0o700),
        (folder.tmp, 0, 0, 0o711),
    ):
        path.mkdir(exist_ok=True)
        _own(path, uid, gid, mode)


def check_data_folder(folder: DataFolder) -> None:
    if len(os.fsencode(folder.run / LONGEST_SOCKET)) > ADDRESS_BYTES:
        raise LauncherError(f"data folder {folder.root} has too long a path for sockets inside it; choose a shorter one")
    if not folder.root.exists():
        return
    if not folder.root.is_dir():
        raise LauncherError(f"data folder {folder.root} is not a folder")
    if any(folder.root.iterdir()) and not folder.lock.exists():
        raise LauncherError(f"data folder {folder.root} holds other files; choose an empty or new one")


def empty_temporary_folder(folder: DataFolder) -> None:
    """Remove what killed programs left there, never anything mounted: a deletion would reach through to the host's own."""
    mounts = mount_points()
    for left in folder.tmp.iterdir():
        if not any(left == mount or left in mount.parents for mount in mounts):
            shutil.rmtree(left) if left.is_dir() and not left.is_symlink() else left.unlink()


def mount_points() -> list[Path]:
    """proc_pid_mountinfo(5): the fifth field, with blanks and backslashes as octal numbers."""
    fields = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return [Path(re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), field)) for field in fields]


def _own(path: Path, uid: int, gid: int, mode: int) -> None:
    os.chown(path, uid, gid)
    path.chmod(mode)


@contextmanager
def locked(folder: DataFolder) -> Iterator[int]:
    """Hold the folder's lock, with our pid in it, and give its descriptor. Raises LauncherError when another holds it."""
    lock_fd = os.open(folder.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _take(lock_fd, folder)
        os.ftruncate(lock_fd, 0)
        os.pwrite(lock_fd, f"{os.getpid()}\n".encode(), 0)
        yield lock_fd
        os.ftruncate(lock_fd, 0)
    finally:
        os.close(lock_fd)


def _take(lock_fd: int, folder: DataFolder) -> None:
    deadline = time.monotonic() + STOPPING_SECONDS
    while not _try(lock_fd):
        holder = holder_of(folder)
        if holder is not None:
            raise LauncherError(f"already running on {folder.root} (pid {holder})")
        if time.monotonic() > deadline:
            raise LauncherError(f"processes of a killed run still hold {folder.lock}; end them first")
        time.sleep(0.1)


def _try(lock_fd: int) -> bool:
    try:
        fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def holder_of(folder: DataFolder) -> int | None:
    """The pid of the living launcher that wrote the lock file; its parts may outlive it for a moment."""
    try:
        pid = int(folder.lock.read_text())
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError):
        return None
    return pid if b"atelier" in command else None
