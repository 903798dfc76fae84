"""The whole product under `./atelier up --demo`, for tests: started, watched, hurt, stopped, and looked for afterwards."""

import hashlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from launcher.unix_http import request
from tests.engine.daemon import unmount_disk

COMMAND = Path(__file__).resolve().parents[2] / "atelier"
PATIENCE_SECONDS = 60.0
PARTS = ("redis", "engine", "agent", "worker", "beat", "web")
SHOWN_AS = {
    "redis": "redis-server",
    "engine": "engine serve",
    "agent": "engine agent",
    "worker": "portal.config worker",
    "beat": "portal.config beat",
    "web": "daphne",
}


class Product:
    """One data folder below a closed one, as `mktemp -d` makes them, and whatever runs on it."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="at-"))
        self.data = self.folder / "d"
        self.port = free_port()
        self.lines: list[str] = []
        self._process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    @property
    def process(self) -> "subprocess.Popen[str]":
        assert self._process is not None
        return self._process

    def command(self, name: str, *more: str) -> list[str]:
        return [sys.executable, str(COMMAND), name, "--data", str(self.data), *more]

    def start(self) -> None:
        """Run `up` and wait until it says that it is ready."""
        self.lines.clear()
        argv = self.command("up", "--demo", "--port", str(self.port))
        self._process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        threading.Thread(target=self._read, args=(self._process,), daemon=True).start()
        self.wait_for(lambda: self.has_said("Atelier is ready") or self.process.poll() is not None)
        assert self.process.poll() is None, "".join(self.lines)

    def _read(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        with process.stdout as lines:
            self.lines.extend(lines)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_SECONDS)

    def end(self) -> None:
        """Take everything down whatever happened before."""
        if self._process is not None and self._process.poll() is None:
            self.stop()
        subprocess.run(self.command("down"), check=False)
        unmount_disk(self.data)
        shutil.rmtree(self.folder, ignore_errors=True)

    def has_said(self, text: str) -> bool:
        return any(text in line for line in self.lines)

    def password(self, username: str) -> str:
        return next(line.split()[1] for line in self.lines if line.split()[:1] == [username])

    def part_pid(self, part: str) -> int:
        """The pid of a part, 0 while it is down: the child of the launcher that shows its command."""
        for pid in children(self.process.pid):
            if SHOWN_AS[part] in command_of(pid):
                return pid
        return 0

    def supervisor_pid(self) -> int:
        """The parent of the containers, whoever its own parent is by now."""
        return next((pid for pid in all_pids() if str(self.data / "run") in command_of(pid) and " -S -E " in command_of(pid)), 0)

    def api(self, method: str, target: str) -> Any:
        return request(self.data / "run" / "engine.sock", method, target, timeout_seconds=20)

    def processes(self) -> list[str]:
        return [command_of(pid) for pid in all_pids() if str(self.data) in command_of(pid)]

    def wait_for(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            assert time.monotonic() < deadline, "".join(self.lines)
            time.sleep(0.05)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def all_pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def children(parent: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{parent}/task").iterdir():
        found += map(int, (task / "children").read_text().split())
    return found


def command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def leftovers(product: Product) -> list[str]:
    """What the product has left on the host; its engine marks all names with six digits of its folder's hash."""
    mark = hashlib.sha256(str(product.data / "engine").encode()).hexdigest()[:6]
    tables = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=True).stdout.splitlines()
    cgroups = [str(path) for path in Path("/sys/fs/cgroup").glob("**/atelier-*")]
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    return [
        *(name for name in [*tables, *cgroups, *(path.name for path in Path("/sys/class/net").iterdir())] if mark in name),
        *(line for line in mounts if str(product.folder) in line),
        *product.processes(),
    ]
