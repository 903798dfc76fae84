"""The registry client against a real registry."""

import asyncio
import gzip
import json
import random
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from engine.core.manifests import (
    DOCKER_CONFIG,
    DOCKER_LAYER,
    DOCKER_MANIFEST,
    Descriptor,
    Manifest,
    format_manifest,
    parse_manifest,
)
from engine.core.registries import Credentials
from engine.core.tenants import ADMINISTRATOR, Tenant
from engine.errors import EngineError, Forbidden, InvalidParameter, NotFound, Unauthorized
from engine.image.registry_client import RegistryClient
from tests.engine.daemon import wait_until
from tests.engine.image.registry_clients import ADA, blocks_of, client, repository
from tests.engine.lying_registry import answer, challenge, lying_registry
from tests.engine.registry import Registry, running_registry

LAYER = gzip.compress(random.Random(1).randbytes(3_000_000), 1, mtime=0)
BIG = random.Random(2).randbytes(24_000_000)  # more than what lies in buffers on the way
CONFIG = json.dumps({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}}).encode()
GOOD, BAD = Credentials("ada", "secret"), Credentials("ada", "wrong")


@pytest.fixture(scope="module")
def anonymous() -> Iterator[Registry]:
    with running_registry() as registry:
        yield registry


@pytest.fixture(scope="module")
def closed() -> Iterator[Registry]:
    with running_registry(accounts={"ada": "secret"}) as registry:
        yield registry


@pytest.fixture
async def made() -> AsyncIterator[RegistryClient]:
    async with client() as one:
        yield one


async def push(made: RegistryClient, name: str, credentials: Credentials | None = None, *, layer: bytes = LAYER) -> str:
    one = repository(made, name, credentials, pushes=True)
    sent = await one.upload_blob(blocks_of(layer), media_type=DOCKER_LAYER)
    config = await one.upload_bytes(CONFIG, DOCKER_CONFIG)
    return await one.put_manifest("latest", format_manifest(config, [sent]), DOCKER_MANIFEST)


@pytest.mark.parametrize("kind", ["anonymous", "closed"])
async def test_what_was_pushed_is_pulled(made: RegistryClient, request: pytest.FixtureRequest, kind: str) -> None:
    registry: Registry = request.getfixturevalue(kind)
    credentials = GOOD if kind == "closed" else None
    digest = await push(made, f"{registry.address}/team/app", credentials)
    one = repository(made, f"{registry.address}/team/app", credentials)
    fetched = await one.manifest("latest")
    assert (fetched.digest, fetched.media_type) == (digest, DOCKER_MANIFEST)
    assert (await one.manifest(digest)).raw == fetched.raw
    manifest = parse_manifest(fetched.raw, fetched.media_type)
    assert isinstance(manifest, Manifest)
    assert await one.blob_bytes(manifest.config, most=10**6) == CONFIG
    assert await one.blob_bytes(manifest.layers[0], most=10**8) == LAYER


async def test_a_blob_is_seen_and_mounted_from_another_repository(made: RegistryClient, closed: Registry) -> None:
    digest = closed.put_blob("base/one", LAYER)
    target = repository(made, f"{closed.address}/base/two", GOOD, pushes=True)
    assert not await target.has_blob(digest)
    assert await target.mount_blob(digest, "base/one")
    assert await target.has_blob(digest)
    assert not await target.mount_blob("sha256:" + "0" * 64, "base/one")
    assert closed.accesses("DELETE", "/base/two/blobs/uploads/")  # what was opened instead is taken back


async def test_signing_in_is_checked(made: RegistryClient, closed: Registry, anonymous: Registry) -> None:
    assert await made.login(Credentials("ada", "secret", server_address=closed.address), tenant=ADA) == ""
    assert await made.login(Credentials("any", "one", server_address=anonymous.address), tenant=ADA) == ""
    with pytest.raises(Unauthorized, match="unauthorized: authentication required"):
        await made.login(Credentials("ada", "wrong", server_address=closed.address), tenant=ADA)


@pytest.mark.parametrize("credentials", [None, BAD], ids=["without credentials", "with wrong ones"])
async def test_a_closed_registry_gives_and_takes_nothing(
    made: RegistryClient, closed: Registry, credentials: Credentials | None
) -> None:
    with pytest.raises(NotFound, match=r"pull access denied for .*, repository does not exist or may require 'docker login'"):
        await repository(made, f"{closed.address}/team/app", credentials).manifest("latest")
    with pytest.raises(Unauthorized):
        await push(made, f"{closed.address}/team/app", credentials)


async def test_what_is_not_there_is_not_found(made: RegistryClient, anonymous: Registry) -> None:
    one = repository(made, f"{anonymous.address}/no/such")
    with pytest.raises(NotFound, match=r"manifest for .*/no/such:latest not found: manifest unknown"):
        await one.manifest("latest")
    assert not await one.has_blob("sha256:" + "0" * 64)


async def test_a_catalog_is_searched(made: RegistryClient, closed: Registry) -> None:
    for name in ("find/me", "find/me-too", "other"):
        closed.put_blob(name, b"x")
        closed.put_image(name, "latest", config=CONFIG, layers=[])

    async def found(term: str, limit: int = 25) -> list[str]:
        listed = await made.search(f"{closed.address}/{term}", limit=limit, credentials=GOOD, tenant=ADA)
        return [result.name.removeprefix(f"{closed.address}/") for result in listed]

    assert await found("me") == ["find/me", "find/me-too"]
    assert await found("me", limit=1) == ["find/me"]
    assert await found("nothing") == []
    with pytest.raises(Unauthorized):
        await made.search(f"{closed.address}/me", limit=5, tenant=ADA)
    with pytest.raises(InvalidParameter):
        await made.search("me", limit=1000, tenant=ADA)


async def test_the_tags_of_a_repository_are_listed(made: RegistryClient, anonymous: Registry) -> None:
    for tag in ("one", "two", "three"):
        anonymous.put_image("tagged", tag, config=CONFIG, layers=[])
    assert sorted(await repository(made, f"{anonymous.address}/tagged").tags(most=100)) == ["one", "three", "two"]
    with pytest.raises(NotFound, match="not found: name unknown"):
        await repository(made, f"{anonymous.address}/never/pushed").tags(most=100)


async def test_a_list_without_end_is_read_so_far_only(made: RegistryClient) -> None:
    with lying_registry() as liar:
        body = json.dumps({"tags": ["x"] * 100, "repositories": ["y"]}).encode()
        for within in ("/tags/list", "/_catalog"):
            liar.always_lie("GET", within, answer(200, body, Link=f'</v2{within}?n=1>; rel="next"'))
        assert len(await repository(made, f"{liar.address}/app").tags(most=1000)) == 1100
        assert len(await repository(made, f"{liar.address}/app").tags(most=10**6)) <= 100_000
        assert await made.search(f"{liar.address}/z", limit=5, tenant=ADA) == []


async def test_a_download_outlives_a_restart_of_the_registry(made: RegistryClient) -> None:
    with running_registry() as registry:
        digest = registry.put_blob("app", BIG)
        found = bytearray()
        blob = Descriptor(DOCKER_LAYER, digest, len(BIG))
        async with repository(made, f"{registry.address}/app").blob(blob) as blocks:
            async for block in blocks:
                if not found:
                    await asyncio.to_thread(registry.restart)
                found += block
        assert found == BIG
        assert registry.accesses("GET", digest)[-1].status == 206


async def test_an_upload_outlives_a_restart_of_the_registry(made: RegistryClient) -> None:
    with running_registry() as registry:
        restarts = iter([registry.restart])

        def in_the_middle(place: int) -> None:
            if place > len(BIG) // 2 and (restart := next(restarts, None)):
                restart()

        one = repository(made, f"{registry.address}/app", pushes=True)
        sent = await one.upload_blob(blocks_of(BIG, between=in_the_middle))
        assert sent.size == len(BIG)
        assert next(restarts, None) is None
        assert await one.has_blob(sent.digest)


def uploads_of(registry: Registry, name: str) -> list[Path]:
    """The bytes that the registry keeps of uploads that have not ended."""
    return list((registry.root / "storage/docker/registry/v2/repositories" / name / "_uploads").glob("*/data"))


async def test_a_cancelled_upload_is_taken_back(made: RegistryClient, anonymous: Registry) -> None:
    reached = asyncio.Event()
    one = repository(made, f"{anonymous.address}/given/up", pushes=True)

    def in_the_middle(place: int) -> None:
        if place > len(BIG) // 2:
            reached.set()

    upload = asyncio.create_task(one.upload_blob(blocks_of(BIG, between=in_the_middle)))
    await reached.wait()
    upload.cancel()
    with pytest.raises(asyncio.CancelledError):
        await upload
    assert uploads_of(anonymous, "given/up") == []


async def test_a_source_that_fails_ends_the_upload_and_takes_it_back(made: RegistryClient, anonymous: Registry) -> None:
    def fails(place: int) -> None:
        raise Forbidden("no more of this")

    one = repository(made, f"{anonymous.address}/broken/off", pushes=True)
    with pytest.raises(Forbidden, match="no more of this"):
        await one.upload_blob(blocks_of(BIG, between=fails))
    assert uploads_of(anonymous, "broken/off") == []
    assert len(anonymous.accesses("POST", "/broken/off/")) == 1


async def test_a_pull_through_cache_is_asked_first_and_sees_no_credentials() -> None:
    with running_registry() as hub, running_registry(proxy_of=hub.url) as cache:
        hub.put_image("library/app", "latest", config=CONFIG, layers=[LAYER])
        async with client(mirrors={"docker.io": (cache.url,)}) as made:
            one = repository(made, "app", GOOD)
            manifest = parse_manifest((await one.manifest("latest")).raw, DOCKER_MANIFEST)
            assert isinstance(manifest, Manifest)
            assert await one.blob_bytes(manifest.layers[0], most=10**8) == LAYER
        kept = f"storage/docker/registry/v2/blobs/sha256/*/{manifest.layers[0].digest.removeprefix('sha256:')}/data"
        wait_until(lambda: list(cache.root.glob(kept)), "the cache to keep the layer")
        hub.stop()
        async with client(mirrors={"docker.io": (cache.url,)}) as made:
            assert await repository(made, "app").blob_bytes(manifest.layers[0], most=10**8) == LAYER


async def test_tags_are_asked_of_mirrors_first(anonymous: Registry) -> None:
    anonymous.put_image("library/app", "one", config=CONFIG, layers=[LAYER])
    async with client(mirrors={"docker.io": (anonymous.url,)}) as made:
        assert await repository(made, "app", GOOD).tags(most=100) == ["one"]
    with lying_registry() as mirror:
        async with client(mirrors={anonymous.address: (mirror.url,)}) as made:
            one = repository(made, f"{anonymous.address}/library/app", GOOD)
            assert await one.tags(most=100) == ["one"]
            assert "/v2/library/app/tags/list" in {asked.path.partition("?")[0] for asked in mirror.asked}
            with pytest.raises(NotFound, match="never/pushed not found"):
                await repository(made, f"{anonymous.address}/never/pushed").tags(most=100)


@pytest.mark.parametrize("lies", ["gone", "wants a password", "another blob", "another manifest", "too much", "cut"])
async def test_a_mirror_that_fails_or_lies_is_passed_over(
    anonymous: Registry, lies: str, caplog: pytest.LogCaptureFixture
) -> None:
    digest = anonymous.put_image("mirrored", "latest", config=CONFIG, layers=[LAYER])
    with lying_registry() as mirror:
        mirror.put_image("latest", config=CONFIG, layers=[LAYER])
        if lies == "wants a password":
            mirror.always_lie("GET", "/v2/", challenge("x", scheme="Basic"))
        elif lies == "another manifest":
            mirror.always_lie("GET", "/manifests/", answer(200, b"{}"))
        elif lies == "cut":
            mirror.always_lie("GET", "/blobs/", lambda handler: handler.say(200, LAYER[:1000], length=len(LAYER), ends=True))
        else:
            raw = LAYER[::-1] if lies == "another blob" else LAYER * 2
            mirror.always_lie("GET", "/blobs/", lambda handler: handler.say(200, raw, length=-1))
        address = mirror.url if lies != "gone" else "http://127.0.0.1:1"
        async with client(mirrors={anonymous.address: (address,)}) as made:
            one = repository(made, f"{anonymous.address}/mirrored", GOOD)
            assert (await one.manifest(digest)).digest == digest
            manifest = parse_manifest((await one.manifest("latest")).raw, DOCKER_MANIFEST)
            assert isinstance(manifest, Manifest)
            assert await one.blob_bytes(manifest.layers[0], most=10**8) == LAYER
        assert address in caplog.text
        assert not any(asked.authorization for asked in mirror.asked)


async def test_mirrors_are_not_pushed_to(anonymous: Registry) -> None:
    with lying_registry() as mirror:
        async with client(mirrors={anonymous.address: (mirror.url,)}) as made:
            await push(made, f"{anonymous.address}/pushed")
        assert mirror.asked == []


async def test_a_tenant_that_goes_to_many_registries_harms_its_own_connections_only(
    made: RegistryClient, anonymous: Registry
) -> None:
    digest = anonymous.put_blob("app", BIG)
    async with repository(made, f"{anonymous.address}/app").blob(Descriptor(DOCKER_LAYER, digest, len(BIG))) as blocks:
        first = await anext(blocks)
        for number in range(40):
            repository(made, f"registry{number}.example/app", tenant=Tenant("demo", "bob"))
        rest = b"".join([block async for block in blocks])
    assert first + rest == BIG


async def test_a_closed_client_makes_no_connection(anonymous: Registry) -> None:
    async with client() as made:
        one = repository(made, f"{anonymous.address}/app", tenant=ADMINISTRATOR)
    with pytest.raises(EngineError, match="was left"):
        await one.manifest("latest")
