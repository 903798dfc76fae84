"""Push: an image's layers, configuration and manifest into a registry's repository, telling how far it is.

A layer's blob that the repository has already is not sent again; one that another repository of the registry has is mounted.
Only repositories that the tenant knows of are named to the registry.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import ExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from time import monotonic
from typing import BinaryIO

from engine.core.digests import short_digest
from engine.core.manifests import DOCKER_CONFIG, DOCKER_LAYER, DOCKER_MANIFEST, Descriptor, format_manifest
from engine.core.progress import Line, progress_line, status_line
from engine.core.tenants import Tenant
from engine.image.registry_repository import Repository
from engine.image.settled import settled, together
from engine.image.sources import Source, SourceStore
from engine.image.store import Image, ImageStore
from engine.image.transfers import TELL_SECONDS, RunSlow
from engine.storage.compression import BLOCK_BYTES, compressed
from engine.storage.layers import LayerStore

AT_ONCE = 3
_MOST_MOUNTS_TRIED = 4
Tell = Callable[[Line], None]


@dataclass(frozen=True, slots=True)
class Pushed:
    """What the registry has now."""

    digest: str
    size: int


class Push:
    """Sends images of one tenant to one repository."""

    def __init__(
        self, images: ImageStore, sources: SourceStore, run_slow: RunSlow, repository: Repository, *, tenant: Tenant, tell: Tell
    ) -> None:
        self._images = images
        self._sources = sources
        self._run_slow = run_slow
        self._repository = repository
        self._tenant = tenant
        self._tell = tell

    async def run(self, image: Image, tag: str) -> Pushed:
        """Send what the registry lacks, then the manifest. Raises what the registry's client raises; NotFound, Fault."""
        diff_ids = tuple(dict.fromkeys(image.config.diff_ids))
        await settled(asyncio.to_thread(self._images.layers.hold, diff_ids))
        try:
            layers = await self._send_layers(diff_ids)
        finally:
            await settled(asyncio.to_thread(self._images.release, diff_ids))
        raw = await asyncio.to_thread(self._images.raw_config, image)
        config = Descriptor(DOCKER_CONFIG, image.id, len(raw))
        if not await self._repository.has_blob(image.id):
            await self._repository.upload_bytes(raw, DOCKER_CONFIG)
        manifest = format_manifest(config, [layers[diff_id] for diff_id in image.config.diff_ids])
        digest = await self._repository.put_manifest(tag, manifest, DOCKER_MANIFEST)
        return Pushed(digest, len(manifest))

    async def _send_layers(self, diff_ids: Sequence[str]) -> dict[str, Descriptor]:
        sent: dict[str, Descriptor] = {}
        turns = asyncio.Semaphore(AT_ONCE)

        async def send(diff_id: str) -> None:
            async with turns:
                sent[diff_id] = await self._send(diff_id)

        for diff_id in reversed(diff_ids):
            self._tell(status_line("Preparing", short_digest(diff_id)))
        for diff_id in diff_ids[AT_ONCE:]:
            self._tell(status_line("Waiting", short_digest(diff_id)))
        await together(send(diff_id) for diff_id in diff_ids)
        return sent

    async def _send(self, diff_id: str) -> Descriptor:
        known = self._sources.known(diff_id, tenant=self._tenant)
        descriptor = await self._already_there(diff_id, known) or await self._mounted(diff_id, known)
        if descriptor is None:
            descriptor = await self._upload(diff_id)
            self._tell(status_line("Pushed", short_digest(diff_id)))
        source = Source(
            self._repository.domain,
            self._repository.path,
            descriptor.digest,
            descriptor.size,
            descriptor.media_type,
            self._tenant,
        )
        await settled(asyncio.to_thread(self._sources.add, diff_id, source))
        return descriptor

    async def _already_there(self, diff_id: str, known: Sequence[Source]) -> Descriptor | None:
        here = (self._repository.domain, self._repository.path)
        nearest = sorted(known, key=lambda source: (source.domain, source.path) != here)
        for digest in list(dict.fromkeys(source.digest for source in nearest))[:_MOST_MOUNTS_TRIED]:
            if await self._repository.has_blob(digest):
                self._tell(status_line("Layer already exists", short_digest(diff_id)))
                return next(_descriptor(source) for source in known if source.digest == digest)
        return None

    async def _mounted(self, diff_id: str, known: Sequence[Source]) -> Descriptor | None:
        here = self._repository
        others = [source for source in known if source.domain == here.domain and source.path != here.path]
        for source in others[:_MOST_MOUNTS_TRIED]:
            if await here.mount_blob(source.digest, source.path):
                self._tell(status_line(f"Mounted from {source.path}", short_digest(diff_id)))
                return _descriptor(source)
        return None

    async def _upload(self, diff_id: str) -> Descriptor:
        total = await asyncio.to_thread(self._images.layers.tar_size, diff_id)

        @asynccontextmanager
        async def open_blocks() -> AsyncIterator[AsyncIterator[bytes]]:
            reading = _Reading(self._images.layers, diff_id)
            try:
                async with aclosing(self._blocks(reading, total)) as blocks:
                    yield blocks
            finally:
                await settled(asyncio.to_thread(reading.close))

        made = await self._repository.upload_blob(open_blocks)
        return Descriptor(DOCKER_LAYER, made.digest, made.size)

    async def _blocks(self, reading: "_Reading", total: int) -> AsyncGenerator[bytes, None]:
        """One block is read and compressed while another is sent: a slow registry takes neither memory nor a thread."""
        told_at = 0.0
        ahead = self._read(reading)
        try:
            while block := await asyncio.shield(ahead):
                ahead = self._read(reading)
                if monotonic() - told_at >= TELL_SECONDS:
                    told_at = monotonic()
                    self._tell(progress_line("Pushing", short_digest(reading.diff_id), current=reading.read_bytes, total=total))
                yield block
        finally:
            await settled(asyncio.gather(ahead, return_exceptions=True))  # nobody reads what is going to be closed

    def _read(self, reading: "_Reading") -> asyncio.Future[bytes]:
        return asyncio.ensure_future(self._run_slow(self._tenant, reading.next))


class _Reading:
    """A layer's tar, compressed again, block by block; used by one thread at a time."""

    def __init__(self, layers: LayerStore, diff_id: str) -> None:
        self.read_bytes = 0  # of the tar
        self._layers = layers
        self.diff_id = diff_id
        self._stack = ExitStack()
        self._blocks: Iterator[bytes] | None = None

    def next(self) -> bytes:
        """Return the next block, empty at the end. Raises Fault for a layer that is damaged."""
        if self._blocks is None:
            tar = self._stack.enter_context(self._layers.open_tar(self.diff_id))
            self._blocks = compressed(self._counted(tar))
        return next(self._blocks, b"")

    def close(self) -> None:
        self._stack.close()

    def _counted(self, tar: BinaryIO) -> Iterator[bytes]:
        while block := tar.read(BLOCK_BYTES):
            self.read_bytes += len(block)
            yield block


def _descriptor(source: Source) -> Descriptor:
    return Descriptor(source.media_type or DOCKER_LAYER, source.digest, source.size)
