"""Images: bring in, list, look at, name and remove them, for the acting tenant."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import BinaryIO

from engine.core.filters import Filters, matches_labels, parse_bool
from engine.core.lifecycle import ALIVE
from engine.core.references import parse_reference, parse_tagged
from engine.core.tenants import Tenant
from engine.errors import EngineError
from engine.image.store import Image, ImageUse, LoadedImage
from engine.service.engine import Engine

FILTERS = frozenset({"before", "dangling", "label", "reference", "since", "until"})


@dataclass(frozen=True, slots=True)
class ImageView:
    """An image with the names by which the tenant reaches it, and how many containers were made from it."""

    image: Image
    tags: list[str]
    containers: int = 0


async def import_image(
    engine: Engine, tenant: Tenant, stream: BinaryIO, *, reference: str, changes: Sequence[str], message: str
) -> Image:
    """Make an image of one layer from a tar. Raises InvalidParameter, Fault."""
    image = await engine.slow.run(
        tenant,
        lambda: engine.images.import_tar(stream, tenant=tenant, reference=reference or None, changes=changes, message=message),
    )
    if reference:
        engine.publish_image("tag", image, tenant, name=parse_tagged(reference, default_domain=engine.images.default_domain).text)
    engine.publish_image("import", image, tenant)
    return image


async def load_images(engine: Engine, tenant: Tenant, stream: BinaryIO) -> list[LoadedImage]:
    """Take in an archive of images. Raises InvalidParameter, Fault."""
    loaded = await engine.slow.run(tenant, lambda: engine.images.load(stream, tenant=tenant))
    for one in loaded:
        engine.publish_image("load", one.image, tenant)
    return loaded


async def list_images(engine: Engine, tenant: Tenant, *, filters: Filters) -> list[ImageView]:
    """List what the tenant sees, newest first. Raises InvalidParameter, NotFound for an image that a filter names."""
    counts = Counter(record.image_id for record in engine.containers.visible(tenant))
    listed = await asyncio.to_thread(engine.images.list, tenant)
    views = [ImageView(image, tags, counts[image.id]) for image, tags in listed]
    for name, values in filters.items():
        views = _filtered(engine, tenant, views, name, values)
    return views


async def inspect_image(engine: Engine, tenant: Tenant, name: str) -> ImageView:
    """Look at one image. Raises NotFound, InvalidParameter."""
    image = await asyncio.to_thread(engine.images.get, tenant, name)
    return ImageView(image, await asyncio.to_thread(engine.images.tags, image, tenant))


async def tag_image(engine: Engine, tenant: Tenant, name: str, *, reference: str) -> None:
    """Give an image a further name. Raises NotFound, InvalidParameter."""
    image = await asyncio.to_thread(engine.images.tag, tenant, name, reference)
    engine.publish_image("tag", image, tenant, name=parse_tagged(reference, default_domain=engine.images.default_domain).text)


async def remove_image(engine: Engine, tenant: Tenant, name: str, *, force: bool) -> list[dict[str, str]]:
    """Remove a name or an image. Raises NotFound, Conflict, Forbidden."""

    def uses(image_id: str) -> list[ImageUse]:
        return [
            ImageUse(record.container_id, record.run.state in ALIVE)
            for record in engine.containers.all()
            if record.image_id == image_id
        ]

    image = await asyncio.to_thread(engine.images.get, tenant, name)
    removed = await asyncio.to_thread(engine.images.remove, tenant, name, force=force, in_use=uses)
    for item in removed:
        engine.publish_image("untag" if "Untagged" in item else "delete", image, tenant)
    return removed


def _filtered(engine: Engine, tenant: Tenant, views: list[ImageView], name: str, values: tuple[str, ...]) -> list[ImageView]:
    match name:
        case "dangling":
            wanted = parse_bool(values, name=name)
            return [view for view in views if bool(view.tags) is not wanted]
        case "label":
            return [view for view in views if matches_labels(values, view.image.config.labels)]
        case "reference":
            named = [replace(view, tags=[tag for tag in view.tags if any(_names(tag, one) for one in values)]) for view in views]
            return [view for view in named if view.tags]
        case "before" | "since":
            than = engine.images.get(tenant, values[0]).created_ns
            return [
                view for view in views if (view.image.created_ns < than if name == "before" else view.image.created_ns > than)
            ]
        case _:
            return views


def _names(tag: str, pattern: str) -> bool:
    """Whether a pattern (with ``*`` and ``?``) names a tag, with or without its last part."""
    try:
        name = parse_reference(tag).name
    except EngineError:
        name = tag
    return _matches(tag, pattern) or _matches(name, pattern)


def _matches(text: str, pattern: str) -> bool:
    """Part by part: a wildcard does not pass a slash."""
    parts, patterns = text.split("/"), pattern.split("/")
    return len(parts) == len(patterns) and all(map(fnmatchcase, parts, patterns))
