"""Carries out removals: of a name, of an image with the nameless parents that nobody else needs, of everything that is spare.

The caller holds the lock under which records change. Who uses an image is asked of the caller.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache

from engine.core.references import parse_reference
from engine.core.tenants import Tenant
from engine.errors import Conflict, Forbidden
from engine.image.catalog import Catalog
from engine.image.family import LayerCensus, built_leaves, is_spare, parents_of
from engine.image.lookup import tag_of, visible_holdings
from engine.image.records import Holding, Image, ImageRecord, without_holding
from engine.image.removal import ImageUse, Removal, plan_removal_by_id, plan_removal_by_name

InUse = Callable[[str], Sequence[ImageUse]]
"""Answers, for an image id, which containers (of any tenant) were made from it."""
IsWanted = Callable[[Image], bool]
DropLayers = Callable[[Sequence[str]], int]
"""Removes those of the layers that no image has; answers the bytes of their files."""


@dataclass(frozen=True, slots=True)
class RemovedItem:
    """A name that went, or an image (or, without ``image``, a layer) that is gone for the tenant."""

    untagged: str = ""
    deleted: str = ""
    image: Image | None = None


@dataclass(slots=True)
class Removed:
    """Everything in the order in which it went, and the bytes that the disk got back."""

    items: list[RemovedItem] = field(default_factory=list)
    freed_bytes: int = 0


class Remover:
    """One removal on behalf of one tenant, of however many images."""

    def __init__(self, catalog: Catalog, tenant: Tenant, *, drop_layers: DropLayers, in_use: InUse, default_domain: str) -> None:
        self.removed = Removed()
        self._catalog = catalog
        self._drop_layers = drop_layers
        self._tenant = tenant
        self._in_use = cache(in_use)
        self._default_domain = default_domain
        self._census = LayerCensus(image for image, _ in catalog.view(tenant))

    def remove(self, name: str, *, force: bool = False, prunes: bool = True) -> None:
        """Remove a name or an image. Raises NotFound, Conflict, Forbidden."""
        record = self._catalog.find(self._tenant, name)
        removal = self._plan(record, name, force=force)
        self._carry_out(record, removal)
        if prunes:
            for holding in removal.dropped:
                self._remove_spare_parents(holding)

    def prune(self, *, dangling_only: bool, is_wanted: IsWanted) -> None:
        """Remove the tenant's own images that have no tag, or all of them, but for those that something needs."""
        for record, own in self._own():
            is_kept = (own.tags and dangling_only) or (not own.is_named and self._has_children(record))
            if not is_kept and is_wanted(self._catalog.image(record, self._tenant)):
                self._prune_one(record.image_id, own)

    def prune_builds(self, is_wanted: IsWanted) -> None:
        """Remove the tenant's own nameless images of builds from which no image with a name or container descends."""

        def chosen(record: ImageRecord) -> bool:
            return not self._in_use(record.image_id) and is_wanted(self._catalog.image(record, self._tenant))

        while leaves := built_leaves(self._catalog.records(), self._tenant, chosen):
            for record in leaves:
                self._drop(record, self._tenant)

    def _own(self) -> list[tuple[ImageRecord, Holding]]:
        records = self._catalog.records()
        return [(record, own) for record in records if (own := record.holding_of(self._tenant)) is not None]

    def _has_children(self, record: ImageRecord) -> bool:
        return self._tenant in parents_of(self._catalog.records(), record.image_id)

    def _prune_one(self, image_id: str, own: Holding) -> None:
        if (record := self._catalog.get(image_id)) is None or record.holding_of(self._tenant) is None:
            return  # it went as somebody's parent
        for name in (*own.tags, *own.repo_digests) if own.is_named else (image_id,):
            with suppress(Conflict, Forbidden):
                self._remove_own(image_id, name)

    def _remove_own(self, image_id: str, name: str) -> None:
        """By record, since the nearest image of a name is the tenant's own, but another may have gone before."""
        record = self._catalog.get(image_id)
        if record is None or (own := record.holding_of(self._tenant)) is None:
            return
        if name != image_id and name not in (*own.tags, *own.repo_digests):
            return
        removal = self._plan(record, name, force=False)
        self._carry_out(record, removal)
        for holding in removal.dropped:
            self._remove_spare_parents(holding)

    def _plan(self, record: ImageRecord, name: str, *, force: bool) -> Removal:
        uses = self._in_use(record.image_id)
        parents = parents_of(self._catalog.records(), record.image_id)
        text = _name_in(record, self._tenant, name, self._default_domain)
        if text:
            return plan_removal_by_name(record, self._tenant, text, force=force, uses=uses, parents=parents)
        return plan_removal_by_id(record, self._tenant, force=force, uses=uses, parents=parents)

    def _carry_out(self, record: ImageRecord, removal: Removal) -> None:
        image = self._catalog.image(record, self._tenant)
        self.removed.items.extend(RemovedItem(untagged=name, image=image) for name in removal.untagged)
        self._store(record, removal.record, image, is_deleted=removal.is_deleted)

    def _store(self, before: ImageRecord, after: ImageRecord, image: Image, *, is_deleted: bool) -> None:
        is_used = bool(self._in_use(before.image_id))
        if after.holdings or is_used:
            self._catalog.save(after)
        else:
            self.removed.freed_bytes += self._drop_layers(self._catalog.delete(before))
        if is_deleted:
            self.removed.items.append(RemovedItem(deleted=image.id, image=image))
            layers = [] if is_used else self._census.remove(image)
            self.removed.items.extend(RemovedItem(deleted=chain_id) for chain_id in layers)

    def _remove_spare_parents(self, child: Holding) -> None:
        parent = child.parent
        while parent and (record := self._catalog.get(parent)) is not None:
            held = record.holding_of(child.owner)
            if held is None or not is_spare(record, held, self._catalog.records(), self._in_use(parent)):
                return
            self._drop(record, child.owner)
            parent = held.parent

    def _drop(self, record: ImageRecord, owner: Tenant) -> None:
        after = without_holding(record, owner)
        image = self._catalog.image(record, self._tenant)
        self._store(record, after, image, is_deleted=not visible_holdings(after, self._tenant))


def _name_in(record: ImageRecord, tenant: Tenant, name: str, default_domain: str) -> str:
    """Return the name that is meant, as the record has it; empty where an id is."""
    text = tag_of(name, default_domain=default_domain)
    if not text:
        return ""
    reference = parse_reference(text)
    wanted = f"{reference.name}@{reference.digest}" if reference.digest else text
    names: Iterable[str] = (one for held in visible_holdings(record, tenant) for one in (*held.tags, *held.repo_digests))
    return wanted if wanted in names else ""
