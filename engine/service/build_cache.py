"""The build cache: a step's image from an earlier build of the tenant's, or from an image that the client names.

Owns the two look-ups. Only images that the tenant sees are ever taken.
"""

from collections.abc import Callable

from engine.core.image_config import HistoryEntry, ImageConfig
from engine.errors import EngineError, NotFound
from engine.image.store import Image
from engine.service.build_session import BuildSession, Snapshot
from engine.service.tenant_rules import may_use
from engine.storage.layers import Layer

RecordImage = Callable[[Layer | None, HistoryEntry], Image]
"""Records an image with a layer that is held, which it releases, and an entry of a history."""


async def find_cached(session: BuildSession, now: Snapshot, key: str, *, created_by: str, record: RecordImage) -> Image | None:
    """Return the image that a step has led to before.

    Where the client names images for a cache, only what they were made of counts, as with dockerd; ``record`` records that.
    """
    if not session.request.uses_cache:
        return None
    images, tenant = session.engine.images, session.tenant
    if not session.request.cache_from:
        return images.find_step(tenant, now.image_id, key)
    for name in session.request.cache_from:
        try:
            image = images.get(tenant, name)
        except EngineError:  # as with dockerd, what is not there is no cache
            continue
        if not may_use(session.engine, tenant, image):
            continue
        entry = next_entry(now.config, image.config, created_by)
        if entry is not None:
            return await session.engine.slow.run(tenant, lambda: _taken(session, now, image, entry, record))  # noqa: B023 - awaited here
    return None


def next_entry(now: ImageConfig, other: ImageConfig, created_by: str) -> HistoryEntry | None:
    """Return the entry of another image's history that is this step's, when all before it is the same too."""
    count, layers = len(now.history), len(now.diff_ids)
    if len(other.history) <= count or now.diff_ids != other.diff_ids[:layers]:
        return None
    if any(_told(mine) != _told(theirs) for mine, theirs in zip(now.history, other.history, strict=False)):
        return None
    entry = other.history[count]
    is_whole = entry.empty_layer or len(other.diff_ids) > layers
    return entry if entry.created_by == created_by and is_whole else None


def _told(entry: HistoryEntry) -> tuple[str, bool]:
    return entry.created_by, entry.empty_layer


def _taken(session: BuildSession, now: Snapshot, image: Image, entry: HistoryEntry, record: RecordImage) -> Image | None:
    if entry.empty_layer:
        return record(None, entry)
    layers, diff_id = session.engine.images.layers, image.config.diff_ids[len(now.config.diff_ids)]
    try:
        layers.hold([diff_id])
    except NotFound:  # the image was removed meanwhile
        return None
    return record(layers.get(diff_id), entry)
