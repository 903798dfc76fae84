"""All image records of a host in memory, kept equal to the disk: what is not written is not remembered either.

Not thread-safe; the image store holds its lock around every call.
"""

import logging
from collections.abc import Collection

from engine.core.image_config import ImageConfig
from engine.core.tenants import Tenant
from engine.errors import Fault
from engine.image.disk import ImageFolder
from engine.image.lookup import find, tags_for, visible_holdings
from engine.image.records import Image, ImageRecord, with_tag, without_tag

_log = logging.getLogger(__name__)


class Catalog:
    """Looks up and changes records; knows no layer beyond its id."""

    def __init__(self, folder: ImageFolder, *, default_domain: str) -> None:
        self._folder = folder
        self._default_domain = default_domain
        self._records: dict[str, ImageRecord] = {}
        self._configs: dict[str, ImageConfig] = {}
        for record, config in folder.load():
            self._records[record.image_id], self._configs[record.image_id] = record, config
        self._settle_tags()

    def get(self, image_id: str) -> ImageRecord | None:
        return self._records.get(image_id)

    def find(self, tenant: Tenant, name: str) -> ImageRecord:
        """Raises NotFound, InvalidParameter."""
        return find(self._records.values(), tenant, name, default_domain=self._default_domain)

    def visible(self, tenant: Tenant) -> list[ImageRecord]:
        """Return what a tenant sees, newest first."""
        seen = [record for record in self._records.values() if visible_holdings(record, tenant)]
        return sorted(seen, key=lambda record: (record.created_ns, record.image_id), reverse=True)

    def unused(self, used_image_ids: Collection[str]) -> list[ImageRecord]:
        """Return the records that nobody holds and no container needs."""
        return [one for one in self._records.values() if not one.holdings and one.image_id not in used_image_ids]

    def wanted_layers(self) -> set[str]:
        """Return the diff ids of all images."""
        return {diff_id for config in self._configs.values() for diff_id in config.diff_ids}

    def image(self, record: ImageRecord, tenant: Tenant) -> Image:
        """Show a record as the tenant sees it."""
        holdings = visible_holdings(record, tenant)
        owner = holdings[0].owner if holdings else tenant
        config = self._configs[record.image_id]
        return Image(record.image_id, owner, config, record.size, record.created_ns, record.digests)

    def tags(self, record: ImageRecord, tenant: Tenant) -> list[str]:
        return tags_for(self._records.values(), record, tenant)

    def add(self, record: ImageRecord, config: ImageConfig, raw_config: bytes) -> None:
        """Take in a new image. Raises Fault."""
        try:
            self._folder.add(record, raw_config)
        except OSError as error:
            self._folder.discard(record.image_id)
            raise Fault(f"cannot store image {record.image_id}: {error}") from error
        self._records[record.image_id], self._configs[record.image_id] = record, config

    def save(self, record: ImageRecord) -> None:
        """Change who holds a known image. Raises Fault."""
        if record == self._records[record.image_id]:
            return
        try:
            self._folder.save(record)
        except OSError as error:
            raise Fault(f"cannot store image {record.image_id}: {error}") from error
        self._records[record.image_id] = record

    def delete(self, record: ImageRecord) -> tuple[str, ...]:
        """Forget an image; return its diff ids."""
        self._folder.discard(record.image_id)
        del self._records[record.image_id]
        return self._configs.pop(record.image_id).diff_ids

    def give_tag(self, image_id: str, owner: Tenant, tag: str, now_ns: int) -> None:
        """Name an image in a scope, and take the name from whichever image had it there."""
        # First the gain, then the loss: a host that stops in between has the name twice, and the later one counts.
        self.save(with_tag(self._records[image_id], owner, tag, now_ns))
        for record in list(self._records.values()):
            if record.image_id != image_id and (owner, tag) in _names_of(record):
                self.save(without_tag(record, owner, tag))

    def _settle_tags(self) -> None:
        """Finish moves of names that a stopping host cut in two."""
        newest: dict[tuple[Tenant, str], tuple[int, str]] = {}
        for record in self._records.values():
            for name, time_ns in _names_of(record).items():
                newest[name] = max(newest.get(name, (0, "")), (time_ns, record.image_id))
        for record in list(self._records.values()):
            for owner, tag in _names_of(record):
                if newest[owner, tag][1] != record.image_id:
                    _log.warning("image name %s of %r was being moved when the host stopped: finished", tag, owner.name)
                    self.save(without_tag(self._records[record.image_id], owner, tag))


def _names_of(record: ImageRecord) -> dict[tuple[Tenant, str], int]:
    return {(holding.owner, tag): time_ns for holding in record.holdings for tag, time_ns in holding.tags.items()}
