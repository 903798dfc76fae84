"""The list of images, as the acting tenant sees them, and its filters."""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from engine.core.filters import Filters, matches_labels, parse_bool
from engine.core.references import parse_reference
from engine.core.tenants import Tenant
from engine.core.timeformat import parse_time
from engine.errors import EngineError, InvalidParameter
from engine.image.family import LayerCensus
from engine.image.store import Image
from engine.service.engine import Engine

FILTERS = frozenset({"before", "dangling", "label", "reference", "since", "until"})


@dataclass(frozen=True, slots=True)
class ImageView:
    """An image with the names by which the tenant reaches it, and how many containers were made from it.

    ``shared_bytes`` counts its layers that other images have as well; None: not counted.
    """

    image: Image
    tags: list[str]
    containers: int = 0
    shared_bytes: int | None = None


async def list_images(
    engine: Engine, tenant: Tenant, *, filters: Filters, is_all: bool = False, with_shared: bool = False
) -> list[ImageView]:
    """List what the tenant sees, newest first, nameless parents only where ``is_all``.

    Raises InvalidParameter, NotFound for an image that a filter names.
    """
    counts = Counter(record.image_id for record in engine.containers.visible(tenant))
    listed = await asyncio.to_thread(engine.images.list, tenant)
    parents = {image.parent for image, _ in listed}
    is_dangling_only = "dangling" in filters and parse_bool(filters["dangling"], name="dangling")
    views = [
        ImageView(image, tags, counts[image.id])
        for image, tags in listed
        if tags or image.repo_digests or image.id not in parents or (is_all and not is_dangling_only)
    ]
    for name, values in filters.items():
        views = _filtered(engine, tenant, views, name, values)
    return await asyncio.to_thread(_with_shared, engine, views, [image for image, _ in listed]) if with_shared else views


def _with_shared(engine: Engine, views: list[ImageView], images: list[Image]) -> list[ImageView]:
    census = LayerCensus(images)
    return [replace(view, shared_bytes=census.shared_bytes(view.image, engine.images.layer_sizes(view.image))) for view in views]


def _filtered(engine: Engine, tenant: Tenant, views: list[ImageView], name: str, values: tuple[str, ...]) -> list[ImageView]:
    """Apply one filter. Raises InvalidParameter, NotFound."""
    match name:
        case "dangling":
            wanted = parse_bool(values, name=name)
            return [view for view in views if bool(view.tags) is not wanted]
        case "label":
            return [view for view in views if matches_labels(values, view.image.config.labels)]
        case "reference":
            return [named for view in views if (named := _named(view, values)) is not None]
        case "before" | "since":
            than = engine.images.get(tenant, values[0]).created_ns
            return [
                view for view in views if (view.image.created_ns < than if name == "before" else view.image.created_ns > than)
            ]
        case "until":
            until_ns = until_of(values)
            return [view for view in views if view.image.created_ns <= until_ns]
        case _:
            return views


def until_of(values: tuple[str, ...]) -> int:
    """Read the filter ``until``, a time or a duration before now; return nanoseconds since 1970. Raises InvalidParameter."""
    until_ns = parse_time(values[0], now_ns=time.time_ns()) if len(values) == 1 else None
    if until_ns is None:
        raise InvalidParameter("invalid filter 'until': give one time")
    return until_ns


def _named(view: ImageView, patterns: tuple[str, ...]) -> ImageView | None:
    """Leave the names that a pattern means; None where there are none."""
    tags = [tag for tag in view.tags if any(_names(tag, one) for one in patterns)]
    digests = tuple(name for name in view.image.repo_digests if any(_names(name, one) for one in patterns))
    return replace(view, tags=tags, image=replace(view.image, repo_digests=digests)) if tags or digests else None


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
