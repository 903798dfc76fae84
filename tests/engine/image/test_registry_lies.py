"""A registry that lies: what is handed on is what was asked for, or an error says what is wrong."""

import asyncio
import gzip
import random
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pytest

from engine.core.manifests import DOCKER_MANIFEST, OCI_MANIFEST, Descriptor
from engine.core.tenants import ADMINISTRATOR
from engine.errors import EngineError, InvalidParameter, NotFound, Unavailable
from engine.image.registry_client import RegistryClient
from tests.engine.image.registry_clients import HASTY, client, repository
from tests.engine.lying_registry import (
    Handler,
    Lie,
    LyingRegistry,
    announced,
    answer,
    cut,
    dripping,
    endless,
    errors,
    hung_up,
    lying_registry,
    silent,
    unannounced,
)

RAW = random.Random(4).randbytes(300_000)


@pytest.fixture
def liar() -> Iterator[LyingRegistry]:
    with lying_registry() as registry:
        yield registry


@pytest.fixture
async def made() -> AsyncIterator[RegistryClient]:
    async with client() as one:
        yield one


async def fetch(made: RegistryClient, liar: LyingRegistry, blob: Descriptor) -> bytes:
    return await repository(made, f"{liar.address}/team/app").blob_bytes(blob, most=10 * len(RAW))


@pytest.mark.parametrize(
    ("lie", "reason"),
    [
        pytest.param(answer(200, RAW[::-1]), "has another digest", id="wrong digest"),
        pytest.param(answer(200, RAW[:-1]), "is announced with 299999 bytes", id="short, and says so"),
        pytest.param(unannounced(RAW[:-1]), "ended after 299999 of 300000 bytes", id="short, and does not say so"),
        pytest.param(announced(RAW, len(RAW) + 10), "is announced with 300010 bytes", id="too great a length"),
        # What comes after the end may be seen before the head is looked at.
        pytest.param(announced(RAW, 10), r"is announced with 10 bytes|its answer is not http", id="too small a length"),
        pytest.param(unannounced(RAW + b"more"), "is longer than the 300000 bytes", id="longer"),
        pytest.param(endless(), "is longer than the 300000 bytes", id="endless"),
        pytest.param(answer(200, gzip.compress(RAW), Content_Encoding="gzip"), "nobody asked for", id="compressed"),
        pytest.param(answer(204), "the answer is something else", id="no content"),
        pytest.param(cut(RAW, 0), "cannot reach", id="cut at the start"),
        pytest.param(hung_up(), "cannot reach", id="no answer"),
    ],
)
async def test_a_blob_that_is_not_what_its_manifest_says_is_an_error(
    made: RegistryClient, liar: LyingRegistry, lie: Lie, reason: str
) -> None:
    blob = liar.put_blob(RAW)
    liar.always_lie("GET", "/blobs/", lie)
    with pytest.raises(Unavailable, match=reason) as caught:
        await fetch(made, liar, blob)
    assert liar.address in caught.value.message


@pytest.mark.parametrize("seed", range(5))
async def test_a_blob_that_is_cut_anywhere_goes_on_where_it_was(made: RegistryClient, liar: LyingRegistry, seed: int) -> None:
    blob = liar.put_blob(RAW)
    places = sorted(random.Random(seed).sample(range(1, len(RAW)), 3))

    def from_range(at: int) -> Lie:
        def send(handler: Handler) -> None:
            start = int(handler.headers["Range"].removeprefix("bytes=").rstrip("-")) if "Range" in handler.headers else 0
            told = {"Content-Range": f"bytes {start}-{len(RAW) - 1}/{len(RAW)}"} if start else {}
            handler.say(206 if start else 200, RAW[start:at], headers=told, length=len(RAW) - start, ends=True)

        return send

    liar.lie("GET", "/blobs/", *map(from_range, places))
    assert await fetch(made, liar, blob) == RAW
    assert len(liar.paths()) == 1 + 4
    assert all("range" in asked.headers for asked in liar.requests("GET", "/blobs/")[1:])


async def test_a_registry_that_knows_no_ranges_sends_all_again_and_the_start_is_passed_over(
    made: RegistryClient, liar: LyingRegistry
) -> None:
    blob = liar.put_blob(RAW)
    liar.lie("GET", "/blobs/", cut(RAW, 100_000), cut(RAW, 50_000), answer(200, RAW))
    assert await fetch(made, liar, blob) == RAW


async def test_a_part_that_was_not_asked_for_is_refused(made: RegistryClient, liar: LyingRegistry) -> None:
    blob = liar.put_blob(RAW)
    wrong = answer(206, RAW[10:], Content_Range=f"bytes 10-{len(RAW) - 1}/{len(RAW)}")
    liar.lie("GET", "/blobs/", cut(RAW, 100_000), wrong)
    with pytest.raises(Unavailable, match="was asked for from byte 100000; the answer is something else"):
        await fetch(made, liar, blob)


@pytest.mark.parametrize(
    "passing",
    [
        pytest.param([answer(429, errors("TOOMANYREQUESTS", "slow down"), Retry_After="0")], id="429 with Retry-After"),
        pytest.param([answer(503), answer(503, b"<html>")], id="503 twice"),
        pytest.param([answer(500), hung_up(), answer(504)], id="several kinds"),
    ],
)
@pytest.mark.parametrize("within", ["/manifests/", "/blobs/"])
async def test_what_may_pass_is_tried_again(made: RegistryClient, liar: LyingRegistry, passing: list[Lie], within: str) -> None:
    raw = liar.put_image("latest", layers=[RAW])
    liar.lie("GET", within, *passing)
    one = repository(made, f"{liar.address}/app")
    assert (await one.manifest("latest")).raw == raw
    assert await fetch(made, liar, liar.put_blob(RAW)) == RAW
    assert len(liar.requests("GET", within)) == len(passing) + 1


async def test_patience_has_an_end_and_the_registrys_reason_is_told(made: RegistryClient, liar: LyingRegistry) -> None:
    liar.always_lie("GET", "/manifests/", answer(503, errors("UNAVAILABLE", "back at noon")))
    with pytest.raises(Unavailable, match="is not able to answer now: unavailable: back at noon"):
        await repository(made, f"{liar.address}/app").manifest("latest")
    assert len(liar.requests("GET", "/manifests/")) == HASTY.attempts


async def test_a_registry_that_asks_for_a_long_wait_is_not_waited_for(made: RegistryClient, liar: LyingRegistry) -> None:
    liar.lie("GET", "/manifests/", answer(429, errors("TOOMANYREQUESTS", "quota"), Retry_After="86400"))
    with pytest.raises(Unavailable, match="toomanyrequests: quota"):
        await repository(made, f"{liar.address}/app").manifest("latest")
    assert len(liar.requests("GET", "/manifests/")) == 1


async def test_a_refusal_is_not_tried_again(made: RegistryClient, liar: LyingRegistry) -> None:
    liar.lie("GET", "/manifests/", answer(400, errors("NAME_INVALID", "no such name")))
    with pytest.raises(Unavailable, match="name invalid: no such name"):
        await repository(made, f"{liar.address}/app").manifest("latest")
    assert len(liar.requests("GET", "/manifests/")) == 1


@pytest.mark.parametrize("lie", [pytest.param(silent(), id="silent"), pytest.param(dripping(RAW, 0.02), id="a byte at a time")])
async def test_a_registry_that_sends_next_to_nothing_is_given_up(liar: LyingRegistry, lie: Lie) -> None:
    blob = liar.put_blob(RAW)
    liar.always_lie("GET", "/blobs/", lie)
    async with client(edge=replace(HASTY, stall_seconds=0.3, attempts=2)) as made:
        with pytest.raises(Unavailable, match=r"does not answer in time|comes too slowly"):
            await fetch(made, liar, blob)


async def test_a_reader_who_takes_its_time_is_not_taken_for_a_slow_registry(liar: LyingRegistry) -> None:
    raw = random.Random(5).randbytes(3_000_000)
    blob = liar.put_blob(raw)
    found = b""
    edge = replace(HASTY, stall_seconds=1.0, attempts=1)
    async with client(edge=edge) as made, repository(made, f"{liar.address}/app").blob(blob) as blocks:
        async for block in blocks:
            if not found:
                await asyncio.sleep(2 * edge.stall_seconds)
            found += block
    assert found == raw


@pytest.mark.parametrize(
    ("lie", "kind", "reason"),
    [
        pytest.param(endless(b"x" * 65536), Unavailable, "more than 4194304 bytes", id="endless"),
        pytest.param(answer(200, b"[" * 100_000), InvalidParameter, "invalid manifest", id="nested"),
        pytest.param(answer(200, b"<html>"), InvalidParameter, "invalid manifest", id="a web page"),
        pytest.param(answer(200, b'{"schemaVersion": 1, "fsLayers": []}'), InvalidParameter, "the old schema 1", id="schema 1"),
        pytest.param(
            answer(200, b"{}", Content_Type="application/vnd.docker.distribution.manifest.v1+prettyjws"),
            InvalidParameter,
            "the old schema 1",
            id="schema 1 by its type",
        ),
        pytest.param(
            answer(200, b"{}", Content_Type="application/x-helm"), InvalidParameter, "none of an image", id="another kind"
        ),
        pytest.param(
            answer(200, gzip.compress(b"{}"), Content_Encoding="gzip"), Unavailable, "nobody asked for", id="compressed"
        ),
        pytest.param(answer(404, b"\x1b[2J" * 5000), NotFound, "not found: status 404", id="a refusal in no form"),
    ],
)
async def test_a_manifest_that_is_none_is_an_error(
    made: RegistryClient, liar: LyingRegistry, lie: Lie, kind: type[EngineError], reason: str
) -> None:
    liar.always_lie("GET", "/manifests/", lie)
    with pytest.raises(kind, match=reason):
        await repository(made, f"{liar.address}/app").manifest("latest")


async def test_a_manifest_asked_for_by_digest_is_that_one(made: RegistryClient, liar: LyingRegistry) -> None:
    right, wrong = liar.put_image("right"), liar.put_image("wrong", config=b'{"os": "linux"}')
    one = repository(made, f"{liar.address}/app")
    digest = (await one.manifest("right")).digest
    assert (await one.manifest(digest)).raw == right
    liar.lie("GET", digest, answer(200, wrong, Content_Type=DOCKER_MANIFEST, Docker_Content_Digest=digest))
    with pytest.raises(Unavailable, match="has another digest"):
        await one.manifest(digest)


async def test_a_manifest_asked_for_by_tag_has_the_digest_that_is_told_with_it(made: RegistryClient, liar: LyingRegistry) -> None:
    raw = liar.put_image("latest")
    liar.lie("GET", "latest", answer(200, raw, Content_Type=DOCKER_MANIFEST, Docker_Content_Digest="sha256:" + "0" * 64))
    with pytest.raises(Unavailable, match="has another digest"):
        await repository(made, f"{liar.address}/app").manifest("latest")


async def test_a_manifest_that_says_it_is_something_else_is_refused(made: RegistryClient, liar: LyingRegistry) -> None:
    raw = liar.put_image("latest")
    liar.lie("GET", "latest", answer(200, raw, Content_Type=OCI_MANIFEST))
    with pytest.raises(InvalidParameter, match="says itself that it is"):
        await repository(made, f"{liar.address}/app").manifest("latest")


@pytest.mark.parametrize("word", ["\x1b[31mred", "line\nline", "x" * 5000, "nul\0"])
async def test_a_registrys_words_are_shortened_and_move_no_cursor(made: RegistryClient, liar: LyingRegistry, word: str) -> None:
    liar.always_lie("GET", "/manifests/", answer(403, errors(word, word)))
    with pytest.raises(NotFound) as caught:
        await repository(made, f"{liar.address}/app").manifest("latest")
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 1000


def speaking(raw: bytes) -> Lie:
    def send(handler: Handler) -> None:
        handler.wfile.write(raw)
        handler.close_connection = True

    return send


@pytest.mark.parametrize(
    "lie",
    [
        pytest.param(answer(404), id="something else on the web"),
        pytest.param(answer(503), id="something that is broken"),
        pytest.param(answer(302, Location="http://127.0.0.1:1/login"), id="something that leads on"),
        pytest.param(answer(302, Location="file:///x"), id="something that leads nowhere"),
        pytest.param(speaking(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>"), id="a web page"),
        pytest.param(speaking(b"SSH-2.0-OpenSSH_9.2\r\n"), id="another protocol"),
        pytest.param(hung_up(), id="something that hangs up"),
        pytest.param(None, id="nothing"),
    ],
)
async def test_tenants_cannot_tell_apart_what_listens_near_the_engine(made: RegistryClient, lie: Lie | None) -> None:
    with lying_registry() as liar:
        address = liar.address
        if lie is not None:
            liar.always_lie("GET", "/v2/", lie)
            with pytest.raises(Unavailable) as caught:
                await repository(made, f"{address}/app").manifest("latest")
    if lie is None:
        with pytest.raises(Unavailable) as caught:
            await repository(made, f"{address}/app").manifest("latest")
    assert caught.value.message == f"cannot reach registry {address}: no registry answers there"


async def test_administrators_are_told_why_a_registry_cannot_be_reached(made: RegistryClient) -> None:
    with lying_registry() as liar:
        address = liar.address
    with pytest.raises(Unavailable, match="connection refused"):
        await repository(made, f"{address}/app", tenant=ADMINISTRATOR).manifest("latest")
