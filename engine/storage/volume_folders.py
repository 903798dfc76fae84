"""The folders of volumes: how each lies on disk, and every change of that as one step that is done or not.

    <root>/<id>/data/         the files, with the container's own ids (root is 0); an area that is charged to the volume's tenant
    <root>/<id>/volume.json   name, tenant, labels
    <root>/<id>/pending       while a container that is to have or lose it is being made or removed: that container's id
    <root>/<id>/filling       while it is filled from an image
    <root>/staging/           being made; whatever a new daemon finds there goes to the trash

Knows no names and nobody who has a volume.
"""

import contextlib
import logging
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from engine.core.records import dump_record, parse_record
from engine.core.volumes import VolumeRecord
from engine.errors import QuotaExceeded
from engine.linux.inode_flags import spread_folders
from engine.storage.areas import Areas
from engine.storage.file_copy import remove_acls
from engine.storage.files import exchange, sync_filesystem, sync_folder, write_atomically, write_record
from engine.storage.trash import Trash, remove_tree
from engine.storage.tree import OPEN_FOLDER

_log = logging.getLogger(__name__)
RECORD, DATA, PENDING, FILLING, STAGING = "volume.json", "data", "pending", "filling", "staging"
_MODE = 0o755


class VolumeFolders:
    """All methods block on the disk and raise OSError; those that make something QuotaExceeded too."""

    def __init__(self, root: Path, trash: Trash, areas: Areas) -> None:
        self._root = root
        self._trash = trash
        self._areas = areas
        self._staging = root / STAGING
        self._staging.mkdir(parents=True, exist_ok=True, mode=0o700)
        root.chmod(0o700)
        spread_folders(self._staging)
        for left in self._staging.iterdir():
            trash.discard(left)

    def data(self, volume_id: str) -> Path:
        """Say where a volume's files are, there or not."""
        return self._root / volume_id / DATA

    def load(self) -> Iterator[VolumeRecord]:
        """Read all records. One that cannot be read is left where it is, with a message."""
        for folder in sorted(self._root.iterdir()):
            if folder.name == STAGING:
                continue
            try:
                yield _read(folder)
            except (OSError, ValueError) as error:
                _log.warning("volume %s is left out: %s", folder.name, error)

    def make(self, record: VolumeRecord, holder: str) -> None:
        """Make a volume, empty, with its mark where a holder is given."""
        with self._staged(record) as staged:
            if holder:
                (staged / PENDING).write_text(holder)
            write_record(staged / RECORD, dump_record(record))
            staged.rename(self._root / record.volume_id)
            sync_folder(self._root)

    def remove(self, volume_id: str) -> None:
        """Make a volume vanish from its place."""
        self._trash.discard(self._root / volume_id)

    def empty(self, record: VolumeRecord) -> None:
        """Put a new folder in the place of a volume's, which no container may have mounted; or clear it where no room is left."""
        try:
            with self._staged(record) as staged:
                exchange(staged / DATA, self.data(record.volume_id))
        except (OSError, QuotaExceeded):
            _clear(self.data(record.volume_id))

    @contextlib.contextmanager
    def replacement(self, record: VolumeRecord) -> Iterator[Path]:
        """Lend a new folder aside, for ``replace`` to put in a volume's place; else it goes."""
        with self._staged(record) as staged:
            yield staged / DATA

    def write_out(self, data: Path) -> None:
        """Have what was written to a folder that was lent on the disk."""
        sync_filesystem(data)

    def replace(self, record: VolumeRecord, data: Path) -> None:
        """Change a volume's folder with the one that was lent, in one step."""
        exchange(data, self.data(record.volume_id))
        sync_folder(self._root / record.volume_id)

    def size_bytes(self, volume_id: str) -> int | None:
        """What the kernel counts for a volume; None where nobody counts."""
        return self._areas.disk.area_bytes(self.data(volume_id))

    def mark_pending(self, volume_id: str, holder: str) -> None:
        write_atomically(self._root / volume_id / PENDING, holder.encode())

    def unmark_pending(self, volume_id: str) -> None:
        (self._root / volume_id / PENDING).unlink(missing_ok=True)

    def is_pending(self, volume_id: str) -> bool:
        return (self._root / volume_id / PENDING).exists()

    def filling_mark(self, volume_id: str) -> Path:
        """The file whose presence says that a volume is being filled."""
        return self._root / volume_id / FILLING

    @contextlib.contextmanager
    def _staged(self, record: VolumeRecord) -> Iterator[Path]:
        """A folder aside with an empty area for a volume's files; what is left of it afterwards goes."""
        staged = self._staging / f"{record.volume_id}.{secrets.token_hex(4)}"
        staged.mkdir(mode=0o700)
        try:
            self._areas.make(staged / DATA, owner=record.tenant, limit_bytes=record.meaning.limit_bytes)
            with self._areas.charged(record.tenant):
                (staged / DATA).chmod(_MODE)
            yield staged
        finally:
            self._trash.discard(staged)


def _clear(data: Path) -> None:
    folder = os.open(data, OPEN_FOLDER)
    try:
        for path in list(data.iterdir()):
            remove_tree(folder, path.name)
        remove_acls(folder)
        os.fchown(folder, 0, 0)
        os.fchmod(folder, _MODE)
    finally:
        os.close(folder)


def _read(folder: Path) -> VolumeRecord:
    """Raises OSError, ValueError."""
    record = parse_record(VolumeRecord, (folder / RECORD).read_bytes())
    (folder / DATA).stat()
    if record.volume_id != folder.name:
        raise ValueError(f"it speaks of volume {record.volume_id}")
    return record
