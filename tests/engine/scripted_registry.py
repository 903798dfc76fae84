"""A registry that whole daemons pull from: it stalls where a test wants, and tells who asked for what and who has left.

For answers that no registry should give there is ``lying_registry``.
"""

import gzip
import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any

from engine.core.digests import sha256_of
from engine.core.manifests import DOCKER_CONFIG, DOCKER_LAYER, DOCKER_MANIFEST
from tests.engine import http_server
from tests.engine.storage.tar_archives import archive, member

_CHUNK_BYTES = 64 * 1024


class ScriptedRegistry(http_server.Server):
    """Serves what stands in its tables. Blobs of ``gates`` stop half way until the gate is opened."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, tuple[bytes, str]] = {}  # by "repository:reference"
        self.tags: dict[str, Sequence[object]] = {}
        self.gates: dict[str, threading.Event] = {}
        self.asked: list[str] = []
        self.broken_off: list[str] = []

    def put_blob(self, raw: bytes) -> dict[str, Any]:
        """Store a blob; return the start of its descriptor."""
        self.blobs[sha256_of(raw)] = raw
        return {"digest": sha256_of(raw), "size": len(raw)}

    def put_manifest(self, repository: str, reference: str, document: dict[str, Any]) -> str:
        raw = json.dumps(document).encode()
        for name in (reference, sha256_of(raw)):
            self.manifests[f"{repository}:{name}"] = raw, document["mediaType"]
        return sha256_of(raw)

    def put_image(self, repository: str, tag: str, layers: Sequence[bytes], *, diff_ids: Sequence[str] | None = None) -> str:
        """Store an image of plain tars; ``diff_ids`` are what its configuration claims."""
        claimed = [sha256_of(layer) for layer in layers] if diff_ids is None else list(diff_ids)
        config = image_config(claimed)
        described = [{"mediaType": DOCKER_LAYER, **self.put_blob(gzip.compress(layer, mtime=0))} for layer in layers]
        return self.put_manifest(repository, tag, manifest({"mediaType": DOCKER_CONFIG, **self.put_blob(config)}, described))

    def times_asked(self, text: str) -> int:
        return sum(text in path for path in self.asked)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ScriptedRegistry

    def log_message(self, *_: object) -> None:
        """Tests look at ``asked``."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self.server.asked.append(f"{self.command} {self.path}")
        path = self.path.partition("?")[0]
        if path == "/v2/":
            return self._answer(b"{}", "application/json")
        repository, kind, name = path.removeprefix("/v2/").rsplit("/", 2)
        if kind == "manifests" and (found := self.server.manifests.get(f"{repository}:{name}")):
            return self._answer(*found)
        if kind == "tags" and repository in self.server.tags:
            return self._answer(
                json.dumps({"name": repository, "tags": self.server.tags[repository]}).encode(), "application/json"
            )
        if kind == "blobs" and (raw := self.server.blobs.get(name)) is not None:
            return self._answer(raw, "application/octet-stream", gate=self.server.gates.get(name))
        return self._answer(
            b'{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}', "application/json", status=404
        )

    def _answer(self, raw: bytes, media_type: str, *, status: int = 200, gate: threading.Event | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(raw)))
        self.send_header("Docker-Content-Digest", sha256_of(raw))
        self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
        self.end_headers()
        if self.command == "HEAD":
            return
        half = len(raw) // 2 if gate else len(raw)
        try:
            self._send(raw[:half])
            if gate is not None:
                while not gate.wait(0.02):
                    self._notice_the_end()
                self._send(raw[half:])
        except OSError:
            self.server.broken_off.append(self.path)
            self.close_connection = True

    def _send(self, raw: bytes) -> None:
        for start in range(0, len(raw), _CHUNK_BYTES):
            self.wfile.write(raw[start : start + _CHUNK_BYTES])
        self.wfile.flush()

    def _notice_the_end(self) -> None:
        """Raises OSError when the client has gone."""
        self.connection.settimeout(0.001)
        try:
            if not self.connection.recv(1):
                raise ConnectionResetError
        except TimeoutError:
            pass
        finally:
            self.connection.settimeout(None)


def image_config(diff_ids: Sequence[str], **fields: object) -> bytes:
    """The configuration of an image that runs a shell."""
    document = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Cmd": ["sh"], "Labels": {"course": "tests"}},
        "rootfs": {"type": "layers", "diff_ids": list(diff_ids)},
        **fields,
    }
    return json.dumps(document).encode()


def manifest(config: dict[str, Any], layers: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {"schemaVersion": 2, "mediaType": DOCKER_MANIFEST, "config": config, "layers": list(layers)}


def small_layer(text: str) -> bytes:
    """A tar of one file, different for each text."""
    return archive([member(f"file-{text}", text.encode() * 100)])


@contextmanager
def scripted_registry() -> Iterator[ScriptedRegistry]:
    """One for as long as the block lasts."""
    registry = ScriptedRegistry()
    with http_server.running(registry):
        try:
            yield registry
        finally:
            for gate in registry.gates.values():
                gate.set()
