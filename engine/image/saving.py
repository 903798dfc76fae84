"""Which images an archive is to hold, by the names that were asked for, and their layers held while it is written."""

from collections.abc import Iterator, Sequence
from contextlib import suppress

from engine.core.references import parse_reference
from engine.core.tenants import Tenant
from engine.errors import EngineError, NotFound
from engine.image.adoption import Adoption
from engine.image.archive_write import SavedImage, archive_blocks
from engine.image.catalog import Catalog
from engine.image.disk import ImageFolder
from engine.image.lookup import tag_of
from engine.image.records import Image
from engine.storage.layers import LayerStore


class ImageArchive:
    """An archive to be written once; ``close`` lets its layers go."""

    def __init__(self, images: Sequence[Image], blocks: Iterator[bytes], held: Sequence[str], adoption: Adoption) -> None:
        self.images = tuple(images)
        self._blocks = blocks
        self._held = held
        self._adoption = adoption

    def next_block(self) -> bytes:
        """Return the next piece, empty at the end. Blocks on the disk. Raises Fault, NotFound for a damaged layer."""
        return next(self._blocks, b"")

    def close(self) -> None:
        """Blocks on the disk."""
        self._blocks = iter(())
        held, self._held = self._held, ()
        self._adoption.release(held)


class Saver:
    """Opens archives for one tenant."""

    def __init__(
        self,
        catalog: Catalog,
        folder: ImageFolder,
        layers: LayerStore,
        adoption: Adoption,
        *,
        tenant: Tenant,
        default_domain: str,
    ) -> None:
        self._catalog = catalog
        self._folder = folder
        self._layers = layers
        self._adoption = adoption
        self._tenant = tenant
        self._default_domain = default_domain

    def open(self, names: Sequence[str]) -> ImageArchive:
        """Look all names up and hold what they mean. Raises NotFound, InvalidParameter."""
        chosen = self._chosen(names)
        images = [image for image, _ in chosen]
        held = [diff_id for image in images for diff_id in image.config.diff_ids]
        self._layers.hold(held)
        try:
            saved = [SavedImage(self._raw(image), image.config, tags) for image, tags in chosen]
        except BaseException:
            self._adoption.release(held)
            raise
        blocks = archive_blocks(saved, self._layers, default_domain=self._default_domain)
        return ImageArchive(images, blocks, held, self._adoption)

    def _raw(self, image: Image) -> bytes:
        try:
            return self._folder.raw_config(image.id)
        except FileNotFoundError:
            raise NotFound(f"No such image: {image.id}") from None

    def _chosen(self, names: Sequence[str]) -> list[tuple[Image, tuple[str, ...]]]:
        """Each image once, with all names that were asked for, in that order."""
        images: dict[str, Image] = {}
        tags: dict[str, dict[str, None]] = {}
        for name in names:
            for image, tag in self._meant(name):
                images.setdefault(image.id, image)
                tags.setdefault(image.id, {}).update({tag: None} if tag else {})
        return [(image, tuple(tags[image_id])) for image_id, image in images.items()]

    def _meant(self, name: str) -> list[tuple[Image, str]]:
        """A bare name means all tags of the repository, an id or digest the image without a name."""
        if tagged := self._repository(name):
            return tagged
        record = self._catalog.find(self._tenant, name)
        image = self._catalog.image(record, self._tenant)
        tag = tag_of(name, default_domain=self._default_domain)
        return [(image, tag if tag in self._catalog.tags(image.id, self._tenant) else "")]

    def _repository(self, name: str) -> list[tuple[Image, str]]:
        try:
            reference = parse_reference(name, default_domain=self._default_domain)
        except EngineError:
            return []
        if reference.tag or reference.digest:
            return []
        tags = [
            tag for _, tags in self._catalog.view(self._tenant) for tag in tags if parse_reference(tag).name == reference.name
        ]
        found = []
        for tag in sorted(set(tags)):
            with suppress(EngineError):  # which several members have
                found.append((self._catalog.image(self._catalog.find(self._tenant, tag), self._tenant), tag))
        return found
