"""All image records of a host in memory, kept equal to the disk: what is not written is not remembered either.

Reading is safe from any thread and never waits: records are never changed in place, and the mapping of them is replaced whole.
Whoever changes something holds the image store's lock.
"""

import logging
from collections.abc import Collection, Iterator, Mapping, Set
from dataclasses import dataclass, replace
from typing import Protocol

from engine.core.admitting import Admit, admit_all
from engine.core.image_config import ImageConfig
from engine.core.record_shares import RecordShares
from engine.core.records import dump_record
from engine.core.tenants import Tenant
from engine.errors import Fault, NotFound, reason_of
from engine.image.lookup import find, nearest_names, sources_of, tags_for, visible_holdings
from engine.image.records import Holding, Image, ImageRecord, Origin, with_holding, with_tag, without_tag, without_tags
from engine.image.shares import HeldImage, SizeOf, admit_change
from engine.image.steps import StepIndex

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Entry:
    """``weight`` are the bytes of the configuration as a record."""

    record: ImageRecord
    config: ImageConfig
    weight: int


class Folder(Protocol):
    """Where records are kept."""

    def load(self) -> Iterator[tuple[ImageRecord, ImageConfig]]: ...
    def add(self, record: ImageRecord, raw_config: bytes) -> None: ...
    def save(self, record: ImageRecord) -> None: ...
    def discard(self, image_id: str) -> None: ...


class Catalog:
    """Looks up and changes records; knows no layer beyond its id."""

    def __init__(self, folder: Folder, *, default_domain: str, admit: Admit = admit_all, size_of: SizeOf = lambda _: 0) -> None:
        """``size_of`` tells the bytes of a layer, which ``admit`` is asked for."""
        self._folder = folder
        self._admit = admit
        self._size_of = size_of
        self._default_domain = default_domain
        self._entries: Mapping[str, _Entry] = {record.image_id: _entry(record, config) for record, config in folder.load()}
        self._steps = StepIndex()
        self._shares = RecordShares("images")
        for entry in self._entries.values():
            self._note(None, entry)
        self._settle_tags()

    def get(self, image_id: str) -> ImageRecord | None:
        entry = self._entries.get(image_id)
        return entry.record if entry else None

    def find(self, tenant: Tenant, name: str) -> ImageRecord:
        """Raises NotFound, InvalidParameter."""
        return find(self.records(), tenant, name, default_domain=self._default_domain)

    def view(self, tenant: Tenant) -> list[tuple[Image, list[str]]]:
        """Return what a tenant sees with the names it has there, newest first."""
        records = self.records()
        nearest = nearest_names(records, tenant)
        seen = [record for record in records if visible_holdings(record, tenant)]
        seen.sort(key=lambda record: (record.created_ns, record.image_id), reverse=True)
        return [(self.image(record, tenant), tags_for(nearest, record, tenant)) for record in seen]

    def unused(self, used_image_ids: Collection[str]) -> list[ImageRecord]:
        """Return the records that nobody holds and no container needs."""
        return [one for one in self.records() if not one.holdings and one.image_id not in used_image_ids]

    def newest_step(self, tenant: Tenant, *, parent: str, step: str) -> ImageRecord | None:
        """Return the tenant's own image that it made of a parent by a step."""
        made = [record for one in self._steps.find(tenant, parent=parent, step=step) if (record := self.get(one)) is not None]
        return max(made, key=lambda record: (record.created_ns, record.image_id), default=None)

    def wanted_layers(self) -> set[str]:
        """Return the diff ids of all images."""
        return {diff_id for entry in self._entries.values() for diff_id in entry.config.diff_ids}

    def image(self, record: ImageRecord, tenant: Tenant) -> Image:
        """Show a record as the tenant sees it. Raises NotFound if it went meanwhile."""
        entry = self._entries.get(record.image_id)
        if entry is None:
            raise NotFound(f"No such image: {record.image_id}")
        holdings = visible_holdings(record, tenant)
        owner = holdings[0].owner if holdings else tenant
        digests = tuple(sorted({digest for holding in holdings for digest in holding.repo_digests}))
        parent = next((one.parent for one in holdings if one.parent and self.is_visible(one.parent, tenant)), "")
        tagged_ns = max((time_ns for holding in holdings for time_ns in holding.tags.values()), default=None)
        return Image(record.image_id, owner, entry.config, record.size, record.created_ns, parent, digests, tagged_ns)

    def is_visible(self, image_id: str, tenant: Tenant) -> bool:
        """Whether the image is there and exists for the tenant."""
        record = self.get(image_id)
        return record is not None and bool(visible_holdings(record, tenant))

    def sources(self, image_id: str, tenant: Tenant) -> tuple[str, ...]:
        """Return what an image is known as by those who can be believed; nothing if it went meanwhile."""
        record = self.get(image_id)
        return sources_of(record, tenant) if record else ()

    def sees_layer(self, tenant: Tenant, diff_id: str) -> bool:
        """Whether an image that the tenant sees has the layer."""
        return any(
            diff_id in entry.config.diff_ids and visible_holdings(entry.record, tenant) for entry in self._entries.values()
        )

    def records(self) -> list[ImageRecord]:
        """Return all records."""
        return [entry.record for entry in self._entries.values()]

    def config(self, image_id: str) -> ImageConfig:
        """Return the configuration of a known image."""
        return self._entries[image_id].config

    def tags(self, image_id: str, tenant: Tenant) -> list[str]:
        """Return the names of an image; none if it went meanwhile."""
        record = self.get(image_id)
        return tags_for(nearest_names(self.records(), tenant), record, tenant) if record else []

    def add(self, record: ImageRecord, config: ImageConfig, raw_config: bytes) -> None:
        """Take in a new image. Raises Fault, QuotaExceeded."""
        entry = _entry(record, config)
        self._check(None, entry)
        try:
            self._folder.add(record, raw_config)
        except OSError as error:
            self._folder.discard(record.image_id)
            raise Fault(f"cannot store image {record.image_id}: {reason_of(error)}") from error
        self._entries = {**self._entries, record.image_id: entry}
        self._note(None, entry)

    def save(self, record: ImageRecord) -> None:
        """Change who holds a known image. Raises Fault, QuotaExceeded."""
        entry = self._entries[record.image_id]
        if record == entry.record:
            return
        changed = replace(entry, record=record)
        self._check(entry, changed)
        try:
            self._folder.save(record)
        except OSError as error:
            raise Fault(f"cannot store image {record.image_id}: {reason_of(error)}") from error
        self._entries = {**self._entries, record.image_id: changed}
        self._note(entry, changed)

    def _check(self, before: _Entry | None, after: _Entry) -> None:
        """A holding that stays as it was may be too large already: nobody else is to suffer from that."""
        old = before.record.holdings if before is not None else ()
        changed = tuple(holding for holding in after.record.holdings if holding not in old)
        for holding in changed:
            self._shares.check(*_share(after, holding))
        for holding in changed:
            self.admit(after.record, after.config.diff_ids, holding.owner)

    def admit(self, record: ImageRecord, diff_ids: tuple[str, ...], owner: Tenant, *, size_of: SizeOf | None = None) -> None:
        """Ask whether an owner may have an image as the record tells. Raises QuotaExceeded."""
        admit_change(self._admit, self.held, HeldImage(record, diff_ids), owner=owner, size_of=size_of or self._size_of)

    def held(self) -> list[HeldImage]:
        """Return who has which images, of which layers."""
        return [HeldImage(entry.record, entry.config.diff_ids) for entry in self._entries.values()]

    def _note(self, before: _Entry | None, after: _Entry | None) -> None:
        if before is not None:
            for holding in before.record.holdings:
                self._shares.drop(_share(before, holding)[0])
        if after is not None:
            for holding in after.record.holdings:
                self._shares.put(*_share(after, holding))
        self._steps.change(before.record if before is not None else None, after.record if after is not None else None)

    def delete(self, record: ImageRecord) -> tuple[str, ...]:
        """Forget an image; return its diff ids."""
        self._folder.discard(record.image_id)
        gone = self._entries[record.image_id]
        self._entries = {image_id: entry for image_id, entry in self._entries.items() if entry is not gone}
        self._note(gone, None)
        return gone.config.diff_ids

    def give_tag(self, image_id: str, owner: Tenant, tag: str, now_ns: int) -> None:
        """Name an image in a scope, and take the name from whichever image had it there."""
        self.save(with_tag(self._entries[image_id].record, owner, tag, now_ns))
        self.settle_tags(image_id, owner, {tag})

    def settle_tags(self, image_id: str, owner: Tenant, tags: Set[str]) -> None:
        """Take names that an image has just been given from whichever other image had them in that scope.

        First the gain, then the loss: a host that stops in between has a name twice, and the later one counts.
        """
        for record in self.records():
            if record.image_id != image_id and (own := record.holding_of(owner)) is not None and (lost := own.tags.keys() & tags):
                self.save(without_tags(record, owner, lost))

    def note_digest(self, image_id: str, owner: Tenant, repo_digest: str) -> None:
        """Remember where an image of a tenant's is; nothing where the tenant has none of its own."""
        record = self.get(image_id)
        if record is not None and record.holding_of(owner) is not None:
            self.save(with_holding(record, owner, Origin(repo_digests=(repo_digest,))))

    def _settle_tags(self) -> None:
        """Finish moves of names that a stopping host cut in two."""
        newest: dict[tuple[Tenant, str], tuple[int, str]] = {}
        for record in self.records():
            for name, time_ns in _names_of(record).items():
                newest[name] = max(newest.get(name, (0, "")), (time_ns, record.image_id))
        for record in self.records():
            for owner, tag in _names_of(record):
                if newest[owner, tag][1] != record.image_id:
                    _log.warning("image name %s of %r was being moved when the host stopped: finished", tag, owner.name)
                    self.save(without_tag(self._entries[record.image_id].record, owner, tag))


def _entry(record: ImageRecord, config: ImageConfig) -> _Entry:
    return _Entry(record, config, len(dump_record(config)))


def _share(entry: _Entry, holding: Holding) -> tuple[str, Tenant, int]:
    """What an image weighs for one who has it: its configuration, and the names that it was given."""
    key = f"{entry.record.image_id} {holding.owner.name}"
    return key, holding.owner, entry.weight + len(dump_record(holding))


def _names_of(record: ImageRecord) -> dict[tuple[Tenant, str], int]:
    return {(holding.owner, tag): time_ns for holding in record.holdings for tag, time_ns in holding.tags.items()}
