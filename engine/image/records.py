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
    """One tenant's claim. ``tags`` maps a reference's text to when it was given, in nanoseconds since 1970.

    ``parent`` and ``step`` say what the tenant made the image from, and by which instruction of a build; ``repo_digests`` are
    ``name@digest`` of the manifests by which it came. They are the tenant's own: to whoever else has the image they tell nothing.

    ``sources`` are the names by which it was pulled, or those of what it was made from: unlike tags nobody can give them at will.
    """

    owner: Tenant
    tags: Mapping[str, int] = field(default_factory=dict)
    parent: str = ""
    step: str = ""
    repo_digests: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()

    @property
    def is_named(self) -> bool:
        return bool(self.tags or self.repo_digests)


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """The record on disk. Without holdings it is kept for its containers only and shown to nobody."""

    image_id: str
    size: int
    created_ns: int
    holdings: tuple[Holding, ...] = ()

    def holding_of(self, owner: Tenant) -> Holding | None:
        return next((holding for holding in self.holdings if holding.owner == owner), None)


@dataclass(frozen=True, slots=True)
class Image:
    """An image as one tenant sees it; ``owner`` is through whom. ``size`` counts the bytes of all its layers' files.

    ``parent`` is empty where the tenant does not see it.
    """

    id: str
    owner: Tenant
    config: ImageConfig
    size: int
    created_ns: int
    parent: str = ""
    repo_digests: tuple[str, ...] = ()
    tagged_ns: int | None = None  # when it got its latest name


@dataclass(frozen=True, slots=True)
class Origin:
    """How a tenant came by an image; see Holding."""

    parent: str = ""
    step: str = ""
    repo_digests: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()


UNKNOWN_ORIGIN = Origin()


def with_holding(record: ImageRecord, owner: Tenant, origin: Origin = UNKNOWN_ORIGIN) -> ImageRecord:
    """Give a tenant a holding, if it has none. What one knew of its origin stays."""
    held = record.holding_of(owner) or Holding(owner)
    told = replace(
        held,
        parent=held.parent or origin.parent,
        step=held.step or origin.step,
        repo_digests=tuple(dict.fromkeys((*held.repo_digests, *origin.repo_digests))),
        sources=tuple(dict.fromkeys((*held.sources, *origin.sources))),
    )
    others = (one for one in record.holdings if one.owner != owner)
    return replace(record, holdings=(*others, told))


def with_tag(record: ImageRecord, owner: Tenant, tag: str, now_ns: int) -> ImageRecord:
    """Name the image in a tenant's scope."""
    held = with_holding(record, owner)
    return replace(held, holdings=tuple(_tagged(one, tag, now_ns) if one.owner == owner else one for one in held.holdings))


def without_tag(record: ImageRecord, owner: Tenant, tag: str) -> ImageRecord:
    """Take a name away; the holding stays."""
    return replace(record, holdings=tuple(_untagged(one, tag) if one.owner == owner else one for one in record.holdings))


def without_digest(record: ImageRecord, owner: Tenant, repo_digest: str) -> ImageRecord:
    """Take ``name@digest`` away; the holding stays."""
    return replace(
        record, holdings=tuple(_undigested(one, repo_digest) if one.owner == owner else one for one in record.holdings)
    )


def without_holding(record: ImageRecord, owner: Tenant) -> ImageRecord:
    """Take a tenant's claim away, with all its names."""
    return replace(record, holdings=tuple(one for one in record.holdings if one.owner != owner))


def _tagged(holding: Holding, tag: str, now_ns: int) -> Holding:
    return replace(holding, tags={**holding.tags, tag: now_ns})


def _untagged(holding: Holding, tag: str) -> Holding:
    return replace(holding, tags={name: time for name, time in holding.tags.items() if name != tag})


def _undigested(holding: Holding, repo_digest: str) -> Holding:
    return replace(holding, repo_digests=tuple(one for one in holding.repo_digests if one != repo_digest))
