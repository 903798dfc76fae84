"""Tokens: asked for once, kept while they last, shown to nobody else."""

import json
from base64 import b64encode
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest

from engine.core.registries import Credentials
from engine.core.tenants import Tenant
from engine.errors import NotFound, Unauthorized, Unavailable
from tests.engine.image.registry_clients import ADA, blocks_of, client, repository
from tests.engine.lying_registry import Handler, Lie, LyingRegistry, answer, challenge, endless, errors, lying_registry

SECRET = Credentials("ada", "correct horse")
RAW = b"a layer" * 1000


def token(text: object, **fields: object) -> bytes:
    return json.dumps({"token": text, **fields}).encode()


def guarded(registry: LyingRegistry, text: str = "good") -> None:
    """Ask for this token everywhere but where it is given."""

    def check(handler: Handler) -> None:
        if handler.headers.get("Authorization") == f"Bearer {text}":
            handler.honest()
        else:
            challenge(f"{registry.url}/token", service="tests")(handler)

    for method in ("GET", "HEAD", "POST", "PATCH", "PUT", "DELETE"):
        registry.always_lie(method, "/v2/", check)


@pytest.fixture
def registry() -> Iterator[LyingRegistry]:
    with lying_registry() as one:
        yield one


def asked_for(registry: LyingRegistry) -> list[dict[str, list[str]]]:
    return [parse_qs(urlsplit(asked.path).query) for asked in registry.requests("GET", "/token")]


async def test_a_token_is_asked_for_once_and_used_for_all_of_a_pull(registry: LyingRegistry) -> None:
    guarded(registry)
    registry.always_lie("GET", "/token", answer(200, token("good", expires_in=300)))
    raw, blob = registry.put_image("latest", layers=[RAW]), registry.put_blob(RAW)
    async with client() as made:
        one = repository(made, f"{registry.address}/team/app", SECRET)
        assert (await one.manifest("latest")).raw == raw
        assert await one.blob_bytes(blob, most=10**6) == RAW
    assert asked_for(registry) == [{"service": ["tests"], "scope": ["repository:team/app:pull"], "account": ["ada"]}]
    basic = b64encode(b"ada:correct horse").decode()
    assert registry.requests("GET", "/token")[0].authorization == f"Basic {basic}"


async def test_nobody_uses_anothers_token(registry: LyingRegistry) -> None:
    guarded(registry)
    registry.always_lie("GET", "/token", answer(200, token("good")))
    registry.put_image("latest")
    async with client() as made:
        for credentials, tenant in [(SECRET, ADA), (None, ADA), (SECRET, Tenant("demo", "bob"))]:
            await repository(made, f"{registry.address}/app", credentials, tenant=tenant).manifest("latest")
    assert len(asked_for(registry)) == 3


async def test_a_token_that_is_no_longer_accepted_is_renewed(registry: LyingRegistry) -> None:
    guarded(registry)
    registry.lie("GET", "/token", answer(200, token("stale")), answer(200, token("good")))
    registry.put_image("latest")
    async with client() as made:
        await repository(made, f"{registry.address}/app").manifest("latest")
    assert len(asked_for(registry)) == 2


async def test_a_push_asks_for_more_and_a_mount_for_both_repositories(registry: LyingRegistry) -> None:
    guarded(registry)
    registry.always_lie("GET", "/token", answer(200, token("good")))
    async with client() as made:
        one = repository(made, f"{registry.address}/app", SECRET, pushes=True)
        await one.upload_blob(blocks_of(RAW))
        assert not await one.mount_blob("sha256:" + "0" * 64, "other/app")
    scopes = [asked["scope"] for asked in asked_for(registry)]
    assert scopes == [["repository:app:pull,push"], ["repository:app:pull,push", "repository:other/app:pull"]]


async def test_an_identity_token_is_exchanged(registry: LyingRegistry) -> None:
    guarded(registry)
    registry.always_lie("POST", "/token", answer(200, json.dumps({"access_token": "good"}).encode()))
    registry.put_image("latest")
    async with client() as made:
        await repository(made, f"{registry.address}/app", Credentials(identity_token="refresh me")).manifest("latest")
    form = parse_qs(registry.requests("POST", "/token")[0].body.decode())
    assert form["grant_type"] == ["refresh_token"]
    assert form["refresh_token"] == ["refresh me"]
    assert form["scope"] == ["repository:app:pull"]


async def test_a_registry_token_is_shown_as_it_is(registry: LyingRegistry) -> None:
    guarded(registry)
    registry.put_image("latest")
    async with client() as made:
        await repository(made, f"{registry.address}/app", Credentials(registry_token="good")).manifest("latest")
    assert asked_for(registry) == []


async def test_a_sign_in_gives_an_identity_token_where_the_server_has_one(registry: LyingRegistry) -> None:
    guarded(registry)
    registry.always_lie("GET", "/token", answer(200, token("good", refresh_token="come back with this")))
    async with client() as made:
        server = Credentials("ada", "correct horse", server_address=f"http://{registry.address}/v1/")
        assert await made.login(server, tenant=ADA) == "come back with this"
    assert asked_for(registry)[0]["offline_token"] == ["true"]


async def test_a_sign_in_that_is_refused_says_so(registry: LyingRegistry) -> None:
    guarded(registry)
    registry.always_lie("GET", "/token", answer(401, errors("UNAUTHORIZED", "incorrect username or password")))
    async with client() as made:
        with pytest.raises(Unauthorized, match="unauthorized: incorrect username or password"):
            await made.login(Credentials("ada", "wrong", server_address=registry.address), tenant=ADA)


@pytest.mark.parametrize(
    "lie",
    [
        pytest.param(endless(b" " * 65536), id="endless"),
        pytest.param(answer(200, b"{}"), id="none"),
        pytest.param(answer(200, b"[" * 50_000), id="nested"),
        pytest.param(answer(200, token(7)), id="a number"),
        pytest.param(answer(200, token("a\r\nHost: evil")), id="another header in it"),
        pytest.param(answer(200, token("good", expires_in="soon")), id="no time"),
        pytest.param(answer(204), id="nothing"),
    ],
)
async def test_what_is_no_token_is_an_error(registry: LyingRegistry, lie: Lie) -> None:
    guarded(registry)
    registry.always_lie("GET", "/token", lie)
    registry.put_image("latest")
    async with client() as made:
        with pytest.raises(Unavailable):
            await repository(made, f"{registry.address}/app").manifest("latest")


@pytest.mark.parametrize(
    "header", ["Bearer", "Bearer realm", 'Negotiate realm="x"', "", 'Bearer realm=""', "Bearer " + "x=," * 3000]
)
async def test_a_challenge_that_asks_for_nothing_known_is_an_error(registry: LyingRegistry, header: str) -> None:
    registry.always_lie("GET", "/v2/", answer(401, errors("UNAUTHORIZED", "no"), WWW_Authenticate=header))
    async with client() as made:
        with pytest.raises((Unavailable, NotFound)):
            await repository(made, f"{registry.address}/app", SECRET).manifest("latest")
    assert all(not asked.authorization for asked in registry.asked)
