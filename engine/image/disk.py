"""Image records on disk: a folder for each image with its configuration, byte for byte, and who holds it.

<root>/<hex>/config.json   hashes to the image's id
<root>/<hex>/image.json    ImageRecord, written last: a folder without it is half made and goes to the trash
<root>/damaged/            records that cannot be read, kept for a person to look at
"""

import logging
import secrets
from collections.abc import Iterator
from pathlib import Path

from engine.core.digests import hex_of, is_digest, sha256_of
from engine.core.image_config import ImageConfig, parse_image_config
from engine.core.records import dump_record, parse_record
from engine.errors import InvalidParameter
from engine.image.records import ImageRecord
from engine.storage.files import write_record
from engine.storage.layers import LayerStore
from engine.storage.trash import Trash

_log = logging.getLogger(__name__)


class ImageFolder:
    """Reads and writes records; keeps nothing in memory."""

    def __init__(self, root: Path, layers: LayerStore, trash: Trash) -> None:
        self._root = root
        self._layers = layers
        self._trash = trash
        root.chmod(0o700)
        trash.discard(root / "staging")  # where former versions spooled archives

    def load(self) -> Iterator[tuple[ImageRecord, ImageConfig]]:
        """Yield every sound image; put the others aside with a message."""
        for folder in sorted(self._root.iterdir()):
            if not is_digest(f"sha256:{folder.name}"):
                continue
            if not (folder / "image.json").exists():
                self._trash.discard(folder)
                continue
            try:
                yield self._read(folder)
            except (OSError, ValueError, InvalidParameter) as error:
                self._put_aside(folder, error)

    def _read(self, folder: Path) -> tuple[ImageRecord, ImageConfig]:
        record = parse_record(ImageRecord, (folder / "image.json").read_bytes())
        raw = (folder / "config.json").read_bytes()
        if record.image_id != f"sha256:{folder.name}" or sha256_of(raw) != record.image_id:
            raise ValueError("its configuration does not hash to its id")
        config = parse_image_config(raw)
        missing = [diff_id for diff_id in config.diff_ids if not self._layers.has(diff_id)]
        if missing:
            raise ValueError(f"its layer {missing[0]} is missing")
        return record, config

    def _put_aside(self, folder: Path, error: Exception) -> None:
        damaged = self._root / "damaged"
        damaged.mkdir(exist_ok=True, mode=0o700)
        place = damaged / f"{folder.name}-{secrets.token_hex(4)}"
        folder.rename(place)
        _log.error("image %s is damaged: %s; its record was moved to %s, load the image again", folder.name[:12], error, place)

    def add(self, record: ImageRecord, raw_config: bytes) -> None:
        """Write a new image."""
        folder = self._folder(record.image_id)
        folder.mkdir(mode=0o700, exist_ok=True)
        write_record(folder / "config.json", raw_config)
        self.save(record)

    def save(self, record: ImageRecord) -> None:
        """Write who holds an image that is there."""
        write_record(self._folder(record.image_id) / "image.json", dump_record(record))

    def raw_config(self, image_id: str) -> bytes:
        """Return the configuration as it came."""
        return (self._folder(image_id) / "config.json").read_bytes()

    def discard(self, image_id: str) -> None:
        """Remove an image's records; its layers are the layer store's."""
        self._trash.discard(self._folder(image_id))

    def _folder(self, image_id: str) -> Path:
        return self._root / hex_of(image_id)
