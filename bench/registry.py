"""Registries of the bench: one for each contender, in its network namespace, at the same address, on the same storage."""

import hashlib
import http.client
import json
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.contenders import Engine
from bench.processes import daemon, engine_pids
from bench.sample_images import Layer, config_of

_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_CONFIG = "application/vnd.docker.container.image.v1+json"
_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
_LISTENING = "0A"


@dataclass(frozen=True, slots=True)
class Registry:
    """``port`` of 127.0.0.1 wherever a contender looks; ``folder`` is what all of them serve."""

    port: int
    folder: Path

    def name(self, repository: str) -> str:
        return f"127.0.0.1:{self.port}/{repository}"

    def forget(self) -> None:
        """Delete all images, so that the next push has to send everything."""
        subprocess.run(["rm", "-rf", self.folder / "storage" / "docker"], check=True)

    def put(self, repository: str, layers: Sequence[Layer], *, tag: str = "latest", note: str = "") -> None:
        """Store an image; ``note`` makes it another one of the same layers."""
        config = config_of(layers, note)
        document = {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": self._put_blob(repository, _CONFIG, config),
            "layers": [self._put_blob(repository, _LAYER, layer.packed.read_bytes()) for layer in layers],
        }
        self._send("PUT", f"/v2/{repository}/manifests/{tag}", json.dumps(document).encode(), _MANIFEST)

    def _put_blob(self, repository: str, media_type: str, raw: bytes) -> dict[str, str | int]:
        digest = f"sha256:{hashlib.sha256(raw).hexdigest()}"
        place = self._send("POST", f"/v2/{repository}/blobs/uploads/").removeprefix(f"http://127.0.0.1:{self.port}")
        self._send("PUT", f"{place}&digest={digest}", raw)
        return {"mediaType": media_type, "digest": digest, "size": len(raw)}

    def _send(self, method: str, target: str, body: bytes = b"", kind: str = "application/octet-stream") -> str:
        """Make a request; return where it says that something is."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        connection.request(method, target, body, {"Content-Type": kind})
        response = connection.getresponse()
        text = response.read()
        connection.close()
        if response.status >= 300:
            raise SystemExit(f"bench: registry: {method} {target}: {response.status} {text!r}")
        return response.headers.get("Location", "")


@contextmanager
def registries(folder: Path, engines: Sequence[Engine]) -> Iterator[Registry]:
    """One on the host, and one more for each engine that has a network namespace of its own."""
    (folder / "storage").mkdir(parents=True)
    registry = Registry(_free_port(), folder)
    served = {"addr": f"127.0.0.1:{registry.port}"}
    storage = {"filesystem": {"rootdirectory": str(folder / "storage")}}
    (folder / "config.json").write_text(
        json.dumps({"version": 0.1, "log": {"level": "error"}, "storage": storage, "http": served})
    )
    here = _network_of("self")
    elsewhere = [pid for pid in (engine_pids(str(engine.folder))[0] for engine in engines) if _network_of(str(pid)) != here]
    with ExitStack() as stack:
        for pid in ("self", *map(str, elsewhere)):
            stack.enter_context(_registry(registry, pid))
        yield registry


@contextmanager
def _registry(registry: Registry, pid: str) -> Iterator[None]:
    """A registry in the network namespace of a process."""
    serve = ["docker-registry", "serve", str(registry.folder / "config.json")]
    inside = ["nsenter", f"--net=/proc/{pid}/ns/net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"] if pid != "self" else []
    with daemon([*inside, *serve], log=registry.folder / f"{pid}.log", is_ready=lambda: _listens(pid, registry.port)):
        yield


def _listens(pid: str, port: int) -> bool:
    rows = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
    return any(row[1].endswith(f":{port:04X}") and row[3] == _LISTENING for row in rows)


def _network_of(pid: str) -> Path:
    return Path(f"/proc/{pid}/ns/net").readlink()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
