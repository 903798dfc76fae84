"""Areas whose inode numbers differ, so that overlayfs can put them on top of each other.

Each subvolume of btrfs numbers its files from 257 on. An overlay of several shows these numbers as they are, under one device:
two files of different layers would then be one and the same to whatever compares files, the dynamic loader first (with any
``xino``, which helps layers of several file systems only). So areas for overlays begin at numbers of their own: range r has those
from (r + 1) * 2**32 on, as XFS has on large disks.

The number of a subvolume's next file is the highest one in it, plus one. A new image therefore gets a *master* for each range, a
subvolume with an empty file whose number is written into its leaf while nothing is mounted; a snapshot of it goes on from there.
A snapshot waits for a commit, so a few are made ahead by a thread, and who needs an area takes one of them by a rename.

    <data>/numbers/master/<range>        for ever
    <data>/numbers/ready/<range>-<name>  to be taken
"""

import contextlib
import logging
import os
import random
import secrets
import struct
import threading
from collections.abc import Collection, Iterator
from pathlib import Path

from engine.linux import btrfs
from engine.linux.btrfs_leaf import LEAF_BYTES, renumber
from engine.storage.files import sync_filesystem

_log = logging.getLogger(__name__)
FOLDER = "numbers"
RANGES = 256
_SHIFT = 32
_MARK = "mark"
_FIRST_FREE_INODE = 257
_READY = 16  # areas kept at hand
_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_ROOT_BYTENR = 176  # struct btrfs_root_item: after an inode item of 160 bytes, generation and number of the top folder
_CHUNK = struct.Struct("<48xQQ")  # struct btrfs_chunk: its first stripe's device and place


class NumberRanges:
    """The pool of a mounted data folder. All methods may be called from any thread."""

    def __init__(self, data_path: Path) -> None:
        self._root = data_path / FOLDER
        self._ready_path = self._root / "ready"
        self._ready_path.mkdir(exist_ok=True, mode=0o700)
        self._lock = threading.Lock()
        self._ready = [name for name in sorted(path.name for path in self._ready_path.iterdir()) if self._is_sound(name)]
        self._filler: threading.Thread | None = None
        self._is_closed = False

    @staticmethod
    def exist(data_path: Path) -> bool:
        """Whether a data folder has masters."""
        return (data_path / FOLDER / "master").is_dir()

    def take(self, path: Path, *, apart_from: Collection[Path]) -> None:
        """Put an empty area at ``path`` whose numbers are in no range of the given areas. Raises OSError."""
        taken = {number for area in apart_from if (number := range_of(area)) is not None}
        name = self._pick(taken) or self._make(taken)
        self._fill_soon()
        source = self._ready_path / name
        # The kernel knows where it was until it is unmounted, and by then something else lies in it.
        (source / _MARK).unlink(missing_ok=True)
        path.mkdir()  # the rename takes the place of an empty folder, and would take that of another's too
        source.rename(path)

    def _is_sound(self, name: str) -> bool:
        """Whether an area may be taken; one that was being taken when a daemon ended is destroyed."""
        if (self._ready_path / name / _MARK).exists():
            return True
        with _opened(self._ready_path) as folder:
            btrfs.destroy_subvolume(folder, name)
        return False

    def close(self) -> None:
        """Make no more."""
        with self._lock:
            self._is_closed = True
            filler = self._filler
        if filler is not None:
            filler.join()

    def _pick(self, taken: Collection[int]) -> str | None:
        with self._lock:
            for name in self._ready:
                if int(name.partition("-")[0]) not in taken:
                    self._ready.remove(name)
                    return name
        return None

    def _make(self, taken: Collection[int]) -> str:
        """Make an area beside those that wait. Where an overlay needs more ranges than there are, two of its areas share one."""
        number = random.choice([one for one in range(RANGES) if one not in taken] or range(RANGES))  # noqa: S311 - no secret
        name = f"{number}-{secrets.token_hex(6)}"
        with contextlib.ExitStack() as opened:
            master = opened.enter_context(_opened(self._root / "master" / str(number)))
            folder = opened.enter_context(_opened(self._ready_path))
            btrfs.create_snapshot(master, folder, name)
        return name

    def _fill_soon(self) -> None:
        with self._lock:
            if self._filler is None and not self._is_closed and len(self._ready) < _READY // 2:
                self._filler = threading.Thread(target=self._fill, name="numbers", daemon=True)
                self._filler.start()

    def _fill(self) -> None:
        try:
            while not self._is_closed and len(self._ready) < _READY:
                with self._lock:
                    waiting = {int(name.partition("-")[0]) for name in self._ready}
                name = self._make(waiting)
                with self._lock:
                    self._ready.append(name)
        except OSError as error:
            _log.warning("cannot make areas ahead: %s", error)
        finally:
            with self._lock:
                self._filler = None


def range_of(path: Path) -> int | None:
    """Return the range of an area, or of that in which a folder lies; None where it has none."""
    try:
        number = path.stat().st_ino
        if number == btrfs.FIRST_INODE:
            with os.scandir(path) as entries:
                number = max((entry.inode() for entry in entries), default=0)
    except FileNotFoundError:
        return None
    return (number >> _SHIFT) - 1 if number >> _SHIFT else None


def first_number(number: int) -> int:
    """Return the first inode number of a range; the range below the first one is everybody's."""
    return number + 1 << _SHIFT


def make_masters(data_path: Path) -> list[tuple[int, int]]:
    """Make the masters in a new mounted image; return where on the disk the leaf of each is, with its range. Raises OSError."""
    root = data_path / FOLDER
    root.mkdir(mode=0o700)
    (root / "master").mkdir(mode=0o700)
    with _opened(root / "master") as folder:
        ids = {}
        for number in range(RANGES):
            btrfs.create_subvolume(folder, str(number))
            with _opened(root / "master" / str(number)) as master:
                os.close(os.open(_MARK, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=master))
                ids[btrfs.subvolume_of(master)] = number
        sync_filesystem(data_path)
        return [(place, ids[subvolume]) for subvolume, place in _leaves(folder) if subvolume in ids]


def _leaves(fd: int) -> Iterator[tuple[int, int]]:
    """Yield each subvolume with the place of its root on the disk."""
    chunks = [
        (item.offset, _CHUNK.unpack_from(item.data), item.data) for item in btrfs.search(fd, btrfs.CHUNK_TREE, btrfs.CHUNK_ITEM)
    ]
    for item in btrfs.search(fd, btrfs.ROOT_TREE, btrfs.ROOT_ITEM):
        (address,) = struct.unpack_from("<Q", item.data, _ROOT_BYTENR)
        for start, (_, place), data in chunks:
            if start <= address < start + int.from_bytes(data[:8], "little"):
                yield item.object_id, place + address - start


def number_masters(image_fd: int, leaves: Collection[tuple[int, int]]) -> None:
    """Give the file in each master its number, in the image, which nobody has mounted. Raises OSError."""
    for place, number in leaves:
        leaf = os.pread(image_fd, LEAF_BYTES, place)
        os.pwrite(image_fd, renumber(leaf, former=_FIRST_FREE_INODE, number=first_number(number)), place)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, _FOLDER_FLAGS)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
