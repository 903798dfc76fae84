"""Registries beside a daemon: in its network namespace, where its 127.0.0.1 is, with a few images that are there from the start.

Owns where they run and what they hold. What a registry is, is told elsewhere.
"""

import gzip
import io
import json
import os
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from engine.core.digests import sha256_of
from engine.core.manifests import DOCKER_INDEX, DOCKER_MANIFEST
from tests.engine.daemon import wait_until
from tests.engine.registry import Registry

NAME, PASSWORD = "ada", "secret-of-tests"
PLATFORMS = ("amd64", "arm64", "s390x")
_LISTENING = "0A"


class RegistryBeside(Registry):
    """A registry in the network namespace of a process."""

    def start_beside(self, pid: int) -> None:
        """Start it there and wait until it listens."""
        command = ["nsenter", f"--net=/proc/{pid}/ns/net", "docker-registry", "serve", str(self.root / "config.json")]
        with self.log_path.open("ab") as log:
            environment = {"PATH": os.environ["PATH"], "OTEL_TRACES_EXPORTER": "none"}
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        wait_until(self._listens_there, "the registry to listen", hint=self.log_path.read_text)

    def _listens_there(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log_path.read_text()
        rows = [line.split() for line in Path(f"/proc/{self._process.pid}/net/tcp").read_text().splitlines()[1:]]
        return any(row[1].endswith(f":{self.port:04X}") and row[3] == _LISTENING for row in rows)


@dataclass(frozen=True, slots=True)
class Registries:
    """One that is open to all, one that knows a single account."""

    open: str
    locked: str

    def environment(self) -> dict[str, str]:
        return {"REGISTRY": self.open, "LOCKED": self.locked, "NAME": NAME, "PASSWORD": PASSWORD}


@contextmanager
def registries_beside(pid: int) -> Iterator[Registries]:
    """Both, for as long as the block lasts; skips the test where docker-registry is not installed."""
    if not Registry.is_installed():
        pytest.skip("docker-registry is not installed (Debian: docker-registry)")
    both = RegistryBeside(), RegistryBeside(accounts={NAME: PASSWORD})
    try:
        for registry in both:
            registry.start()
            fill(registry)
            registry.stop()
            registry.start_beside(pid)
        yield Registries(both[0].address, both[1].address)
    finally:
        for registry in both:
            registry.destroy()


def fill(registry: Registry) -> None:
    """``there:v1`` and ``there:v2`` of this machine's kind, and ``several:latest`` of several."""
    for tag in ("v1", "v2"):
        _put(registry, "there", tag, _machine())
    described = []
    for architecture in PLATFORMS:
        raw = _put(registry, "several", architecture, architecture)
        described.append(
            {
                "mediaType": DOCKER_MANIFEST,
                "digest": sha256_of(raw),
                "size": len(raw),
                "platform": {"os": "linux", "architecture": architecture},
            }
        )
    index = {"schemaVersion": 2, "mediaType": DOCKER_INDEX, "manifests": described}
    registry.put_manifest("several", "latest", json.dumps(index).encode(), DOCKER_INDEX)


def _put(registry: Registry, repository: str, tag: str, architecture: str) -> bytes:
    """Store an image of one file that holds the tag; return its manifest."""
    layer = _layer(tag)
    config = {
        "architecture": architecture,
        "os": "linux",
        "created": "2020-01-01T00:00:00Z",
        "config": {"Cmd": ["cat", "/tag"], "Labels": {"tag": tag}},
        "rootfs": {"type": "layers", "diff_ids": [sha256_of(layer)]},
        "history": [{"created": "2020-01-01T00:00:00Z", "created_by": f"made as {tag}"}],
    }
    packed = gzip.compress(layer, mtime=0)
    registry.put_image(repository, tag, config=json.dumps(config).encode(), layers=[packed])
    return registry.request("GET", f"/v2/{repository}/manifests/{tag}", headers={"Accept": DOCKER_MANIFEST}).body


def _layer(text: str) -> bytes:
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w") as archive:
        member = tarfile.TarInfo("tag")
        member.size = len(text)
        archive.addfile(member, io.BytesIO(text.encode()))
    return output.getvalue()


def _machine() -> str:
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
