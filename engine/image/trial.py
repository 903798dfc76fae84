"""What a removal would come to: carried out on records in memory alone, which nobody else sees.

Owns that nothing of it reaches the disk, the images or the layers.
"""

from collections.abc import Iterator, Sequence

from engine.core.image_config import ImageConfig
from engine.image.catalog import Catalog
from engine.image.records import ImageRecord
from engine.storage.layers import LayerStore


class Trial:
    """A catalog of its own, to be used instead of the one that it was made of, and then dropped."""

    def __init__(self, catalog: Catalog, layers: LayerStore, *, default_domain: str) -> None:
        self.catalog = Catalog(_Nowhere(catalog), default_domain=default_domain)
        self._layers = layers
        self._dropped: set[str] = set()

    def drop_layers(self, diff_ids: Sequence[str]) -> int:
        """Return the bytes of those layers that no image would have any more. One that is just being read in counts too."""
        gone = set(diff_ids) - self.catalog.wanted_layers() - self._dropped
        self._dropped |= gone
        return sum(self._layers.get(diff_id).size for diff_id in gone if self._layers.has(diff_id))


class _Nowhere:
    """A folder of records that are read from another catalog, and written nowhere."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def load(self) -> Iterator[tuple[ImageRecord, ImageConfig]]:
        for record in self._catalog.records():
            yield record, self._catalog.config(record.image_id)

    def add(self, record: ImageRecord, raw_config: bytes) -> None:
        """Nothing is kept."""

    def save(self, record: ImageRecord) -> None:
        """Nothing is kept."""

    def discard(self, image_id: str) -> None:
        """Nothing is there."""
