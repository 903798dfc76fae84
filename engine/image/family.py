"""What images were made from: children, and images that are kept only for those. Pure.

A relation is a tenant's own: what another tenant made of an image keeps nobody from removing it.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from engine.core.layers import chain_ids
from engine.core.tenants import Tenant
from engine.image.records import Holding, Image, ImageRecord
from engine.image.removal import ImageUse, uses_against


def parents_of(records: Iterable[ImageRecord], image_id: str) -> set[Tenant]:
    """Return those who made other images of an image."""
    return {holding.owner for record in records for holding in record.holdings if holding.parent == image_id}


def is_spare(record: ImageRecord, holding: Holding, records: Iterable[ImageRecord], uses: Sequence[ImageUse]) -> bool:
    """Whether a claim without a name serves nothing any more: no child, and no container that stands or falls with it."""
    if holding.is_named or uses_against(record, holding, uses):
        return False
    return holding.owner not in parents_of(records, record.image_id)


def built_leaves(records: Iterable[ImageRecord], tenant: Tenant, is_wanted: Callable[[ImageRecord], bool]) -> list[ImageRecord]:
    """Return the tenant's own nameless images that a build made and nothing was made of."""
    records = list(records)
    parents = {holding.parent for record in records for holding in record.holdings if holding.owner == tenant}
    return [one for one in built_images(records, tenant) if one.image_id not in parents and is_wanted(one)]


def built_images(records: Iterable[ImageRecord], tenant: Tenant) -> list[ImageRecord]:
    """Return the tenant's own nameless images that a build made."""
    owned = [(record, record.holding_of(tenant)) for record in records]
    return [record for record, own in owned if own is not None and own.step and not own.is_named]


class LayerCensus:
    """Counts the images that have a layer with all below it, as one tenant sees them."""

    def __init__(self, images: Iterable[Image]) -> None:
        self._counts = Counter(chain_id for image in images for chain_id in chain_ids(image.config.diff_ids))

    def remove(self, image: Image) -> list[str]:
        """Take an image out; return the chain ids that no other has, topmost first."""
        chain = chain_ids(image.config.diff_ids)
        self._counts.subtract(chain)
        return [chain_id for chain_id in reversed(chain) if self._counts[chain_id] <= 0]

    def shared_bytes(self, image: Image, sizes: Iterable[int]) -> int:
        """Return the bytes of the image's layers that other images have as well. ``sizes`` are base first."""
        chain = chain_ids(image.config.diff_ids)
        return sum(size for chain_id, size in zip(chain, sizes, strict=True) if self._counts[chain_id] > 1)
