"""What the engine knows of an image beside its configuration: who holds it, under which names. Pure.

An image is stored once, whoever brought it. Each tenant that imported, loaded or tagged it has a holding; when the last holding
goes, the image goes.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from engine.core.image_config import ImageConfig
from engine.core.tenants import Tenant
from engine.errors import InvalidParameter

MOST_NAMES = 4096  # of one image in one tenant's scope: its record is written anew with each


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


def with_tags(record: ImageRecord, owner: Tenant, tags: Collection[str], now_ns: int) -> ImageRecord:
    """Name the image in a tenant's scope. Raises InvalidParameter where it would have too many names there."""
    held = with_holding(record, owner)
    return replace(held, holdings=tuple(_tagged(one, tags, now_ns) if one.owner == owner else one for one in held.holdings))


def without_tags(record: ImageRecord, owner: Tenant, tags: Collection[str]) -> ImageRecord:
    """Take names away; the holding stays."""
    return replace(record, holdings=tuple(_untagged(one, tags) if one.owner == owner else one for one in record.holdings))


def with_tag(record: ImageRecord, owner: Tenant, tag: str, now_ns: int) -> ImageRecord:
    """As ``with_tags``, one name."""
    return with_tags(record, owner, (tag,), now_ns)


def without_tag(record: ImageRecord, owner: Tenant, tag: str) -> ImageRecord:
    """As ``without_tags``, one name."""
    return without_tags(record, owner, (tag,))


def without_digest(record: ImageRecord, owner: Tenant, repo_digest: str) -> ImageRecord:
    """Take ``name@digest`` away; the holding stays."""
    return replace(
        record, holdings=tuple(_undigested(one, repo_digest) if one.owner == owner else one for one in record.holdings)
    )


def without_holding(record: ImageRecord, owner: Tenant) -> ImageRecord:
    """Take a tenant's claim away, with all its names."""
    return replace(record, holdings=tuple(one for one in record.holdings if one.owner != owner))


def _tagged(holding: Holding, tags: Collection[str], now_ns: int) -> Holding:
    named = {**holding.tags, **dict.fromkeys(tags, now_ns)}
    if len(named) > max(MOST_NAMES, len(holding.tags)):
        raise InvalidParameter(f"an image would have {len(named)} names, at most {MOST_NAMES} are kept: remove some")
    return replace(holding, tags=named)


def _untagged(holding: Holding, tags: Collection[str]) -> Holding:
    return replace(holding, tags={name: time for name, time in holding.tags.items() if name not in tags})


def _undigested(holding: Holding, repo_digest: str) -> Holding:
    return replace(holding, repo_digests=tuple(one for one in holding.repo_digests if one != repo_digest))
