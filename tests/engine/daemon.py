"""A real engine for tests: ``python -m engine serve`` on folders of its own, and ways to talk to it."""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode

from engine.core.tenants import Tenant
from engine.linux.cgroups import detect_layout
from engine.runtime.stray_cgroups import find_tenants, remove_tenant
from engine.service.lifecycle import instance_of
from tests.engine.busybox_image import busybox_tar

_LOOKS, _LOOK_SECONDS = 8, 0.01
PATIENCE_SECONDS = 20.0
DISK_SIZE = "4G"  # nothing is taken from the host's disk before it is written


@dataclass(frozen=True)
class Answer:
    """A whole answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)

    @property
    def message(self) -> str:
        return str(self.document["message"])


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("engine", timeout=PATIENCE_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE_SECONDS)
        self.sock.connect(str(self._path))


class EngineDaemon:
    """One engine. Paths are short, since a socket's path has at most 107 bytes."""

    disk = os.environ.get("ATELIER_TEST_DISK", "auto")  # a driver's name

    def __init__(self, **environment: str) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="atelier-test-"))
        self.data_path = self.root / "data"
        self.run_path = self.root / "run"
        self.socket_path = self.run_path / "engine.sock"
        self.instance = instance_of(self.data_path / "engine")
        self.environment = environment
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def counts_disk_space(self) -> bool:
        """Whether sizes are the kernel's: whole blocks, and 16 KiB for what tells of an area."""
        return (self.data_path / "engine.btrfs").exists()

    @property
    def log_path(self) -> Path:
        return self.root / "daemon.log"

    def start(self) -> Self:
        """Start the daemon and wait until it answers."""
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(self.command(), stdout=log, stderr=log, env={**os.environ, **self.environment})
        wait_until(self._answers, "the engine to answer", hint=self.log_path.read_text)
        return self

    def command(self) -> list[str]:
        """The command line."""
        disk = ["--disk", self.disk, "--disk-size", DISK_SIZE]
        return [sys.executable, "-m", "engine", "serve", *disk, "--data", str(self.data_path), "--run", str(self.run_path)]

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log_path.read_text()
        try:
            return self.request("GET", "/_ping").status == 200
        except (FileNotFoundError, ConnectionRefusedError):  # it is there a moment before it listens
            return False

    def stop(self) -> None:
        """SIGTERM, as the launcher does."""
        self._end(signal.SIGTERM)

    @contextmanager
    def data_at_rest(self) -> Iterator[Path]:
        """The engine's folder while the engine is stopped and its disk, if it has one, is mounted nowhere."""
        folder = self.data_path / "engine"
        image = folder.with_name("engine.btrfs")
        is_ours = image.exists() and not folder.is_mount()
        if is_ours:
            subprocess.run(["mount", "-o", "loop", image, folder], check=True)
        try:
            yield folder
        finally:
            if is_ours:
                subprocess.run(["umount", folder], check=True)

    def kill(self) -> None:
        """SIGKILL: the daemon has no time for anything."""
        self._end(signal.SIGKILL)
        self.socket_path.unlink(missing_ok=True)  # so that the next start is waited for

    def _end(self, number: int) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(PATIENCE_SECONDS)
            self._process = None

    def supervisor_pid(self) -> int | None:
        """Find the supervisor of this engine by its run folder. It hides its command line while it makes a process."""
        for _ in range(_LOOKS):
            if found := processes_with(f"supervisor import main; main('{self.run_path}'"):
                return found[0]
            time.sleep(_LOOK_SECONDS)
        return None

    def resolver_pid(self) -> int | None:
        """Find the resolver of this engine's user networks, if there is one."""
        return next(iter(processes_with(f"names_server import main; main('{self.run_path}'")), None)

    def remove_containers(self) -> None:
        """Remove every container."""
        for container in self.request("GET", "/containers/json?all=1").document:
            self.request("DELETE", f"/containers/{container['Id']}?force=1")

    def destroy(self) -> None:
        """End everything and delete the folders."""
        if self._process is not None:
            self.stop()
        for pid in filter(None, (self.supervisor_pid(), self.resolver_pid())):
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: unmount_disk(self.root / "data"), "the disk to be unmounted")
        self._remove_empty_cgroups()
        subprocess.run(["rm", "-rf", "--one-file-system", self.root], check=False)  # deeper than the interpreter can go

    def _remove_empty_cgroups(self) -> None:
        """Those of tenants stay until an orderly end, which not every test gives its engine."""
        layout = detect_layout()
        for tenant in [*sorted(find_tenants(layout, self.instance), reverse=True), Tenant()]:
            remove_tenant(layout, self.instance, tenant)

    @property
    def docker_path(self) -> Path:
        """The socket that clients speak to."""
        return self.socket_path

    def socket_of(self, tenant: str) -> Path:
        """A tenant's own socket."""
        return self.run_path / "tenants" / f"{tenant if '/' in tenant else f'{tenant}/_team'}.sock"

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        headers: Mapping[str, str] | None = None,
        tenant: str = "",
        through: Path | None = None,
    ) -> Answer:
        """One request; a body that is no bytes goes as JSON. ``through``: another socket than the administrators'."""
        connection = UnixConnection(through or self.socket_path)
        sent = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        extra = {"Atelier-Tenant": tenant} if tenant else {}
        try:
            connection.request(method, path, sent, {"Content-Type": "application/json", **extra, **(headers or {})})
            response = connection.getresponse()
            return Answer(response.status, dict(response.headers), response.read())
        finally:
            connection.close()

    def import_busybox(self, reference: str = "busybox:latest", *, tenant: str = "") -> str:
        """Import the test's image through the API; return its id."""
        repository, _, tag = reference.partition(":")
        query = urlencode({"fromSrc": "-", "repo": repository, "tag": tag, "changes": 'CMD ["sh"]'})
        answer = self.request("POST", f"/images/create?{query}", busybox_tar(), tenant=tenant)
        assert answer.status == 200, answer.body
        return str(answer.document["status"])

    def create(self, *command: str, tenant: str = "", name: str = "", **fields: object) -> str:
        """Create a container of the test's image; return its id."""
        path = f"/containers/create?{urlencode({'name': name})}" if name else "/containers/create"
        answer = self.request("POST", path, {"Image": "busybox", "Cmd": list(command), **fields}, tenant=tenant)
        assert answer.status == 201, answer.body
        return str(answer.document["Id"])

    def run(self, *command: str, tenant: str = "", name: str = "", **fields: object) -> str:
        """Create and start a container; return its id."""
        container_id = self.create(*command, tenant=tenant, name=name, **fields)
        answer = self.request("POST", f"/containers/{container_id}/start", tenant=tenant)
        assert answer.status == 204, answer.body
        return container_id

    def wait(self, container_id: str) -> int:
        """Wait for the exit; return the code."""
        return int(self.request("POST", f"/containers/{container_id}/wait").document["StatusCode"])

    def inspect(self, container_id: str) -> Any:
        return self.request("GET", f"/containers/{container_id}/json").document

    def output(self, container_id: str) -> bytes:
        """All output so far, both streams, frames taken apart."""
        body = self.request("GET", f"/containers/{container_id}/logs?stdout=1&stderr=1").body
        return b"".join(data for _, data in frames(body))

    def cli(self, *arguments: str, stdin: bytes = b"", check: bool = False) -> subprocess.CompletedProcess[bytes]:
        """Run the docker command against this engine."""
        docker = shutil.which("docker")
        assert docker is not None, "install a docker command line client"
        return subprocess.run(
            [docker, "-H", f"unix://{self.socket_path}", *arguments],
            input=stdin,
            capture_output=True,
            timeout=60,
            check=check,
            env={"PATH": os.environ["PATH"], "HOME": str(self.root)},
        )

    def shell(self, script: str) -> subprocess.CompletedProcess[bytes]:
        """Run a line of shell in which ``$D`` is the docker command on this engine."""
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.root), "D": f"docker -H unix://{self.socket_path}"}
        return subprocess.run(
            ["sh", "-c", script], stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False, env=environment
        )

    def mounts(self, pid: int | None = None) -> list[str]:
        """What is mounted in this engine's folders, as a process sees it, this one if none is named; apart from its disk."""
        lines = Path(f"/proc/{pid or 'self'}/mountinfo").read_text().splitlines()
        places = [line.split()[4] for line in lines if str(self.root) in line]
        return [place for place in places if place != str(self.data_path / "engine")]

    def leftovers(self) -> list[str]:
        """What this engine has left on the host, in words; empty after a clean end."""
        return [
            *(f"cgroup {path}" for path in Path("/sys/fs/cgroup").glob(f"*/atelier-{self.instance}*")),
            *(f"cgroup {path}" for path in Path("/sys/fs/cgroup").glob(f"atelier-{self.instance}*")),
            *(f"link {path.name}" for path in Path("/sys/class/net").iterdir() if self.instance in path.name),
            *(f"nft {line}" for line in _nft_tables() if self.instance in line),
            *(f"mount {line}" for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(self.root) in line),
            *(f"process {pid}" for pid in processes_with(str(self.root))),
            *(f"loop device {name}" for name in loop_devices_of(self.root)),
        ]


class PlainEngine(EngineDaemon):
    """One whose data lie in plain folders, as on hosts that cannot count."""

    disk = "none"


@contextmanager
def running_engine(**environment: str) -> Iterator[EngineDaemon]:
    """One engine for as long as the block lasts; at its end nothing of it may be left on the host."""
    daemon = EngineDaemon(**environment)
    try:
        yield daemon.start()
        daemon.remove_containers()
        daemon.stop()
        wait_until(lambda: not daemon.leftovers(), "the engine to leave nothing behind", hint=lambda: str(daemon.leftovers()))
    finally:
        daemon.destroy()


def unmount_disk(data_path: Path) -> bool:
    """Take away the disk that a killed engine leaves; False while processes that are just ending hold it."""
    folder = data_path / "engine"
    return not folder.is_mount() or subprocess.run(["umount", folder], stderr=subprocess.DEVNULL, check=False).returncode == 0


def frames(body: bytes) -> list[tuple[int, bytes]]:
    """Take Docker's multiplexed stream apart."""
    found, position = [], 0
    while position < len(body):
        length = int.from_bytes(body[position + 4 : position + 8], "big")
        found.append((body[position], body[position + 8 : position + 8 + length]))
        position += 8 + length
    return found


def wait_until(condition: Callable[[], object], what: str, *, hint: Callable[[], str] = str) -> None:
    """Look again until it holds."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}: {hint()}"
        time.sleep(0.02)


def files_of_processes(name: str) -> list[Path]:
    """A file of each process, which may end meanwhile; a pattern with both parts would look for the file, and fail then."""
    return [process / name for process in Path("/proc").glob("[0-9]*")]


def processes_with(text: str) -> list[int]:
    """Pids of the processes, but this one, with ``text`` in their command line."""
    found = []
    for path in files_of_processes("cmdline"):
        try:
            command = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if text in command and int(path.parent.name) != os.getpid():
            found.append(int(path.parent.name))
    return found


def loop_devices_of(folder: Path) -> list[str]:
    """Devices that show files of a folder, but none that others keep: who makes a mount namespace has copies of all mounts."""
    found = []
    for path in Path("/sys/block").glob("loop*/loop/backing_file"):
        with suppress(OSError):  # it let go of its file meanwhile
            if str(folder) in path.read_text() and not _is_mounted_anywhere(f"/dev/{path.parts[3]}"):
                found.append(path.parts[3])
    return found


def _is_mounted_anywhere(device: str) -> bool:
    """Whether a process's mounts show a device, in whatever namespace."""
    for path in files_of_processes("mountinfo"):
        with suppress(OSError):
            if f" {device} " in path.read_text():
                return True
    return False


def _nft_tables() -> list[str]:
    return subprocess.run(["nft", "list", "tables"], check=True, capture_output=True, text=True).stdout.splitlines()
