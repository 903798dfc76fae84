"""Save: an archive of images as a stream for a client, made as fast as the client takes it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from engine.core.platforms import Platform, fitness
from engine.core.tenants import Tenant
from engine.errors import InvalidParameter, NotFound
from engine.image.saving import ImageArchive
from engine.service.engine import Engine
from engine.service.turns import Turns

# One piece at a time for each client: a client that does not read holds no thread, and no other work waits for these.
_pool = ThreadPoolExecutor(4, thread_name_prefix="save")
AT_ONCE, OPEN_AT_ONCE = 2, 64  # pieces and archives of one tenant
_turns, _places = Turns(AT_ONCE), Turns(OPEN_AT_ONCE)


@asynccontextmanager
async def saved_images(
    engine: Engine, tenant: Tenant, names: Sequence[str], *, platform: Platform | None = None
) -> AsyncIterator[AsyncIterator[bytes]]:
    """Open an archive and lend its pieces. Raises NotFound, InvalidParameter; in the midst Fault for a damaged layer."""
    if not names:
        raise InvalidParameter("no image given: give names")
    loop = asyncio.get_running_loop()
    async with _places.of(tenant):
        archive = await asyncio.to_thread(engine.images.open_archive, tenant, names)
        try:
            _check_platform(archive, platform)
            for image in archive.images:
                engine.publish_image("save", image, tenant)
            yield _pieces(loop, archive, tenant)
        finally:
            await asyncio.shield(loop.run_in_executor(_pool, archive.close))


async def _pieces(loop: asyncio.AbstractEventLoop, archive: ImageArchive, tenant: Tenant) -> AsyncIterator[bytes]:
    while True:
        async with _turns.of(tenant):
            piece = await loop.run_in_executor(_pool, archive.next_block)
        if not piece:
            return
        yield piece


def _check_platform(archive: ImageArchive, platform: Platform | None) -> None:
    for image in archive.images if platform else ():
        offered = image.config.platform
        if platform and fitness(offered, platform) is None:
            raise NotFound(f"image {image.id} is there for {offered.text} only, not for {platform.text}")
