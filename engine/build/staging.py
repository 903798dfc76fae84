"""Folders that a build works in: contexts, downloads, layers being made. Lent empty, gone afterwards.

Each is an area of the tenant that builds. They lie on the disk of the layers, so that what is made there becomes a layer by a
rename. What a daemon leaves behind goes to the trash with the next start.
"""

import contextlib
import secrets
from collections.abc import Iterator
from pathlib import Path

from engine.core.tenants import ADMINISTRATOR, Tenant
from engine.linux.inode_flags import spread_folders
from engine.storage.areas import Areas
from engine.storage.trash import Trash


class Staging:
    """``root`` belongs to it. May be used from any thread."""

    def __init__(self, root: Path, trash: Trash, areas: Areas | None = None) -> None:
        self._root = root
        self._areas = areas or Areas()
        self._trash = trash
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        root.chmod(0o700)
        spread_folders(root)
        for left in root.iterdir():
            trash.discard(left)

    @contextlib.contextmanager
    def folder(self, owner: Tenant = ADMINISTRATOR) -> Iterator[Path]:
        """Lend an empty folder, an area of the owner's; it vanishes afterwards, or with the next start.

        Raises QuotaExceeded, also for what fails inside the block since the owner's quota is used up.
        """
        folder = self._root / secrets.token_hex(8)
        try:
            with self._areas.charged(owner):
                self._areas.make(folder, owner=owner)
                yield folder
        finally:
            self._trash.discard(folder)
