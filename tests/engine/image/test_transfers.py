"""Transfers of layers: shared by whoever waits, ended when nobody does, kept for the next pull."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from engine.core.digests import sha256_of
from engine.core.manifests import DOCKER_LAYER, Descriptor
from engine.core.progress import Line
from engine.core.tenants import Tenant
from engine.errors import InvalidParameter, Unavailable
from engine.image.sources import KEPT_NS, SourceStore
from engine.image.store import ImageStore
from engine.image.transfers import Transfers
from engine.service.slow_work import SlowWork
from engine.storage.layers import LayerStore
from engine.storage.trash import Trash
from tests.engine.storage.tar_archives import archive, member

ADA, BOB, EVE = Tenant("demo", "ada"), Tenant("demo", "bob"), Tenant("other", "eve")
PLAIN = archive([member("file", b"content" * 1000)])
BLOB = gzip.compress(PLAIN)
LAYER = Descriptor(DOCKER_LAYER, sha256_of(BLOB), len(BLOB))
DIFF_ID = sha256_of(PLAIN)


class Upstream:
    """A repository in memory that sends when it is told to."""

    def __init__(self, content: bytes = BLOB, *, failure: Exception | None = None) -> None:
        self.domain, self.path = "reg.example", "team/image"
        self.asked = self.given_up = 0
        self.may_send = asyncio.Event()
        self._content = content
        self._failure = failure

    @asynccontextmanager
    async def blob(self, descriptor: Descriptor) -> AsyncIterator[AsyncIterator[bytes]]:
        self.asked += 1
        try:
            yield self._blocks()
        except asyncio.CancelledError:
            self.given_up += 1
            raise

    async def _blocks(self) -> AsyncIterator[bytes]:
        yield self._content[:100]
        await self.may_send.wait()
        yield self._content[100:]
        if self._failure:
            raise self._failure


class House:
    """The stores of an engine, opened again as by the next daemon."""

    def __init__(self, root: Path) -> None:
        self.now_ns = 10**18
        trash = Trash(root / "trash")
        self.layers = LayerStore(root / "layers", trash)
        self.images = ImageStore(root / "images", self.layers, trash)
        self.sources = SourceStore(root / "blobs", self.layers, now_ns=lambda: self.now_ns)
        self.slow = SlowWork()
        self.transfers = Transfers(self.layers, self.sources, run_slow=self.slow.run, release=self.images.release)

    def fetch(self, upstream: Upstream, tenant: Tenant, tell: Callable[[Line], None] = lambda _: None) -> asyncio.Task[None]:
        work = self.transfers.fetch(upstream, LAYER, DIFF_ID, tenant=tenant, tell=tell)
        return asyncio.create_task(work)


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in threads too
            await asyncio.sleep(0.005)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    assert list((tmp_path / "layers/staging").iterdir()) == []


def run(work: Awaitable[None]) -> None:
    async def main() -> None:
        await work

    asyncio.run(main())


def test_two_who_want_one_layer_share_one_transfer_and_both_are_told(house: House) -> None:
    async def story() -> None:
        upstream, told_ada, told_bob = Upstream(), list[Line](), list[Line]()
        ada = house.fetch(upstream, ADA, told_ada.append)
        await until(lambda: told_ada)
        bob = house.fetch(upstream, BOB, told_bob.append)
        await until(lambda: told_bob)
        upstream.may_send.set()
        await asyncio.gather(ada, bob)
        assert upstream.asked == 1
        for told in (told_ada, told_bob):
            assert [line["status"] for line in told][-2:] == ["Download complete", "Extracting"]
        assert house.sources.is_kept(DIFF_ID, ADA)
        assert house.sources.is_kept(DIFF_ID, BOB)

    run(story())


def test_who_leaves_takes_nothing_from_those_who_stay_and_the_last_ends_it(house: House) -> None:
    async def story() -> None:
        upstream, told = Upstream(), list[Line]()
        ada = house.fetch(upstream, ADA, told.append)
        await until(lambda: told)
        bob = house.fetch(upstream, BOB, told.append)
        await until(lambda: len(told) > 1)
        ada.cancel()
        await asyncio.wait([ada])
        assert not upstream.given_up
        bob.cancel()
        await until(lambda: upstream.given_up)
        assert not house.layers.has(DIFF_ID)
        eve = house.fetch(upstream, EVE)  # a dying transfer is nobody's
        upstream.may_send.set()
        await eve
        assert upstream.asked == 2

    run(story())


def test_nobody_waits_behind_work_of_another_tenant_that_has_not_begun(house: House) -> None:
    async def story() -> None:
        turns = [house.slow._turns.of(EVE) for _ in range(4)]  # all that one tenant may do at once
        for turn in turns:
            await turn.acquire()
        upstream = Upstream()
        upstream.may_send.set()
        eve = house.fetch(upstream, EVE)
        await house.fetch(upstream, ADA)
        assert not eve.done()
        assert upstream.asked == 1
        for turn in turns:
            turn.release()
        await eve

    run(story())


@pytest.mark.parametrize(
    ("content", "kind"),
    [(gzip.compress(archive([member("file", b"other")])), InvalidParameter), (b"no archive at all" * 50, InvalidParameter)],
    ids=["another layer", "garbage"],
)
def test_a_blob_that_is_not_the_layer_is_refused_and_leaves_nothing(house: House, content: bytes, kind: type[Exception]) -> None:
    async def story() -> None:
        upstream = Upstream(content)
        upstream.may_send.set()
        with pytest.raises(kind):
            await house.fetch(upstream, ADA)
        assert not house.layers.has(DIFF_ID)
        assert not house.sources.is_kept(DIFF_ID, ADA)

    run(story())


def test_a_blob_that_the_registrys_client_refuses_at_its_end_is_not_kept_though_it_is_the_layer(house: House) -> None:
    async def story() -> None:
        upstream = Upstream(failure=Unavailable("the blob has another digest"))
        upstream.may_send.set()
        with pytest.raises(Unavailable, match="another digest"):
            await house.fetch(upstream, ADA)
        assert not house.layers.has(DIFF_ID)

    run(story())


def test_who_shares_a_transfer_that_fails_tries_by_itself(house: House) -> None:
    async def story() -> None:
        broken, sound, told = Upstream(failure=Unavailable("the first one's token ended")), Upstream(), list[Line]()
        ada = house.fetch(broken, ADA, told.append)
        await until(lambda: told)
        bob = house.fetch(sound, BOB)
        await asyncio.sleep(0)
        broken.may_send.set()
        sound.may_send.set()
        with pytest.raises(Unavailable):
            await ada
        await bob
        assert (broken.asked, sound.asked) == (1, 1)
        assert house.sources.is_kept(DIFF_ID, BOB)
        assert not house.sources.is_kept(DIFF_ID, ADA)

    run(story())


def test_a_layer_that_a_pull_left_behind_survives_the_daemon_and_goes_after_a_day(house: House, tmp_path: Path) -> None:
    async def story() -> None:
        upstream = Upstream()
        upstream.may_send.set()
        await house.fetch(upstream, ADA)

    run(story())
    later = House(tmp_path)
    later.images.collect(list)
    assert later.layers.has(DIFF_ID)
    assert later.sources.is_kept(DIFF_ID, ADA)
    assert not later.sources.is_kept(DIFF_ID, BOB)
    later.now_ns += KEPT_NS
    assert later.sources.expire() == [DIFF_ID]
    later.images.collect(list)
    assert not later.layers.has(DIFF_ID)
    later.sources.expire()
    assert list((tmp_path / "blobs").iterdir()) == []


def test_a_source_is_told_to_those_who_see_whoever_knows_it(house: House) -> None:
    async def story() -> None:
        upstream = Upstream()
        upstream.may_send.set()
        await house.fetch(upstream, ADA)

    run(story())
    assert [source.path for source in house.sources.known(DIFF_ID, tenant=ADA)] == ["team/image"]
    assert house.sources.known(DIFF_ID, tenant=EVE) == []
    assert house.sources.came_from(DIFF_ID, domain="reg.example", path="team/image", digest=LAYER.digest)
    assert not house.sources.came_from(DIFF_ID, domain="evil.example", path="team/image", digest=LAYER.digest)
