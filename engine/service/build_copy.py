"""COPY, ADD and WORKDIR: what they bring into an image, made without a container.

Owns which tree the sources lie in, and that they are written the way they were looked at for the cache.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from engine.build.content import content_key, inline_sources
from engine.build.context import BuildContext
from engine.build.copy_layer import copy_layer
from engine.build.download import Download, download, is_url
from engine.build.owners import find_owner
from engine.build.sources import Sources, find_sources
from engine.build.staging import Staging
from engine.build.tree import SourceTree, stage_tree
from engine.build.workdir import workdir_layer
from engine.core.dockerfile_instructions import Add, Copy
from engine.core.dockerfile_stages import source_stage
from engine.core.tenants import Tenant
from engine.errors import InvalidParameter
from engine.image.registry_edge import Edge
from engine.image.store import Image, ImageStore
from engine.service.build_bases import find_image
from engine.service.build_layer import MakeImage
from engine.service.build_session import BuildSession, Snapshot
from engine.service.tenant_rules import check_download


def lowers_of(images: ImageStore, image: Image | None) -> list[Path]:
    """Return the layers of how far a stage has come, base first; none while there is nothing."""
    return images.lowers(image) if image is not None else []


@dataclass(frozen=True, slots=True)
class CopyStep:
    """One COPY or ADD on top of ``now``. Methods block. ``origin`` is the image of ``--from``, None for the context."""

    images: ImageStore
    staging: Staging
    tenant: Tenant
    context: BuildContext
    now: Snapshot
    instruction: Copy | Add
    origin: Image | None = None
    downloads: Mapping[str, Download] = field(default_factory=dict)  # what addresses among the sources have led to

    @property
    def verb(self) -> str:
        return type(self.instruction).__name__.upper()

    def key(self) -> str:
        """Return what stands for the content in the cache and the history. Raises InvalidParameter, Fault."""
        with self._sources() as sources:
            return content_key(sources, owner=self._owner(), mode=self._mode(), unpacks=self._unpacks)

    def layer(self, make: MakeImage) -> Image:
        """Copy, and make an image of it. Raises InvalidParameter, Fault, and what ``make`` raises."""
        with self._sources() as sources, self.staging.folder(self.tenant) as folder:
            upper = copy_layer(
                lowers_of(self.images, self.now.image),
                sources,
                destination=self.instruction.destination,
                workdir=self.now.config.workdir,
                owner=self._owner(),
                mode=self._mode(),
                unpacks=self._unpacks,
                staging=folder,
                instruction_text=self.verb,
            )
            return make(self.images.layers.adopt(upper, owner=self.tenant, area=folder))

    @property
    def _unpacks(self) -> bool:
        return isinstance(self.instruction, Add) and self.instruction.unpack is not False

    @contextmanager
    def _sources(self) -> Iterator[Sources]:
        with ExitStack() as stack:
            tree = self.context.tree
            if self.origin is not None:
                tree = stack.enter_context(stage_tree(self.images.lowers(self.origin)))
            found = Sources()
            for source in self.instruction.sources:
                fetched = self.downloads.get(source)
                found += self._found(tree, source) if fetched is None else stack.enter_context(self._fetched(fetched))
            yield found + self._inline(stack)

    def _fetched(self, download: Download) -> AbstractContextManager[Sources]:
        return download.sources(unpacks=isinstance(self.instruction, Add) and self.instruction.unpack is True)

    def _found(self, tree: SourceTree, source: str) -> Sources:
        return find_sources(
            tree,
            [source],
            instruction_text=self.verb,
            excludes=self.instruction.excludes,
            keeps_parents=isinstance(self.instruction, Copy) and self.instruction.parents,
        )

    def _inline(self, stack: ExitStack) -> Sources:
        if not self.instruction.heredocs:
            return Sources()
        folder = stack.enter_context(self.staging.folder(self.tenant))
        contents = {heredoc.name: heredoc.content.encode() for heredoc in self.instruction.heredocs}
        return stack.enter_context(inline_sources(contents, folder))

    def _owner(self) -> tuple[int, int] | None:
        if not self.instruction.chown:
            return None
        return find_owner(lowers_of(self.images, self.now.image), self.instruction.chown)

    def _mode(self) -> int | None:
        text = self.instruction.chmod
        if not text:
            return None
        if len(text) > 5 or not set(text) <= set("01234567"):
            raise InvalidParameter(f"invalid chmod parameter: '{text[:40]}'. it should be octal string and between 0 and 07777")
        return int(text, 8)


@asynccontextmanager
async def copy_step(session: BuildSession, now: Snapshot, instruction: Copy | Add, stage: int) -> AsyncIterator[CopyStep]:
    """Find out where an instruction copies from, and fetch what lies elsewhere, for as long as the block lasts.

    Raises NotFound, InvalidParameter, Forbidden, Unavailable, and what a pull does.
    """
    origin = None
    if isinstance(instruction, Copy) and instruction.from_:
        origin = await _origin(session, instruction.from_, stage)
    images, staging = session.engine.images, session.engine.staging
    with ExitStack() as folders:
        downloads = await _downloads(session, instruction, folders) if isinstance(instruction, Add) else {}
        yield CopyStep(images, staging, session.tenant, session.context, now, instruction, origin, downloads)


async def _downloads(session: BuildSession, instruction: Add, folders: ExitStack) -> dict[str, Download]:
    urls = [source for source in instruction.sources if is_url(source)]
    if instruction.checksum and (len(urls) != 1 or len(instruction.sources) != 1):
        raise InvalidParameter("ADD --checksum is for one address and nothing else")
    reaches = {url: check_download(session.engine, session.tenant, url[:200]) for url in urls}
    edge = Edge(resolver=session.engine.registries.resolver(session.tenant))
    return {
        url: await download(
            url,
            staging=await asyncio.to_thread(folders.enter_context, session.engine.staging.folder(session.tenant)),
            destination=instruction.destination,
            tenant=session.tenant,
            checksum=instruction.checksum,
            edge=edge,
            reach=reach,
        )
        for url, reach in reaches.items()
    }


async def _origin(session: BuildSession, name: str, stage: int) -> Image:
    index = source_stage(session.plan.dockerfile, name, stage, by_number=True)
    if index is None:
        found = await find_image(session, name)
        session.needed.add(found.id)
        return found
    image = session.results[index].image
    if image is None:
        raise InvalidParameter(f"COPY --from={name[:80]} names a stage that has no files")
    return image


def make_workdir(session: BuildSession, base: Image | None, path: str, make: MakeImage) -> Image:
    """Make the image of a WORKDIR, with a layer where the folder is missing. Blocking. Raises InvalidParameter, Fault."""
    images, tenant = session.engine.images, session.tenant
    with session.engine.staging.folder(tenant) as folder:
        upper = workdir_layer(lowers_of(images, base), path, staging=folder)
        return make(images.layers.adopt(upper, owner=tenant, area=folder) if upper is not None else None)
