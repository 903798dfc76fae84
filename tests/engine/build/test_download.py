"""ADD of an address: what is fetched looks as with dockerd, is bounded, and never comes from where a tenant may not look."""

import asyncio
import hashlib
import stat
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from engine.build.copy_layer import copy_layer
from engine.build.download import Download, download, is_url
from engine.core.address_kinds import AddressKind, kind_of
from engine.core.destinations import Reach, parse_destination
from engine.core.tenants import ADMINISTRATOR, Tenant
from engine.errors import EngineError, Forbidden, InvalidParameter, Unavailable
from engine.image.registry_edge import Edge
from tests.engine import http_server
from tests.engine.build.trees import archive_of, listing_of

CONTENT = b"what is fetched\n"
ADA = Tenant("demo", "ada")


class _Handler(BaseHTTPRequestHandler):
    requests: list[str]

    def do_GET(self) -> None:
        type(self).requests.append(self.path)
        path, _, query = self.path.partition("?")
        if path == "/redirect":
            self._answer(302, {"Location": query})
        elif path == "/loop":
            self._answer(302, {"Location": "/loop"})
        elif path == "/missing":
            self._answer(404)
        elif path == "/named/":
            self._answer(200, {"Content-Disposition": 'attachment; filename="../../given"'}, CONTENT)
        elif path == "/archive":
            self._answer(200, {}, archive_of("inside =1"))
        elif path == "/endless":
            self._endless()
        elif path == "/short":
            self._answer(200, {"Content-Length": "1000"}, CONTENT)
        else:
            self._answer(200, {"Last-Modified": "Sun, 09 Sep 2001 01:46:40 GMT"}, CONTENT)

    def _answer(self, status: int, headers: dict[str, str] | None = None, body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _endless(self) -> None:
        self.send_response(200)
        self.end_headers()
        while True:
            self.wfile.write(bytes(1 << 16))

    def log_message(self, *_: object) -> None:
        """Tests look at ``requests``."""


class _Server:
    def __init__(self, server: http_server.Server, handler: type[_Handler]) -> None:
        self.port = server.server_port
        self.requests = handler.requests

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"


@pytest.fixture
def server() -> Iterator[_Server]:
    handler = type("_OwnHandler", (_Handler,), {"requests": []})
    with http_server.running(http_server.Server(("0.0.0.0", 0), handler)) as inner:
        yield _Server(inner, handler)


class _Names(AbstractResolver):
    """Leads each name to the next address of its list, the last one for ever."""

    def __init__(self, **addresses: list[str]) -> None:
        self._addresses = addresses

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:
        addresses = self._addresses[host.partition(".")[0]]
        address = addresses.pop(0) if len(addresses) > 1 else addresses[0]
        return [ResolveResult(hostname=host, host=address, port=port, family=2, proto=0, flags=0)]

    async def close(self) -> None:
        pass


def public_second_loopback(address: str) -> AddressKind:
    """127.0.0.2 stands for the internet."""
    return AddressKind.PUBLIC if address == "127.0.0.2" else kind_of(address)


def fetch(
    url: str,
    folder: Path,
    *,
    destination: str = "/x/",
    tenant: Tenant = ADMINISTRATOR,
    checksum: str = "",
    most_bytes: int = 1 << 20,
    edge: Edge | None = None,
    reach: Reach = None,
) -> Download:
    return asyncio.run(
        download(
            url,
            staging=folder,
            destination=destination,
            tenant=tenant,
            checksum=checksum,
            most_bytes=most_bytes,
            edge=edge,
            reach=reach,
        )
    )


@pytest.mark.requires_root
@pytest.mark.parametrize(
    ("path", "destination", "tree"),
    [
        ("/d/file.txt?query#part", "/x/", "x/; x/file.txt 600 =what\\ is\\ fetched\\n"),
        ("/d/a%20b", "/x/", "x/; x/a\\ b 600 =what\\ is\\ fetched\\n"),
        ("/d/file", "/x", "x 600 =what\\ is\\ fetched\\n"),
        ("/d/", "/x", "x 600 =what\\ is\\ fetched\\n"),
        ("/named/", "/x/", "x/; x/given 600 =what\\ is\\ fetched\\n"),
        ("/a%2Fb", "/x/", "x/; x/b 600 =what\\ is\\ fetched\\n"),
        ("/redirect?/d/other", "/x/", "x/; x/redirect 600 =what\\ is\\ fetched\\n"),
    ],
)
def test_a_file_is_called_as_its_address_ends(path: str, destination: str, tree: str, server: _Server, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "fetched").mkdir()
    fetched = fetch(server.url(path), tmp_path / "fetched", destination=destination)
    with fetched.sources() as sources:
        upper = copy_layer([], sources, destination=destination, workdir="/", staging=tmp_path / "work", unpacks=True)
        assert listing_of([upper]) == tree


@pytest.mark.requires_root
@pytest.mark.parametrize(("unpacks", "begins"), [(False, "x/; x/archive 600 =inside"), (True, "x/; x/inside =1")])
def test_an_archive_is_unpacked_only_where_that_is_said(unpacks: bool, begins: str, server: _Server, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "fetched").mkdir()
    with fetch(server.url("/archive"), tmp_path / "fetched").sources(unpacks=unpacks) as sources:
        upper = copy_layer([], sources, destination="/x/", workdir="/", staging=tmp_path / "work", unpacks=True)
        assert listing_of([upper]).startswith(begins)


def test_its_time_is_the_servers(server: _Server, tmp_path: Path) -> None:
    fetch(server.url("/file"), tmp_path)
    status = (tmp_path / "download").stat()
    assert (status.st_mtime, stat.S_IMODE(status.st_mode)) == (1_000_000_000, 0o600)


def test_a_checksum_is_verified(server: _Server, tmp_path: Path) -> None:
    right = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"
    fetch(server.url("/file"), tmp_path, checksum=right)
    (tmp_path / "2").mkdir()
    with pytest.raises(InvalidParameter, match=f"digest mismatch for .*: it is {right}, not sha256:0"):
        fetch(server.url("/file"), tmp_path / "2", checksum=f"sha256:{'0' * 64}")
    with pytest.raises(InvalidParameter, match="invalid checksum"):
        fetch(server.url("/file"), tmp_path / "2", checksum="md5:0")


@pytest.mark.parametrize(
    ("path", "kind", "message"),
    [
        ("/missing", InvalidParameter, "failed to GET http://.*/missing with status 404 Not Found"),
        ("/endless", InvalidParameter, "is larger than 1048576 bytes"),
        ("/short", Unavailable, "cannot fetch"),
        ("/d/", InvalidParameter, "cannot determine filename for source"),
        ("/redirect", InvalidParameter, "with status 302 Found"),
        ("/loop", Unavailable, "cannot fetch"),
        ("/redirect?file:///etc/passwd", Unavailable, "cannot fetch"),
    ],
)
def test_what_cannot_be_fetched_is_told(
    path: str, kind: type[EngineError], message: str, server: _Server, tmp_path: Path
) -> None:
    with pytest.raises(kind, match=message):
        fetch(server.url(path), tmp_path)


def test_nobody_there_is_told_to_an_administrator(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="cannot reach"):
        fetch("http://127.0.0.1:1/x", tmp_path)


NEAR = ["127.0.0.1", "localhost", "127.1", "[::1]", "[::ffff:127.0.0.1]", "169.254.169.254", "10.0.0.1", "0.0.0.0"]


@pytest.mark.parametrize("host", NEAR)
def test_a_tenant_is_given_public_addresses_only(host: str, server: _Server, tmp_path: Path) -> None:
    with pytest.raises((Forbidden, Unavailable), match=r"only administrators|cannot"):
        fetch(server.url("/file", host), tmp_path, tenant=ADA)
    assert not server.requests
    assert not list(tmp_path.iterdir())


def test_a_closed_port_and_an_open_one_near_the_engine_look_alike_to_a_tenant(server: _Server, tmp_path: Path) -> None:
    texts = set()
    for url in (server.url("/x"), "http://127.0.0.1:1/x"):
        with pytest.raises(Forbidden) as raised:
            fetch(url, tmp_path, tenant=ADA)
        texts.add(raised.value.message.replace(url, ""))
    assert len(texts) == 1


def test_a_name_that_leads_near_is_refused_when_it_is_connected_to(server: _Server, tmp_path: Path) -> None:
    edge = Edge(resolver=_Names(near=["127.0.0.1"]), kind_of=public_second_loopback)
    with pytest.raises(Forbidden):
        fetch(server.url("/file", "near.example"), tmp_path, tenant=ADA, edge=edge)
    assert not server.requests


def test_a_redirect_to_near_is_refused_also_by_a_name_that_changes_its_mind(server: _Server, tmp_path: Path) -> None:
    edge = Edge(resolver=_Names(far=["127.0.0.2"], turns=["127.0.0.2", "127.0.0.1"]), kind_of=public_second_loopback)
    for target in (server.url("/secret"), server.url("/secret", "[::1]"), "http://169.254.169.254/secret"):
        with pytest.raises((Forbidden, Unavailable)):
            fetch(server.url(f"/redirect?{target}", "far.example"), tmp_path, tenant=ADA, edge=edge)
    assert {path.partition("?")[0] for path in server.requests} == {"/redirect"}
    fetch(server.url("/file", "far.example"), tmp_path, tenant=ADA, edge=edge)


def test_a_tenant_whose_reach_ends_before_an_address_gets_nothing_from_there(server: _Server, tmp_path: Path) -> None:
    """By its name, by a redirect, or at another port."""
    edge = Edge(resolver=_Names(far=["127.0.0.2"], other=["127.0.0.3"]), kind_of=lambda _: AddressKind.PUBLIC)
    reach = (parse_destination(f"127.0.0.2:{server.port}/tcp"),)
    closed = server.url("/secret", "other.example")
    for url in (closed, server.url(f"/redirect?{closed}", "far.example"), "http://far.example:1/x"):
        with pytest.raises(Forbidden, match="leads to an address that demo/ada may not reach"):
            fetch(url, tmp_path, tenant=ADA, edge=edge, reach=reach)
    assert {path.partition("?")[0] for path in server.requests} == {"/redirect"}
    fetch(server.url("/file", "far.example"), tmp_path, tenant=ADA, edge=edge, reach=reach)


@pytest.mark.parametrize(
    ("source", "answer"), [("http://h/x", True), ("https://h/x", True), ("x/y", False), ("/http://x", False), ("ftp://x", False)]
)
def test_addresses_are_known_by_their_scheme(source: str, answer: bool) -> None:
    assert is_url(source) is answer


@pytest.mark.parametrize("source", ["git://h/r", "git@h:r", "https://h/r.git", "https://h/r.git#main:d", "ssh://git@h/r"])
def test_repositories_are_refused_with_the_reason(source: str) -> None:
    with pytest.raises(InvalidParameter, match="is a Git repository: put its files into the context"):
        is_url(source)
