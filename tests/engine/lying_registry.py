"""A registry that lies in every way: honest with what it stores, until a test tells it what to answer instead."""

import json
import re
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from itertools import repeat
from typing import Any

from engine.core.digests import sha256_of
from engine.core.manifests import DOCKER_CONFIG, DOCKER_LAYER, DOCKER_MANIFEST, Descriptor, format_manifest
from tests.engine import http_server

HEADERS = {"Docker-Distribution-Api-Version": "registry/2.0"}


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def authorization(self) -> str:
        return self.headers.get("authorization", "")


Lie = Callable[["Handler"], None]


class LyingRegistry(http_server.Server):
    """``ending`` is set when the test is over."""

    def __init__(self, *, host: str = "127.0.0.1", context: ssl.SSLContext | None = None) -> None:
        super().__init__((host, 0), Handler)
        self.is_tls = context is not None
        if context is not None:
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, tuple[bytes, str]] = {}
        self.asked: list[Asked] = []
        self.ending = threading.Event()
        self._lies: list[tuple[str, str, list[Lie]]] = []

    @property
    def port(self) -> int:
        return self.server_port

    @property
    def url(self) -> str:
        return f"{'https' if self.is_tls else 'http'}://{self.address}"

    def lie(self, method: str, within: str, *lies: Lie) -> None:
        """Answer the next requests whose path contains a text with these, one each; then honestly again."""
        self._lies.append((method, within, list(lies)))

    def always_lie(self, method: str, within: str, lie: Lie) -> None:
        self._lies.append((method, within, [lie] * 1000))

    def next_lie(self, asked: Asked) -> Lie | None:
        for method, within, lies in self._lies:
            if method == asked.method and within in asked.path and lies:
                return lies.pop(0)
        return None

    def put_blob(self, raw: bytes, media_type: str = DOCKER_LAYER) -> Descriptor:
        self.blobs[sha256_of(raw)] = raw
        return Descriptor(media_type, sha256_of(raw), len(raw))

    def put_image(self, reference: str, *, config: bytes = b"{}", layers: Sequence[bytes] = ()) -> bytes:
        """Store an image under a tag; return its manifest."""
        raw = format_manifest(self.put_blob(config, DOCKER_CONFIG), [self.put_blob(layer) for layer in layers])
        for name in (reference, sha256_of(raw)):
            self.manifests[name] = raw, DOCKER_MANIFEST
        return raw

    def paths(self, method: str = "GET") -> list[str]:
        return [asked.path for asked in self.asked if asked.method == method]

    def requests(self, method: str, within: str) -> list[Asked]:
        return [asked for asked in self.asked if asked.method == method and within in asked.path]


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: LyingRegistry

    def log_message(self, *_: object) -> None:
        """Tests look at ``asked``."""

    def _serve(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = Asked(self.command, self.path, headers, self._body())
        self.server.asked.append(asked)
        lie = self.server.next_lie(asked)
        (lie or Handler.honest)(self)

    def do_GET(self) -> None:
        self._serve()

    def do_HEAD(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_PATCH(self) -> None:
        self._serve()

    def do_PUT(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "") == "chunked":
            found = b""
            while size := int(self.rfile.readline().strip() or b"0", 16):
                found += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return found
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def honest(self) -> None:
        path, _, query = self.path.partition("?")
        name = path.rpartition("/")[2]
        if self.command == "POST":
            self.say(202, headers={"Location": "/v2/uploads/1?state=a%2Fb", "Content-Length": "0"})
        elif self.command in ("PATCH", "PUT", "DELETE"):
            self.say(201 if self.command == "PUT" else 202, headers={"Location": f"{path}?{query}"})
        elif path == "/v2/":
            self.say(200, b"{}")
        elif name in self.server.manifests and "/manifests/" in path:
            raw, media_type = self.server.manifests[name]
            self.say(200, raw, headers={"Content-Type": media_type})
        elif name in self.server.blobs:
            self._say_blob(self.server.blobs[name])
        else:
            self.say(404, errors("NOT_FOUND", "nothing here"))

    def _say_blob(self, raw: bytes) -> None:
        match = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if match is None:
            self.say(200, raw)
            return
        start = int(match[1])
        self.say(206, raw[start:], headers={"Content-Range": f"bytes {start}-{len(raw) - 1}/{len(raw)}"})

    def say(
        self,
        status: int,
        body: bytes = b"",
        *,
        headers: Mapping[str, str] | None = None,
        length: int | None = None,
        ends: bool = False,
    ) -> None:
        """Answer; ``length`` is what the header says, -1 for none; ``ends`` hangs up after it."""
        self.send_response(status)
        said = {**HEADERS, **({} if length == -1 else {"Content-Length": str(len(body) if length is None else length)})}
        for name, value in {**said, **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.close_connection |= ends or length == -1
        if self.command != "HEAD":
            self.wfile.write(body)


def errors(code: str, message: str) -> bytes:
    return json.dumps({"errors": [{"code": code, "message": message}]}).encode()


def answer(status: int, body: bytes = b"", **headers: str) -> Lie:
    """A whole answer; underscores in names of headers are dashes."""
    return lambda handler: handler.say(status, body, headers={name.replace("_", "-"): value for name, value in headers.items()})


def cut(body: bytes, at: int, *, status: int = 200, **headers: str) -> Lie:
    """Promise all of a body and hang up in its midst."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda handler: handler.say(status, body[:at], headers=named, length=len(body), ends=True)


def unannounced(body: bytes) -> Lie:
    """Send a body without saying how long it is."""
    return lambda handler: handler.say(200, body, length=-1)


def announced(body: bytes, length: int) -> Lie:
    """Say another length than the body's."""
    return lambda handler: handler.say(200, body, length=length, ends=True)


def endless(block: bytes = bytes(65536)) -> Lie:
    """Send for as long as anyone listens."""

    def send(handler: Handler) -> None:
        handler.say(200, length=-1)
        for one in repeat(block):
            handler.wfile.write(one)

    return send


def dripping(body: bytes, seconds: float) -> Lie:
    """Send a byte at a time."""

    def send(handler: Handler) -> None:
        handler.say(200, length=len(body))
        for number in range(len(body)):
            if handler.server.ending.wait(seconds):
                return
            handler.wfile.write(body[number : number + 1])

    return send


def silent() -> Lie:
    """Say nothing for as long as the test lasts."""

    def wait(handler: Handler) -> None:
        handler.server.ending.wait()

    return wait


def hung_up() -> Lie:
    """Close the connection without an answer."""

    def close(handler: Handler) -> None:
        handler.close_connection = True

    return close


def challenge(realm: str, *, scheme: str = "Bearer", **parameters: Any) -> Lie:
    """Ask for a token or a password."""
    told = ",".join(f'{name}="{value}"' for name, value in {"realm": realm, **parameters}.items())
    return answer(401, errors("UNAUTHORIZED", "authentication required"), WWW_Authenticate=f"{scheme} {told}")


@contextmanager
def lying_registry(*, host: str = "127.0.0.1", context: ssl.SSLContext | None = None) -> Iterator[LyingRegistry]:
    """One for as long as the block lasts."""
    registry = LyingRegistry(host=host, context=context)
    with http_server.running(registry):
        try:
            yield registry
        finally:
            registry.ending.set()
