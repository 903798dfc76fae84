"""Where a registry may lead: never to services of this machine or its cloud, nor out of https, nor off with credentials."""

import socket
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from engine.core.registries import Credentials
from engine.core.tenants import ADMINISTRATOR, Tenant
from engine.errors import EngineError, Forbidden, Unavailable
from tests.engine.image.registry_clients import ADA, HASTY, METADATA, PRIVATE, PUBLIC, blocks_of, client, repository
from tests.engine.lying_registry import LyingRegistry, answer, challenge, lying_registry

RAW = b"content of a layer" * 1000
SECRET = Credentials("ada", "correct horse")
NAMES = {"registry.example": PUBLIC, "cdn.example": PUBLIC, "inner.example": PRIVATE, "metadata.example": METADATA}


@pytest.fixture
def public() -> Iterator[LyingRegistry]:
    """Counts as lying on the Internet, by the name registry.example."""
    with lying_registry(host=PUBLIC) as registry:
        yield registry


def named(registry: LyingRegistry, host: str = "registry.example") -> str:
    return f"{host}:{registry.port}"


@pytest.mark.parametrize("tenant", [ADA, ADMINISTRATOR], ids=["a tenant", "an administrator"])
@pytest.mark.parametrize(
    ("host", "connect_to"),
    [
        pytest.param("127.0.0.1", "127.0.0.1", id="loopback"),
        pytest.param("localhost", "127.0.0.1", id="loopback by name"),
        pytest.param("trap.example", "127.0.0.1", id="a name for loopback"),
        pytest.param("2130706433", "127.0.0.1", id="loopback as a number"),
        pytest.param("inner.example", PRIVATE, id="private"),
        pytest.param("metadata.example", METADATA, id="metadata service"),
    ],
)
async def test_a_public_registry_leads_to_nothing_inside(
    public: LyingRegistry, tenant: Tenant, host: str, connect_to: str
) -> None:
    names = {**NAMES, "trap.example": "127.0.0.1", "localhost": "127.0.0.1", "2130706433": "127.0.0.1"}
    with lying_registry(host=connect_to) as inside:
        blob = public.put_blob(RAW)
        inside.put_blob(RAW)
        place = f"http://{host}:{inside.port}/v2/x/blobs/{blob.digest}"
        public.always_lie("GET", "/blobs/", answer(307, Location=place))
        async with client(names=names, insecure=("registry.example", host)) as made:
            with pytest.raises(EngineError, match="which cannot be reached"):
                await repository(made, f"{named(public)}/app", tenant=tenant).blob_bytes(blob, most=10**6)
        assert inside.asked == []


@pytest.mark.parametrize("lies", ["realm", "upload", "upload goes on", "mount"])
async def test_other_ways_to_lead_astray_meet_the_same_guard(public: LyingRegistry, lies: str) -> None:
    with lying_registry() as inside:
        place = f"{inside.url}/v2/uploads/9"
        if lies == "realm":
            public.always_lie("GET", "/v2/", challenge(f"{inside.url}/token", service="x"))
        elif lies == "upload goes on":
            public.always_lie("PATCH", "/uploads", answer(202, Location=place))
        else:
            public.always_lie("POST", "/uploads", answer(202, Location=place))
        async with client(names=NAMES, insecure=("registry.example",)) as made:
            one = repository(made, f"{named(public)}/app", SECRET, pushes=True)
            if lies == "mount":
                assert not await one.mount_blob("sha256:" + "0" * 64, "other")
            else:
                with pytest.raises(Forbidden, match="cannot be reached"):
                    await one.upload_blob(blocks_of(RAW))
        assert inside.asked == []


async def test_a_name_that_changes_its_mind_leads_no_further(public: LyingRegistry) -> None:
    """The first look-up is harmless, the next is not: what counts is the address of each connection."""
    names: dict[str, str | list[str]] = {**NAMES, "rebind.example": [PUBLIC, "127.0.0.1"]}
    with lying_registry() as inside:
        blob = public.put_blob(RAW)
        place = f"http://rebind.example:{inside.port}/x"
        public.always_lie("GET", "/blobs/", answer(307, Location=place))
        async with client(names=names, insecure=("registry.example", "rebind.example")) as made:
            for _ in range(2):
                with pytest.raises(EngineError, match="cannot be reached"):
                    await repository(made, f"{named(public)}/app").blob_bytes(blob, most=10**6)
        assert inside.asked == []


async def test_a_name_that_changes_its_mind_shows_nothing_of_what_is_there() -> None:
    told = set()
    with lying_registry(host=PUBLIC) as public:
        public.always_lie("GET", "/v2/", answer(404))
        for where in ("127.0.0.1", "127.0.0.5"):  # where nothing listens, and where something hangs up
            names: dict[str, str | list[str]] = {"rebind.example": [PUBLIC, where]}
            with socket.create_server((where, public.port)) as other:
                if where == "127.0.0.1":
                    other.close()
                async with client(names=names, insecure=("rebind.example",), edge=replace(HASTY, connect_seconds=0.5)) as made:
                    for _ in range(2):
                        with pytest.raises(EngineError) as caught:
                            await repository(made, f"rebind.example:{public.port}/app").manifest("latest")
                    told.add(caught.value.message.partition(": ")[2])
    assert told == {"no registry answers there"}


async def test_a_registry_near_the_engine_leads_tenants_to_no_other_port(public: LyingRegistry) -> None:
    with lying_registry() as near, lying_registry() as other:
        blob = near.put_blob(RAW)
        other.put_blob(RAW)
        near.always_lie("GET", "/blobs/", answer(307, Location=f"{other.url}/v2/x/blobs/{blob.digest}"))
        async with client() as made:
            with pytest.raises(Forbidden, match="cannot be reached"):
                await repository(made, f"{near.address}/app").blob_bytes(blob, most=10**6)
            assert other.asked == []
            mine = repository(made, f"{near.address}/app", tenant=ADMINISTRATOR)
            assert await mine.blob_bytes(blob, most=10**6) == RAW


async def test_no_registry_is_where_clouds_keep_their_secrets() -> None:
    with lying_registry(host=METADATA) as inside:
        async with client(names=NAMES, insecure=("metadata.example",)) as made:
            with pytest.raises(Forbidden, match="where no registry may be"):
                await repository(made, f"{named(inside, 'metadata.example')}/app").manifest("latest")
        assert inside.asked == []


async def test_a_redirect_to_a_public_place_is_followed_without_the_credentials(public: LyingRegistry) -> None:
    with lying_registry(host=PUBLIC) as cdn:
        blob = cdn.put_blob(RAW)
        public.lie("GET", "/v2/", challenge("x", scheme="Basic"))
        place = f"http://cdn.example:{cdn.port}/signed/{blob.digest}?X-Signature=a%2Fb%3D"
        public.always_lie("GET", "/blobs/", answer(307, Location=place))
        async with client(names=NAMES, insecure=("registry.example", "cdn.example")) as made:
            assert await repository(made, f"{named(public)}/app", SECRET).blob_bytes(blob, most=10**6) == RAW
        assert public.requests("GET", "/blobs/")[0].authorization.startswith("Basic ")
        assert [(asked.path, asked.authorization) for asked in cdn.asked] == [(f"/signed/{blob.digest}?X-Signature=a%2Fb%3D", "")]


async def test_authorization_does_not_come_back_from_another_host(public: LyingRegistry) -> None:
    with lying_registry(host=PUBLIC) as cdn:
        blob = public.put_blob(RAW)
        public.lie("GET", "/v2/", challenge("x", scheme="Basic"))
        public.lie("GET", "/blobs/", answer(302, Location=f"http://cdn.example:{cdn.port}/there"))
        cdn.lie("GET", "/there", answer(302, Location=f"http://{named(public)}/v2/app/blobs/{blob.digest}"))
        async with client(names=NAMES, insecure=("registry.example", "cdn.example")) as made:
            assert await repository(made, f"{named(public)}/app", SECRET).blob_bytes(blob, most=10**6) == RAW
        assert [bool(asked.authorization) for asked in public.requests("GET", "/blobs/")] == [True, False]


async def test_redirects_in_a_circle_end(public: LyingRegistry) -> None:
    blob = public.put_blob(RAW)
    public.always_lie("GET", "/blobs/", answer(302, Location=f"/v2/app/blobs/{blob.digest}"))
    async with client(names=NAMES, insecure=("registry.example",)) as made:
        with pytest.raises(Unavailable, match="in circles: more than 5 redirects"):
            await repository(made, f"{named(public)}/app").blob_bytes(blob, most=10**6)
    assert len(public.requests("GET", "/blobs/")) == 6


@pytest.mark.parametrize(
    "place",
    ["file:///etc/passwd", "gopher://cdn.example/x", "http://u:p@cdn.example/", "http://cdn.example:99999/", "http://[::1/"],
)
async def test_an_address_that_is_none_is_refused(public: LyingRegistry, place: str) -> None:
    blob = public.put_blob(RAW)
    public.always_lie("GET", "/blobs/", answer(302, Location=place))
    async with client(names=NAMES, insecure=("registry.example", "cdn.example")) as made:
        with pytest.raises(Unavailable, match="no address for a registry"):
            await repository(made, f"{named(public)}/app").blob_bytes(blob, most=10**6)


async def test_plain_http_is_for_loopback_and_the_settings_only(public: LyingRegistry) -> None:
    async with client(names=NAMES) as made:
        with pytest.raises(Unavailable):
            await repository(made, f"{named(public)}/app").manifest("latest")
    assert public.asked == []


async def test_a_secret_stands_in_no_error_or_representation(public: LyingRegistry, caplog: pytest.LogCaptureFixture) -> None:
    public.always_lie("GET", "/v2/", challenge("x", scheme="Basic"))
    async with client(names=NAMES, insecure=("registry.example",)) as made:
        one = repository(made, f"{named(public)}/app", SECRET)
        with pytest.raises(EngineError) as caught:
            await one.manifest("latest")
        told = f"{caught.value!r} {caught.value.__cause__!r} {caplog.text} {SECRET!r} {one._visitor!r}"
    assert SECRET.password not in told
    assert "Basic " not in told


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate of registry.example's own making, and its key."""
    folder = tmp_path_factory.mktemp("certificate")
    paths = folder / "registry.crt", folder / "registry.key"
    names = "subjectAltName=DNS:registry.example,DNS:cdn.example"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    where = ["-subj", "/CN=registry.example", "-addext", names, "-out", str(paths[0]), "-keyout", str(paths[1])]
    subprocess.run([*command, *where], check=True, capture_output=True)
    return paths


@pytest.fixture
def secure(certificate: tuple[Path, Path]) -> Iterator[LyingRegistry]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    with lying_registry(host=PUBLIC, context=context) as registry:
        yield registry


async def test_https_is_verified(secure: LyingRegistry, certificate: tuple[Path, Path], tmp_path: Path) -> None:
    raw = secure.put_image("latest")
    name = f"{named(secure)}/app"
    async with client(names=NAMES) as made:
        with pytest.raises(Unavailable, match=r"no secure connection .*certificate verify failed"):
            await repository(made, name, SECRET).manifest("latest")
    assert secure.asked == []
    folder = tmp_path / named(secure)
    folder.mkdir()
    (folder / "ca.crt").write_bytes(certificate[0].read_bytes())
    async with client(names=NAMES, edge=replace(HASTY, certificates_path=tmp_path)) as made:
        assert (await repository(made, name).manifest("latest")).raw == raw
    async with client(names=NAMES, insecure=("registry.example",)) as made:
        assert (await repository(made, name).manifest("latest")).raw == raw


@pytest.mark.parametrize("lies", ["redirect", "realm"])
async def test_https_is_not_left_for_another_host(secure: LyingRegistry, public: LyingRegistry, lies: str) -> None:
    blob = secure.put_blob(RAW)
    if lies == "realm":
        secure.always_lie("GET", "/v2/", challenge(f"http://cdn.example:{public.port}/token"))
    else:
        secure.always_lie("GET", "/blobs/", answer(307, Location=f"http://cdn.example:{public.port}/x"))
    async with client(names=NAMES, insecure=("registry.example", "cdn.example")) as made:
        with pytest.raises(Forbidden, match=r"leads to plain http at cdn\.example"):
            await repository(made, f"{named(secure)}/app", SECRET).blob_bytes(blob, most=10**6)
    assert public.asked == []


async def test_a_registry_that_does_not_know_its_own_https_is_understood(secure: LyingRegistry) -> None:
    """It stands behind a proxy and writes http in the addresses of its uploads."""
    secure.lie("POST", "/uploads", answer(202, Location=f"http://{named(secure)}/v2/uploads/1"))
    async with client(names=NAMES, insecure=("registry.example",)) as made:
        sent = await repository(made, f"{named(secure)}/app", pushes=True).upload_bytes(b"{}", "application/json")
    assert f"/v2/uploads/1?digest={sent.digest}" in [path.replace("%3A", ":") for path in secure.paths("PUT")]
