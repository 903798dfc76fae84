"""Layers on their way from registries into the layer store: one transfer for each blob, however many pulls wait for it.

Who waits has had the manifest from the same repository with credentials of its own; that is the caller's promise. A transfer
runs on the account of the tenant who asked first. It ends early when the last who waits has left, not before, and nobody waits
behind work of another tenant that has not begun.
"""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Protocol, TypeVar

from engine.core.digests import short_digest
from engine.core.manifests import Descriptor
from engine.core.progress import Line, progress_line, status_line
from engine.core.tenants import Tenant
from engine.errors import EngineError, Fault, NotFound
from engine.image.pull_feed import Blocks, Feed, feeding
from engine.image.registry_edge import MirrorLied
from engine.image.sources import Source, SourceStore
from engine.storage.layers import LayerStore

_log = logging.getLogger(__name__)
TELL_SECONDS = 0.1
T = TypeVar("T")
Tell = Callable[[Line], None]
Release = Callable[[Sequence[str]], None]


class RunSlow(Protocol):
    """Does blocking work in a thread on a tenant's account."""

    def __call__(self, tenant: Tenant, work: Callable[[], T]) -> Awaitable[T]: ...


class BlobSource(Protocol):
    """A repository, as far as a transfer needs it."""

    @property
    def domain(self) -> str: ...
    @property
    def path(self) -> str: ...
    def blob(self, descriptor: Descriptor) -> Blocks: ...


@dataclass(frozen=True, slots=True)
class Key:
    """What makes two transfers one."""

    domain: str
    path: str
    digest: str
    diff_id: str


class _Overtaken(Exception):
    """The same transfer of another tenant has begun meanwhile."""


class _Transfer:
    """One download, and who waits for it. Used on the loop, but for ``keepers``."""

    def __init__(self, key: Key, tenant: Tenant) -> None:
        self.key = key
        self.tenant = tenant
        self.begin = asyncio.Event()
        self.has_begun = False
        self.waiters: list[tuple[Tenant, Tell]] = []
        self.task: asyncio.Task[None]
        self._last: Line | None = None
        self._told_at = 0.0

    @property
    def line_id(self) -> str:
        return short_digest(self.key.digest)

    def join(self, tenant: Tenant, tell: Tell) -> None:
        self.waiters.append((tenant, tell))
        if self._last is not None:
            tell(self._last)

    def tell(self, line: Line) -> None:
        self._last = line
        for _, tell in self.waiters:
            tell(line)

    def tell_progress(self, current: int, total: int) -> None:
        """Say how far it is, but not more often than anybody would look."""
        now = monotonic()
        if now - self._told_at >= TELL_SECONDS or current == total:
            self._told_at = now
            self.tell(progress_line("Downloading", self.line_id, current=current, total=total))


class Transfers:
    """One for each engine; used on its loop."""

    def __init__(self, layers: LayerStore, sources: SourceStore, *, run_slow: RunSlow, release: Release) -> None:
        """``release`` gives held layers back and removes those that nobody wants."""
        self._layers = layers
        self._sources = sources
        self._run_slow = run_slow
        self._release = release
        self._lock = threading.Lock()  # of what begins in a thread and is left on the loop
        self._begun: dict[Key, _Transfer] = {}
        self._waiting: dict[tuple[Key, Tenant], _Transfer] = {}

    async def fetch(self, repository: BlobSource, blob: Descriptor, diff_id: str, *, tenant: Tenant, tell: Tell) -> None:
        """Store a layer, and keep it for those who waited until their pulls let it go; whoever came late finds where it is from.

        Raises what the registry's client raises, InvalidParameter for a blob that is not the layer, Fault.
        """
        key = Key(repository.domain, repository.path, blob.digest, diff_id)
        while True:
            transfer = self._joinable(repository, blob, key, tenant)
            transfer.join(tenant, tell)
            try:
                return await asyncio.shield(transfer.task)
            except (_Overtaken, MirrorLied):  # a mirror that lied is left out the next time
                continue
            except EngineError as error:
                if transfer.tenant == tenant:
                    raise
                _log.info("a transfer that %r shared failed, it tries by itself: %s", tenant.name, error)
            finally:
                self._leave(transfer, tenant, tell)

    async def close(self) -> None:
        """End what still runs."""
        tasks = [transfer.task for transfer in (*self._begun.values(), *self._waiting.values())]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _joinable(self, repository: BlobSource, blob: Descriptor, key: Key, tenant: Tenant) -> _Transfer:
        known = self._begun.get(key) or self._waiting.get((key, tenant))
        if known is not None:
            return known
        transfer = self._waiting[key, tenant] = _Transfer(key, tenant)
        transfer.task = asyncio.create_task(self._carry_out(transfer, repository, blob))
        transfer.task.add_done_callback(lambda task: task.cancelled() or task.exception())  # seen, should all have left
        return transfer

    def _leave(self, transfer: _Transfer, tenant: Tenant, tell: Tell) -> None:
        with self._lock:
            transfer.waiters.remove((tenant, tell))
            is_last = not transfer.waiters
        if is_last:
            self._forget(transfer)  # whoever comes now is not to join one that is ending
            transfer.task.cancel()

    def _forget(self, transfer: _Transfer) -> None:
        with self._lock:
            if self._begun.get(transfer.key) is transfer:
                del self._begun[transfer.key]
            if self._waiting.get((transfer.key, transfer.tenant)) is transfer:
                del self._waiting[transfer.key, transfer.tenant]

    async def _carry_out(self, transfer: _Transfer, repository: BlobSource, blob: Descriptor) -> None:
        loop = asyncio.get_running_loop()
        source = Source(repository.domain, repository.path, blob.digest, blob.size, blob.media_type, transfer.tenant)
        try:
            async with feeding(_told(transfer, repository, blob), begin=transfer.begin) as feed:
                work = self._run_slow(transfer.tenant, lambda: self._store(transfer, source, feed, loop))
                await self._to_its_end(transfer, asyncio.ensure_future(work), feed)
        finally:
            self._forget(transfer)

    async def _to_its_end(self, transfer: _Transfer, work: asyncio.Future[None], feed: Feed) -> None:
        """Await a thread's work. Nothing can stop a thread, but without input it ends: that is waited for when all have left."""
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            if not transfer.has_begun:
                work.cancel()
            await feed.stop()
            await asyncio.gather(work, return_exceptions=True)
            raise

    def _store(self, transfer: _Transfer, source: Source, feed: Feed, loop: asyncio.AbstractEventLoop) -> None:
        """In a thread: unpack what arrives; keep it for all who wait once the whole blob has proved to be what it should."""
        self._start(transfer)
        loop.call_soon_threadsafe(transfer.begin.set)
        try:
            layer = self._layers.unpack(feed.file, expected=transfer.key.diff_id, owner=transfer.tenant)
        except EngineError as error:
            raise _failure_of(feed) or error from error
        try:
            if (failure := _failure_of(feed)) is not None:
                raise failure
            self._sources.add(layer.diff_id, source, keepers=[tenant for tenant, _ in list(transfer.waiters)])
        finally:
            self._release([layer.diff_id])

    def _start(self, transfer: _Transfer) -> None:
        """Raises _Overtaken where another tenant's turn came first, whose transfer serves both, and where all have left."""
        with self._lock:
            if transfer.key in self._begun or not transfer.waiters:
                raise _Overtaken
            transfer.has_begun = True
            self._begun[transfer.key] = transfer
            self._waiting.pop((transfer.key, transfer.tenant), None)


@asynccontextmanager
async def _told(transfer: _Transfer, repository: BlobSource, blob: Descriptor) -> AsyncIterator[AsyncIterator[bytes]]:
    """The blob, telling those who wait how far it is."""

    async def counted(blocks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        received = 0
        async for block in blocks:
            yield block
            received += len(block)
            transfer.tell_progress(received, blob.size)
        transfer.tell(status_line("Verifying Checksum", transfer.line_id))
        transfer.tell(status_line("Download complete", transfer.line_id))
        transfer.tell(progress_line("Extracting", transfer.line_id, current=received, total=received))

    async with repository.blob(blob) as blocks:
        yield counted(blocks)


def _failure_of(feed: Feed) -> Exception | None:
    """Return why the blob did not arrive whole, as what the client can be told."""
    failure = feed.failure
    if failure is None or isinstance(failure, EngineError):
        return failure
    if isinstance(failure, asyncio.CancelledError):
        return NotFound("the transfer was cancelled")
    _log.error("a download failed", exc_info=failure)
    return Fault("the download failed: the engine's log tells more")
