"""Takes in the images of an archive: each layer is stored while it passes by, and let go again where no image wants it."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from engine.core.ids import short_id
from engine.core.image_config import ImageConfig, parse_image_config
from engine.core.json_parts import check_parts
from engine.core.platforms import Platform, fitness
from engine.core.references import parse_reference
from engine.core.tenants import Tenant
from engine.errors import InvalidParameter, NotFound
from engine.image.adoption import Adoption
from engine.image.archive import ArchivedImage, archived_images
from engine.image.archive_files import ArchiveFiles
from engine.image.archive_read import Content, read_archive
from engine.image.platform import host_platform
from engine.image.records import Image, Origin
from engine.storage.compression import Readable
from engine.storage.layers import Layer, LayerStore

# How tools name a plain layer by its diff id, or by an older id that is none and leads nowhere.
_NAMED_BY_ID = re.compile(r"(?:^|.*/)([0-9a-f]{64})(?:\.tar|/layer\.tar)?")
_TOLD_EVERY_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class LoadedImage:
    """One image of a loaded archive, and the names it got; ``replaced`` says which of the tenant's images had them before."""

    image: Image
    tags: tuple[str, ...]
    replaced: tuple[tuple[str, str], ...] = ()  # name and id


@dataclass(frozen=True, slots=True)
class LayerProgress:
    """How much of a layer, as it is in the archive, has been read."""

    short_id: str
    current: int
    total: int


Tell = Callable[[LayerProgress | LoadedImage], None]


class Loader:
    """One archive for one tenant. ``tell`` is called for images as they are there, and for layers that are being stored."""

    def __init__(self, layers: LayerStore, adoption: Adoption, *, tenant: Tenant, platform: Platform | None, tell: Tell) -> None:
        self._layers = layers
        self._adoption = adoption
        self._tenant = tenant
        self._platform = platform
        self._tell = tell
        self._held: list[str] = []

    def load(self, stream: Readable) -> list[LoadedImage]:
        """Raises InvalidParameter, NotFound for a platform that is not there; images before the bad one stay. Fault."""
        loaded = []
        try:
            files = read_archive(stream, self._take)
            for archived in archived_images(files, self._platform or host_platform()):
                loaded.append(self._adopt(files, archived))
                self._tell(loaded[-1])
        finally:
            self._adoption.release(self._held)
        return loaded

    def _take(self, path: str, content: Content, size: int) -> Layer:
        """Store a layer, or where its name says that it is stored already, only see whether that is true."""
        named = _NAMED_BY_ID.fullmatch(path)
        expected = f"sha256:{named[1]}" if named else ""
        if expected and self._layers.has(expected):
            layer = self._layers.unpack(content, expected=expected, owner=self._tenant)
        else:
            told = _Told(content, self._tell, named[1] if named else path, size)
            layer = self._layers.unpack(told, owner=self._tenant)
        self._held.append(layer.diff_id)
        return layer

    def _adopt(self, files: ArchiveFiles, archived: ArchivedImage) -> LoadedImage:
        check_parts(archived.raw_config, "the image configuration")
        config = parse_image_config(archived.raw_config)
        self._check_platform(config)
        tags = tuple(self._adoption.tag_text(name) for name in archived.names)
        self._check_layers(config, files, archived.layers)
        self._layers.hold(config.diff_ids)
        names = sorted({parse_reference(tag).name for tag in tags})
        origin = Origin(repo_digests=tuple(f"{name}@{digest}" for name in names for digest in archived.digests))
        before = self._adoption.named(self._tenant, tags)
        image = self._adoption.adopt(archived.raw_config, self._tenant, config.diff_ids, tags=tags, origin=origin)
        return LoadedImage(image, tags, tuple((tag, image_id) for tag, image_id in before.items() if image_id != image.id))

    def _check_platform(self, config: ImageConfig) -> None:
        if self._platform and fitness(config.platform, self._platform) is None:
            raise NotFound(f"the archive holds an image for {config.platform.text}, not for {self._platform.text}")

    def _check_layers(self, config: ImageConfig, files: ArchiveFiles, paths: Sequence[str]) -> None:
        if len(paths) != len(config.diff_ids):
            raise InvalidParameter(
                f"an image of the archive has {len(paths)} layers, but its configuration names {len(config.diff_ids)}"
            )
        for path, wanted in zip(paths, config.diff_ids, strict=True):
            if (diff_id := files.layer(path).diff_id) != wanted:
                raise InvalidParameter(f"a layer has the diff id {diff_id}, its image says {wanted}")


class _Told:
    """Content that tells how far it has been read."""

    def __init__(self, content: Content, tell: Tell, name: str, size: int) -> None:
        self._content = content
        self._tell = tell
        self._short_id = short_id(name)
        self._size = size
        self._at = 0
        self._told = -_TOLD_EVERY_BYTES

    def read(self, size: int, /) -> bytes:
        piece = self._content.read(size)
        self._at += len(piece)
        if piece and (self._at - self._told >= _TOLD_EVERY_BYTES or self._at == self._size):
            self._told = self._at
            self._tell(LayerProgress(self._short_id, self._at, self._size))
        return piece
