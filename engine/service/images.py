"""Images: bring in, look at, name and remove them, for the acting tenant."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from engine.core.lifecycle import ALIVE
from engine.core.platforms import Platform
from engine.core.references import parse_tagged
from engine.core.tenants import Tenant
from engine.errors import NotFound
from engine.image.store import Image, ImageUse, InUse, LayerProgress, LoadedImage, Removed, RemovedItem, Tell
from engine.service.engine import Engine
from engine.service.list_images import ImageView
from engine.service.room import wait_for_room, with_room
from engine.service.tenant_rules import check_archive
from engine.storage.compression import Readable

_MOST_ANCESTORS = 1000


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """What an image of an imported root filesystem is to be. ``platform`` is what its programs run on."""

    platform: Platform
    reference: str = ""
    changes: Sequence[str] = ()
    message: str = ""


async def import_image(engine: Engine, tenant: Tenant, stream: Readable, request: ImportRequest) -> Image:
    """Make an image of one layer from a tar. Raises InvalidParameter, Fault."""
    check_archive(engine, tenant)
    reference = request.reference
    async with with_room(engine, tenant):
        image = await engine.slow.run(
            tenant,
            lambda: engine.images.import_tar(
                stream,
                tenant=tenant,
                reference=reference or None,
                changes=request.changes,
                message=request.message,
                platform=request.platform,
            ),
        )
    if reference:
        engine.publish_image("tag", image, tenant, name=parse_tagged(reference, default_domain=engine.images.default_domain).text)
    engine.publish_image("import", image, tenant)
    return image


async def load_images(
    engine: Engine, tenant: Tenant, stream: Readable, *, platform: Platform | None, tell: Tell
) -> list[LoadedImage]:
    """Take in an archive of images, and tell how it goes. Raises InvalidParameter, NotFound for the platform, Fault."""
    check_archive(engine, tenant)
    loop = asyncio.get_running_loop()

    def told(news: LayerProgress | LoadedImage) -> None:
        if isinstance(news, LoadedImage):
            engine.publish_image("load", news.image, tenant)
        tell(news)

    def from_thread(news: LayerProgress | LoadedImage) -> None:
        loop.call_soon_threadsafe(told, news)

    def load() -> list[LoadedImage]:
        return engine.images.load(stream, tenant=tenant, platform=platform, tell=from_thread)

    async with with_room(engine, tenant):
        return await engine.slow.run(tenant, load)


async def inspect_image(engine: Engine, tenant: Tenant, name: str) -> ImageView:
    """Look at one image. Raises NotFound, InvalidParameter."""
    image = await asyncio.to_thread(engine.images.get, tenant, name)
    return ImageView(image, await asyncio.to_thread(engine.images.tags, image, tenant))


async def image_lineage(engine: Engine, tenant: Tenant, name: str) -> list[ImageView]:
    """Return an image and those that it was made from, one after the other, as far as the tenant sees them.

    Raises NotFound, InvalidParameter.
    """
    lineage = [await inspect_image(engine, tenant, name)]
    while (parent := lineage[-1].image.parent) and len(lineage) < _MOST_ANCESTORS:
        try:
            lineage.append(await inspect_image(engine, tenant, parent))
        except NotFound:  # just now
            break
    return lineage


async def tag_image(engine: Engine, tenant: Tenant, name: str, *, reference: str) -> None:
    """Give an image a further name. Raises NotFound, InvalidParameter."""
    image = await asyncio.to_thread(engine.images.tag, tenant, name, reference)
    engine.publish_image("tag", image, tenant, name=parse_tagged(reference, default_domain=engine.images.default_domain).text)


async def remove_image(engine: Engine, tenant: Tenant, name: str, *, force: bool, prunes: bool = True) -> list[RemovedItem]:
    """Remove a name or an image, and the nameless parents that only it needed. Raises NotFound, Conflict, Forbidden."""
    in_use = image_uses(engine)
    removed = await asyncio.to_thread(engine.images.remove, tenant, name, force=force, in_use=in_use, prunes=prunes)
    await asyncio.to_thread(engine.settle_payers)
    publish_removed(engine, tenant, removed)
    await wait_for_room(engine, tenant)
    return removed.items


def image_uses(engine: Engine) -> InUse:
    """Return what answers which containers were made from an image, those that builds are about to make among them."""

    def uses(image_id: str) -> list[ImageUse]:
        containers = [
            ImageUse(record.container_id, record.run.state in ALIVE, record.tenant)
            for record in engine.containers.all()
            if record.image_id == image_id
        ]
        return [*containers, *(ImageUse("of a build", is_running=True, owner=owner) for owner in engine.builds.users(image_id))]

    return uses


def publish_removed(engine: Engine, tenant: Tenant, removed: Removed) -> None:
    """Tell of names and images that went; layers are nobody's news."""
    for item in removed.items:
        if item.image is not None:
            engine.publish_image("untag" if item.untagged else "delete", item.image, tenant)
