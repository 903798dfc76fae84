"""A dockerd of the tests' own, to hold the engine against: in namespaces of its own, so that nothing is left."""

import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

import pytest

from tests.engine.daemon import EngineDaemon, PlainEngine, wait_until

_CGROUP = "atelier-conformance"
BOTH = ("atelier", "dockerd")
_SERVERS: dict[str, type[EngineDaemon]] = {"atelier": EngineDaemon, "plain folders": PlainEngine}


class Dockerd(EngineDaemon):
    """The same ways to talk to it as to an engine. dockerd starts its own containerd and ends it."""

    def __init__(self) -> None:
        super().__init__()
        self.root.rmdir()
        self.root = Path(tempfile.mkdtemp(prefix="conformance-"))
        self.socket_path = self.root / "docker.sock"

    @staticmethod
    def is_installed() -> bool:
        return shutil.which("dockerd") is not None and shutil.which("unshare") is not None

    def start(self) -> Self:
        options = {"data-root": "data", "exec-root": "exec", "pidfile": "pid", "host": "docker.sock"}
        named = [f"--{name}={'unix://' if name == 'host' else ''}{self.root / place}" for name, place in options.items()]
        fixed = ["--iptables=false", "--ip6tables=false", "--ip-forward=false", f"--cgroup-parent=/{_CGROUP}"]
        inside = ["sh", "-c", 'mount -t tmpfs tmpfs /run && ip link set lo up && exec "$@"', "sh", "dockerd", *named, *fixed]
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(["unshare", "--mount", "--net", *inside], stdout=log, stderr=log)
        wait_until(self._answers, "dockerd to answer", hint=self.log_path.read_text)
        return self

    def destroy(self) -> None:
        if self._process is not None:
            self._end(signal.SIGTERM)
        shutil.rmtree(self.root, ignore_errors=True)
        for folder in [*Path("/sys/fs/cgroup").glob(f"*/{_CGROUP}"), Path("/sys/fs/cgroup", _CGROUP)]:
            with suppress(OSError):  # dockerd removes the cgroups of containers, but not the one above them
                folder.rmdir()


@contextmanager
def serving(kind: str) -> Iterator[EngineDaemon]:
    """One of BOTH, or an engine on "plain folders", as long as the block lasts, with busybox; skips where it is not installed."""
    if kind == "dockerd" and not Dockerd.is_installed():
        pytest.skip("dockerd is not installed (Debian: docker.io)")
    daemon = Dockerd() if kind == "dockerd" else _SERVERS[kind]()
    try:
        daemon.start().import_busybox()
        yield daemon
        daemon.remove_containers()
    finally:
        daemon.destroy()
