"""What the engine knows of an image beside its configuration: who holds it, under which names. Pure.

An image is stored once, whoever brought it. Each tenant that imported, loaded or tagged it has a holding; when the last holding
goes, the image goes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from engine.core.image_config import ImageConfig
from engine.core.tenants import Tenant


@dataclass(frozen=True, slots=True)
class Holding:
    """One tenant's claim. ``tags`` maps a reference's text to when it was given, in nanoseconds since 1970."""

    owner: Tenant
    tags: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """The record on disk. Without holdings it is kept for its containers only and shown to nobody."""

    image_id: str
    size: int
    created_ns: int
    holdings: tuple[Holding, ...] = ()
    digests: tuple[str, ...] = ()  # of manifests that it came with

    def holding_of(self, owner: Tenant) -> Holding | None:
        return next((holding for holding in self.holdings if holding.owner == owner), None)


@dataclass(frozen=True, slots=True)
class Image:
    """An image as one tenant sees it; ``owner`` is through whom. ``size`` counts the bytes of all its layers' files."""

    id: str
    owner: Tenant
    config: ImageConfig
    size: int
    created_ns: int
    digests: tuple[str, ...] = ()


def with_holding(record: ImageRecord, owner: Tenant, digests: tuple[str, ...] = ()) -> ImageRecord:
    """Give a tenant a holding, if it has none."""
    holdings = record.holdings if record.holding_of(owner) else (*record.holdings, Holding(owner))
    return replace(record, holdings=holdings, digests=tuple(dict.fromkeys((*record.digests, *digests))))


def with_tag(record: ImageRecord, owner: Tenant, tag: str, now_ns: int) -> ImageRecord:
    """Name the image in a tenant's scope."""
    held = with_holding(record, owner)
    return replace(held, holdings=tuple(_tagged(one, tag, now_ns) if one.owner == owner else one for one in held.holdings))


def without_tag(record: ImageRecord, owner: Tenant, tag: str) -> ImageRecord:
    """Take a name away; the holding stays."""
    return replace(record, holdings=tuple(_untagged(one, tag) if one.owner == owner else one for one in record.holdings))


def without_holding(record: ImageRecord, owner: Tenant) -> ImageRecord:
    """Take a tenant's claim away, with all its names."""
    return replace(record, holdings=tuple(one for one in record.holdings if one.owner != owner))


def _tagged(holding: Holding, tag: str, now_ns: int) -> Holding:
    return replace(holding, tags={**holding.tags, tag: now_ns})


def _untagged(holding: Holding, tag: str) -> Holding:
    return replace(holding, tags={name: time for name, time in holding.tags.items() if name != tag})
