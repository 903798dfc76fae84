"""What tenants have of images: how many, and the bytes of their layers. Pure.

A tenant has the images that it or a member holds. As in the list that clients show, the nameless steps that others were made from
are not counted. A layer counts once, however many images and members have it, and not at all where administrators published it:
that is there for everybody.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from engine.core.admitting import Admit
from engine.core.tenants import Tenant
from engine.image.records import Holding, ImageRecord

SizeOf = Callable[[str], int]  # bytes of a layer by its diff id
Images = Callable[[], "Collection[HeldImage]"]


@dataclass(frozen=True, slots=True)
class HeldImage:
    """An image's record and the diff ids of its layers."""

    record: ImageRecord
    diff_ids: tuple[str, ...]


def admit_change(admit: Admit, before: Images, changed: HeldImage, *, owner: Tenant, size_of: SizeOf) -> None:
    """Ask whether an owner may have an image that is new or changed. Raises QuotaExceeded.

    ``before`` is asked only where there is a quota.
    """

    def after() -> list[HeldImage]:
        return [*(one for one in before() if one.record.image_id != changed.record.image_id), changed]

    def layer_bytes(images: Images, tenant: Tenant) -> int:
        return sum(map(size_of, layers_of(images(), tenant)))

    admit(
        owner,
        "images",
        requested=lambda tenant: count_images(after(), tenant) - count_images(before(), tenant),
        used=lambda tenant: count_images(before(), tenant),
    )
    admit(
        owner,
        "image_bytes",
        requested=lambda tenant: layer_bytes(after, tenant) - layer_bytes(before, tenant),
        used=lambda tenant: layer_bytes(before, tenant),
    )


def count_images(images: Collection[HeldImage], tenant: Tenant) -> int:
    """Return how many images a tenant has; one that several of its members have is one."""
    held = {one.record.image_id: _holdings(one.record, tenant) for one in images if not _is_published(one.record)}
    parents = {holding.parent for holdings in held.values() for holding in holdings}
    return sum(
        bool(holdings) and (image_id not in parents or any(holding.is_named for holding in holdings))
        for image_id, holdings in held.items()
    )


def layers_of(images: Collection[HeldImage], tenant: Tenant) -> set[str]:
    """Return the diff ids that count for a tenant."""
    return {diff_id for one in images if _holdings(one.record, tenant) for diff_id in one.diff_ids} - _published_layers(images)


def count_all(images: Collection[HeldImage], *, size_of: SizeOf) -> dict[Tenant, tuple[int, int]]:
    """Return how many images every team and member has, and their bytes, in one pass."""
    published = _published_layers(images)
    held: dict[Tenant, list[HeldImage]] = {}
    for one in images:
        for scope in {scope for holding in one.record.holdings for scope in holding.owner.scopes}:
            held.setdefault(scope, []).append(one)
    return {
        scope: (count_images(own, scope), sum(map(size_of, {diff_id for one in own for diff_id in one.diff_ids} - published)))
        for scope, own in held.items()
    }


def _published_layers(images: Collection[HeldImage]) -> set[str]:
    return {diff_id for one in images if _is_published(one.record) for diff_id in one.diff_ids}


def _is_published(record: ImageRecord) -> bool:
    return any(holding.owner.is_administrator for holding in record.holdings)


def _holdings(record: ImageRecord, tenant: Tenant) -> list[Holding]:
    return [holding for holding in record.holdings if tenant.sees(holding.owner)]
