"""Folders that a build works in: contexts, downloads, layers being made. Lent empty, gone afterwards.

They lie on the disk of the layers, so that what is made there becomes a layer by a rename. What a daemon leaves behind goes to
the trash with the next start.
"""

import contextlib
import secrets
from collections.abc import Iterator
from pathlib import Path

from engine.linux.inode_flags import spread_folders
from engine.storage.trash import Trash


class Staging:
    """``root`` belongs to it. May be used from any thread."""

    def __init__(self, root: Path, trash: Trash) -> None:
        self._root = root
        self._trash = trash
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        root.chmod(0o700)
        spread_folders(root)
        for left in root.iterdir():
            trash.discard(left)

    @contextlib.contextmanager
    def folder(self) -> Iterator[Path]:
        """Lend an empty folder; it vanishes afterwards, or with the next start."""
        folder = self._root / secrets.token_hex(8)
        folder.mkdir(mode=0o700)
        try:
            yield folder
        finally:
            self._trash.discard(folder)
