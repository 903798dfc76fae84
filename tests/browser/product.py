"""The whole product under ``./atelier up --demo``, on a free port and an empty data folder."""

import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from engine.core.tenant_cgroups import tenant_path
from engine.core.tenants import Tenant
from engine.linux.cgroups import detect_layout
from engine.service.lifecycle import instance_of
from tests.engine.daemon import unmount_disk

ROOT = Path(__file__).parents[2]
ATELIER = str(ROOT / "atelier")
START_SECONDS = 150
STOP_SECONDS = 60
LAST_USER = "edsger"


@dataclass(frozen=True, slots=True)
class Product:
    """``passwords`` by user name."""

    address: str
    passwords: dict[str, str]
    data_path: Path

    def docker(self, user: str, *arguments: str) -> str:
        """Run the docker command as a member of the demo team, beside any lab, and return what it says."""
        socket_path = self.data_path / "run" / "tenants" / "demo" / f"{user}.sock"
        command = ["docker", "-H", f"unix://{socket_path}", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=STOP_SECONDS).stdout

    def clear(self, user: str) -> None:
        """Remove all that a member has made with docker, so that the next test begins without."""
        kept = ("ps", "-aq", "--filter", "label=atelier.lab")
        ids = set(self.docker(user, "ps", "-aq").split()) - set(self.docker(user, *kept).split())
        if ids:
            self.docker(user, "rm", "-f", *ids)
        self.docker(user, "system", "prune", "-af", "--volumes")
        for volume in self.docker(user, "volume", "ls", "-q").split():
            self.docker(user, "volume", "rm", volume)

    def kernel_memory_limit(self, tenant: Tenant) -> int | None:
        """Return what the kernel holds the tenant's processes to, in bytes; None without a limit."""
        layout = detect_layout()
        root, name = (layout.unified, "memory.max") if layout.version == 2 else (layout.mounts["memory"], "memory.limit_in_bytes")
        path = Path(root, *tenant_path(instance_of(self.data_path / "engine"), tenant), name)
        text = path.read_text().strip()
        return None if text == "max" else int(text)


@contextmanager
def running_product() -> Iterator[Product]:
    """Yield the started product; at the end it is stopped, its labs too, and its data is removed."""
    data_path = Path(tempfile.mkdtemp(prefix="atelier-"))
    # The portal's own user must be able to reach its folder inside.
    data_path.chmod(0o711)
    try:
        with _up(data_path / "data") as product:
            yield product
        subprocess.run([ATELIER, "down", "--data", str(data_path / "data")], check=True, timeout=STOP_SECONDS)
    finally:
        unmount_disk(data_path / "data")
        shutil.rmtree(data_path, ignore_errors=True)


@contextmanager
def _up(data_path: Path) -> Iterator[Product]:
    port = _free_port()
    said_path = data_path.with_suffix(".said")
    command = [ATELIER, "up", "--demo", "--data", str(data_path), "--port", str(port)]
    with said_path.open("wb") as said, subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT) as process:
        try:
            passwords = _wait_for_passwords(process, said_path)
            yield Product(f"http://127.0.0.1:{port}", passwords, data_path)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(STOP_SECONDS)


def _wait_for_passwords(process: subprocess.Popen[bytes], said_path: Path) -> dict[str, str]:
    """Wait for the last line of a start; raises AssertionError with all that was said where it does not come."""
    give_up_at = time.monotonic() + START_SECONDS
    while time.monotonic() < give_up_at and process.poll() is None:
        passwords = dict(re.findall(r"^  (\w+) +(\w{8,})$", said_path.read_text(), re.MULTILINE))
        if LAST_USER in passwords:
            return passwords
        time.sleep(0.1)
    raise AssertionError("the product did not start:\n" + said_path.read_text())


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
