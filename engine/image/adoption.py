"""Taking images in: a record for layers that are stored, and what happens to layers that nobody wants any more.

Owns the lock under which records change. Whoever hands in layers holds them in the layer store; from then on it is this file that
gives them back, whatever happens.
"""

import threading
from collections.abc import Callable, Sequence

from engine.core.digests import sha256_of
from engine.core.image_config import ImageConfig, parse_image_config
from engine.core.json_parts import check_parts
from engine.core.references import parse_reference, parse_tagged
from engine.core.tenants import Tenant
from engine.core.timeformat import parse_time
from engine.errors import InvalidParameter, NotFound
from engine.image.catalog import Catalog
from engine.image.records import UNKNOWN_ORIGIN, Image, ImageRecord, Origin, with_holding, with_tags
from engine.storage.layers import LayerStore


class Adoption:
    """All methods may block on the disk."""

    def __init__(self, catalog: Catalog, layers: LayerStore, *, default_domain: str, now_ns: Callable[[], int]) -> None:
        self.lock = threading.Lock()
        self._catalog = catalog
        self._layers = layers
        self._default_domain = default_domain
        self._now_ns = now_ns

    def adopt(
        self, raw: bytes, tenant: Tenant, held: Sequence[str], *, tags: Sequence[str] = (), origin: Origin = UNKNOWN_ORIGIN
    ) -> Image:
        """Record an image whose layers are stored and held, then give them back.

        Raises InvalidParameter where the configuration names other layers than those: knowing an id gives nobody files.
        """
        try:
            check_parts(raw, "the image configuration")
            config = parse_image_config(raw)
            if not set(config.diff_ids) <= set(held):
                raise InvalidParameter("the image's configuration names layers that did not come with it")
            with self.lock:
                image_id = self._record(raw, config, tenant, origin, tags)
                self._catalog.settle_tags(image_id, tenant, {*tags})
                return self._catalog.image(self.known(image_id), tenant)
        finally:
            self.release(held)

    def known(self, image_id: str) -> ImageRecord:
        """Raises NotFound."""
        record = self._catalog.get(image_id)
        if record is None:
            raise NotFound(f"No such image: {image_id}")
        return record

    def named(self, owner: Tenant, tags: Sequence[str]) -> dict[str, str]:
        """Return the ids of the images that have names in a tenant's own scope, by name; in the order of the names."""
        wanted, found = {*tags}, dict[str, str]()
        for record in self._catalog.records():
            if (own := record.holding_of(owner)) is not None:
                found.update(dict.fromkeys(own.tags.keys() & wanted, record.image_id))
        return {tag: found[tag] for tag in tags if tag in found}

    def tag_text(self, reference: str) -> str:
        """Return a name to give to an image in the one form that is kept. Raises InvalidParameter."""
        return parse_tagged(reference, default_domain=self._default_domain).text

    def digest_text(self, reference: str) -> str:
        """Return ``name@digest`` in the one form that is kept. Raises InvalidParameter."""
        parsed = parse_reference(reference, default_domain=self._default_domain)
        if not parsed.digest:
            raise InvalidParameter(f"invalid reference format {reference[:255]!r}: a digest is to follow an @")
        return f"{parsed.name}@{parsed.digest}"

    def release(self, diff_ids: Sequence[str]) -> None:
        """Give held layers back, and remove those that no image has."""
        with self.lock:
            self._layers.release(diff_ids)
            self.drop_layers(diff_ids)

    def drop_layers(self, diff_ids: Sequence[str]) -> int:
        """Remove those of the layers that no image has; return the bytes of their files. The lock is held by the caller.

        What another call is just reading in is held and stays.
        """
        wanted, freed = self._catalog.wanted_layers(), 0
        for diff_id in dict.fromkeys(diff_ids):
            if diff_id not in wanted and self._layers.has(diff_id):
                size = self._layers.get(diff_id).size
                freed += size if self._layers.remove(diff_id) else 0
        return freed

    def _record(self, raw: bytes, config: ImageConfig, tenant: Tenant, origin: Origin, tags: Sequence[str]) -> str:
        """With its names at once: each time that a record is written somebody waits for the disk."""
        image_id = sha256_of(raw)
        known = self._catalog.get(image_id)
        record = with_holding(known or self._new(image_id, config), tenant, origin)
        if tags:
            record = with_tags(record, tenant, tags, self._now_ns())
        if known is not None:
            self._catalog.save(record)
        else:
            self._catalog.add(record, config, raw)
        return image_id

    def _new(self, image_id: str, config: ImageConfig) -> ImageRecord:
        size = sum(self._layers.get(diff_id).size for diff_id in config.diff_ids)
        return ImageRecord(image_id, size, parse_time(config.created, now_ns=self._now_ns()) or 0)
