"""A real registry for tests: Debian's docker-registry on a loopback port and a folder of its own.

It can ask for a name and a password, stand in front of another registry, be stopped, killed and started again in the same place.
"""

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pytest

from engine.core.digests import sha256_of
from engine.core.manifests import DOCKER_CONFIG, DOCKER_LAYER, DOCKER_MANIFEST
from tests.engine.daemon import PATIENCE_SECONDS, Answer, wait_until

_ACCESS = re.compile(r'"(?P<method>[A-Z]+) (?P<path>\S+) HTTP/1\.[01]" (?P<status>\d+)')


@dataclass(frozen=True, slots=True)
class Access:
    """A line of the registry's log: a request that it has answered."""

    method: str
    path: str
    status: int


class Registry:
    """One registry. ``address`` is how images on it are named: ``127.0.0.1:PORT``."""

    def __init__(
        self,
        *,
        accounts: Mapping[str, str] | None = None,
        proxy_of: str = "",
        allows_deletion: bool = True,
        certificate: tuple[Path, Path] | None = None,
        host: str = "127.0.0.1",
    ) -> None:
        """``accounts``: passwords by name. ``proxy_of``: base URL of the registry that this one keeps copies of.

        ``certificate``: a certificate and its key; then it speaks https.
        """
        self.root = Path(tempfile.mkdtemp(prefix="registry-"))
        self.host, self.port = host, _free_port(host)
        self._accounts = dict(accounts or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._is_tls = certificate is not None
        (self.root / "config.json").write_text(json.dumps(self._configuration(proxy_of, allows_deletion, certificate)))
        if self._accounts:
            (self.root / "htpasswd").write_text("".join(_hashed(name, password) for name, password in self._accounts.items()))

    def _configuration(self, proxy_of: str, allows_deletion: bool, certificate: tuple[Path, Path] | None) -> dict[str, Any]:
        """JSON is YAML, which the registry reads."""
        served: dict[str, Any] = {"addr": self.address}
        if certificate:
            served["tls"] = {"certificate": str(certificate[0]), "key": str(certificate[1])}
        document: dict[str, Any] = {
            "version": 0.1,
            "log": {"level": "warn"},
            "storage": {"filesystem": {"rootdirectory": str(self.root / "storage")}, "delete": {"enabled": allows_deletion}},
            "http": served,
        }
        if self._accounts:
            document["auth"] = {"htpasswd": {"realm": "tests", "path": str(self.root / "htpasswd")}}
        if proxy_of:
            document["proxy"] = {"remoteurl": proxy_of}
        return document

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        return f"{'https' if self._is_tls else 'http'}://{self.address}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def log_path(self) -> Path:
        return self.root / "registry.log"

    @staticmethod
    def is_installed() -> bool:
        return shutil.which("docker-registry") is not None

    def start(self) -> Self:
        """Start it and wait until it listens."""
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                ["docker-registry", "serve", self.root / "config.json"],
                stdout=log,
                stderr=log,
                env={"PATH": os.environ["PATH"], "OTEL_TRACES_EXPORTER": "none"},
            )
        wait_until(self._listens, "the registry to listen", hint=self.log_path.read_text)
        return self

    def _listens(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log_path.read_text()
        with socket.socket() as probe:
            return probe.connect_ex((self.host, self.port)) == 0

    def stop(self) -> None:
        """End it as a service manager would."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once: connections are cut."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Kill it, and start it again at the same address with what it has stored."""
        self.kill()
        self.start()

    def destroy(self) -> None:
        """End it and delete its folder."""
        self.kill()
        shutil.rmtree(self.root, ignore_errors=True)

    def _end(self, number: int) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(PATIENCE_SECONDS)
            self._process = None

    def request(self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Answer:
        """One request as the first account, past any client of ours. Plain http only."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=PATIENCE_SECONDS)
        try:
            connection.request(method, path, body, {**self._authorization(), **(headers or {})})
            response = connection.getresponse()
            return Answer(response.status, dict(response.headers), response.read())
        finally:
            connection.close()

    def _authorization(self) -> dict[str, str]:
        for name, password in self._accounts.items():
            return {"Authorization": "Basic " + b64encode(f"{name}:{password}".encode()).decode()}
        return {}

    def put_blob(self, repository: str, raw: bytes) -> str:
        """Store a blob; return its digest."""
        place = self.request("POST", f"/v2/{repository}/blobs/uploads/").headers["Location"]
        path, digest = place.removeprefix(self.url), sha256_of(raw)
        answer = self.request("PUT", f"{path}&digest={digest}", raw, {"Content-Type": "application/octet-stream"})
        assert answer.status == 201, answer.body
        return digest

    def put_manifest(self, repository: str, tag: str, raw: bytes, media_type: str = DOCKER_MANIFEST) -> str:
        """Store a manifest; return its digest."""
        answer = self.request("PUT", f"/v2/{repository}/manifests/{tag}", raw, {"Content-Type": media_type})
        assert answer.status == 201, answer.body
        return sha256_of(raw)

    def put_image(self, repository: str, tag: str, *, config: bytes, layers: Sequence[bytes]) -> str:
        """Store a whole image, its layers compressed by the caller; return the digest of its manifest."""

        def described(media_type: str, raw: bytes) -> dict[str, Any]:
            return {"mediaType": media_type, "digest": self.put_blob(repository, raw), "size": len(raw)}

        document = {
            "schemaVersion": 2,
            "mediaType": DOCKER_MANIFEST,
            "config": described(DOCKER_CONFIG, config),
            "layers": [described(DOCKER_LAYER, raw) for raw in layers],
        }
        return self.put_manifest(repository, tag, json.dumps(document).encode())

    def accesses(self, method: str = "", within: str = "") -> list[Access]:
        """What it was asked since its folder was made: requests of a method with a text in their path."""
        lines = _ACCESS.finditer(self.log_path.read_text(errors="replace"))
        found = [Access(line["method"], line["path"], int(line["status"])) for line in lines]
        return [access for access in found if method in ("", access.method) and within in access.path]


@contextmanager
def running_registry(
    *,
    accounts: Mapping[str, str] | None = None,
    proxy_of: str = "",
    allows_deletion: bool = True,
    certificate: tuple[Path, Path] | None = None,
    host: str = "127.0.0.1",
) -> Iterator[Registry]:
    """A registry for as long as the block lasts; skips the test where docker-registry is not installed."""
    if not Registry.is_installed():
        pytest.skip("docker-registry is not installed (Debian: docker-registry)")
    registry = Registry(accounts=accounts, proxy_of=proxy_of, allows_deletion=allows_deletion, certificate=certificate, host=host)
    try:
        yield registry.start()
    finally:
        registry.destroy()


def _free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def _hashed(name: str, password: str) -> str:
    """A line of the registry's file of accounts; bcrypt is the only kind that it reads, at its least cost here."""
    done = subprocess.run(["htpasswd", "-nbB", "-C", "4", name, password], check=True, capture_output=True, text=True)
    return done.stdout.strip() + "\n"
