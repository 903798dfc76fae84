"""Prune: remove the acting tenant's own images that nothing needs, and what builds left behind. Those of others stay."""

import asyncio
from collections.abc import Callable

from engine.core.filters import Filters, matches_labels, parse_bool
from engine.core.tenants import Tenant
from engine.image.store import Image, Removed
from engine.service.engine import Engine
from engine.service.images import image_uses, publish_removed
from engine.service.list_images import until_of
from engine.service.room import wait_for_room

FILTERS = frozenset({"dangling", "until", "label", "label!"})
BUILD_FILTERS = frozenset({"until", "id"})


async def prune_images(engine: Engine, tenant: Tenant, filters: Filters, *, is_trial: bool = False) -> Removed:
    """Remove images without a tag, or with ``dangling=false`` all that no container was made from. Raises InvalidParameter.

    A trial changes and tells nothing, here and below.
    """
    dangling_only = "dangling" not in filters or parse_bool(filters["dangling"], name="dangling")
    is_wanted, in_use = _matcher(filters), image_uses(engine)
    removed = await engine.slow.run(
        tenant,
        lambda: engine.images.prune(tenant, dangling_only=dangling_only, is_wanted=is_wanted, in_use=in_use, is_trial=is_trial),
    )
    if is_trial:
        return removed
    await asyncio.to_thread(engine.settle_payers)
    publish_removed(engine, tenant, removed)
    await wait_for_room(engine, tenant)
    engine.events.publish("image", "prune", "", {"reclaimed": str(removed.freed_bytes)}, tenant=tenant)
    return removed


async def prune_builds(engine: Engine, tenant: Tenant, filters: Filters, *, is_trial: bool = False) -> Removed:
    """Remove images of builds from which no image with a name and no container descends. Raises InvalidParameter."""
    is_wanted, in_use = _matcher(filters), image_uses(engine)
    removed = await engine.slow.run(
        tenant, lambda: engine.images.prune_builds(tenant, is_wanted=is_wanted, in_use=in_use, is_trial=is_trial)
    )
    if is_trial:
        return removed
    await asyncio.to_thread(engine.settle_payers)
    publish_removed(engine, tenant, removed)
    await wait_for_room(engine, tenant)
    engine.events.publish("builder", "prune", "", {"reclaimed": str(removed.freed_bytes)}, tenant=tenant)
    return removed


def _matcher(filters: Filters) -> Callable[[Image], bool]:
    until_ns = until_of(filters["until"]) if "until" in filters else None
    wanted, unwanted, ids = filters.get("label", ()), filters.get("label!", ()), filters.get("id", ())

    def is_wanted(image: Image) -> bool:
        labels = image.config.labels
        is_meant = not ids or any(image.id.removeprefix("sha256:").startswith(one.removeprefix("sha256:")) for one in ids)
        is_old = until_ns is None or image.created_ns <= until_ns
        return (
            is_meant and is_old and matches_labels(wanted, labels) and not any(matches_labels([one], labels) for one in unwanted)
        )

    return is_wanted
