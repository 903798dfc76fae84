"""Layers on disk: each once, in a folder named by its diff id, complete or not there.

    <root>/<hex>/layer.json        size, that of the tar, and the tenant that it is charged to
    <root>/<hex>/disk/             the area:
    <root>/<hex>/disk/diff/        the files, with the container's own ids
    <root>/<hex>/disk/tar.recipe   how to write the tar again, with tar.moves and kept/ (see recipe.py)
    <root>/empty/             for images without layers
    <root>/staging/           being unpacked; whatever a new daemon finds there goes to the trash

Layers of earlier versions have all that beside layer.json. Decides nothing about who may use a layer, who is to be charged for
it, nor when one is no longer wanted.
"""

import contextlib
import errno
import logging
import os
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from engine.core.digests import hex_of, is_digest
from engine.core.tenants import ADMINISTRATOR, Tenant
from engine.errors import Fault, InvalidParameter, NotFound, reason_of
from engine.linux.inode_flags import spread_folders
from engine.storage.adopt import PackedUpper, UnfitError, adopt_tree, opened
from engine.storage.areas import AREA, Areas
from engine.storage.compression import Readable, decompressed, observed, read_ahead
from engine.storage.detached import is_in_use
from engine.storage.files import sync_filesystem, sync_folder, write_record
from engine.storage.layer_record import RECORD, Layer, StoredLayer, format_record, read_record
from engine.storage.layer_tar import open_layer_tar, recipe_of
from engine.storage.tar_digest import TarDigest
from engine.storage.tar_source import TarSource
from engine.storage.trash import Trash, remove_tree
from engine.storage.tree import OPEN_FOLDER, names_in
from engine.storage.untar import extract

_LOOKS, _LOOK_SECONDS, _LOOKS_APART_SECONDS = 8, 0.005, 0.1
_log = logging.getLogger(__name__)
__all__ = ["Layer", "LayerStore"]


class LayerStore:
    """All methods may be called from any thread and may block on the disk."""

    def __init__(self, root: Path, trash: Trash | None = None, areas: Areas | None = None) -> None:
        """Open or make the store. ``trash`` is to lie on the same filesystem; the store makes its own where none is given."""
        self._areas = areas or Areas()
        self._root = root
        self._staging = root / "staging"
        self._staging.mkdir(parents=True, exist_ok=True, mode=0o700)
        root.chmod(0o700)
        spread_folders(self._staging)
        self._trash = trash or Trash(root / "trash")
        self._lock = threading.Lock()
        self._held: Counter[str] = Counter()
        self.empty_path = root / "empty"  # an image without layers still needs a lower folder
        self.empty_path.mkdir(exist_ok=True, mode=0o755)
        for left in self._staging.iterdir():
            self._trash.discard(left)
        self._layers = dict(self._found())
        self._areas.layers = lambda: [stored.area / "diff" for stored in list(self._layers.values())]

    def unpack(self, stream: Readable, *, expected: str = "", owner: Tenant = ADMINISTRATOR) -> Layer:
        """Store the layer of a tar stream (plain, gzip, bzip2, xz or zstd) and hold it until ``release``.

        ``expected`` is the diff id that the content is to have. A layer that is already stored is not written again, but its
        content is still read and hashed: knowing the id of another tenant's layer gives nobody its files. ``owner`` pays for one
        that is new, already while it is unpacked.
        Raises InvalidParameter for a bad archive, QuotaExceeded, Fault for a failing disk; nothing is left then.
        """
        if expected and self._hold_if_stored(expected):
            return self._verified(stream, expected)
        staging = self._staging / secrets.token_hex(8)
        try:
            with self._areas.charged(owner):
                self._make_staging(staging, owner)
                tar, size = _read(stream, lambda blocks: _unpack(blocks, staging / AREA))
                _check(tar.diff_id, expected)
                return self._publish(staging, Layer(tar.diff_id, size), tar.size, owner)
        except OSError as error:
            raise Fault(f"cannot store the layer: {reason_of(error)}") from error
        finally:
            self._trash.discard(staging)

    def adopt(
        self, upper: Path, *, lowers: Sequence[Path] = (), owner: Tenant = ADMINISTRATOR, area: Path | None = None
    ) -> Layer:
        """Take the upper folder of an overlay, which nobody writes to any more, as a layer, and hold it until ``release``.

        With ``lowers``, topmost first, its tar is that of a commit: without folders that nothing changed in, and without what
        the engine puts into a container that starts; where anybody could still write to it, it is copied. Without, all that
        lies there is the layer's. ``area`` is the one that ``upper`` lies at the top of, if any: it becomes the layer's, and
        what else lies in it goes. Both are gone afterwards, whatever happens. ``owner`` pays. Raises InvalidParameter for what no
        layer can hold, QuotaExceeded, Fault for a failing disk.
        """
        staging = self._staging / secrets.token_hex(8)
        try:
            with self._areas.charged(owner), opened(lowers) as folders:
                staging.mkdir(mode=0o700)
                return self._adopt(self._taken_in(upper, area, staging, owner), folders, staging, owner)
        except OSError as error:
            raise Fault(f"cannot store the layer: {reason_of(error)}") from error
        finally:
            self._trash.discard(staging)
            self._discard(area or upper)

    def hold(self, diff_ids: Iterable[str]) -> None:
        """Keep layers from ``collect`` until they are released as often. Raises NotFound if one is not stored."""
        wanted = tuple(diff_ids)
        with self._lock:
            for diff_id in wanted:
                if diff_id not in self._layers:
                    raise NotFound(f"no such layer: {diff_id}")
            self._held.update(wanted)

    def release(self, diff_ids: Iterable[str]) -> None:
        """Give back what ``unpack`` or ``hold`` holds."""
        with self._lock:
            self._held.subtract(tuple(diff_ids))
            self._held = +self._held

    def has(self, diff_id: str) -> bool:
        return diff_id in self._layers

    def get(self, diff_id: str) -> Layer:
        """Raises NotFound."""
        return self._stored(diff_id).layer

    def path(self, diff_id: str) -> Path:
        """Return the folder with the layer's files. Raises NotFound."""
        return self._stored(diff_id).area / "diff"

    def payer(self, diff_id: str) -> Tenant:
        """Return the tenant that a layer is charged to. Raises NotFound."""
        return self._stored(diff_id).owner

    def payers(self) -> dict[str, Tenant]:
        """Return who pays for each layer."""
        return {diff_id: stored.owner for diff_id, stored in list(self._layers.items())}

    def charge(self, diff_id: str, owner: Tenant) -> None:
        """Charge a layer to another tenant from now on. Raises NotFound, OSError.

        The kernel first: whoever dies in between has the record tell of a payer that needs the layer no more, and does it again.
        """
        with self._lock:
            stored = self._stored(diff_id)
            if stored.area.name == AREA:  # those of earlier versions are nobody's
                self._areas.disk.charge_area(stored.area, owner)
            charged = replace(stored, owner=owner)
            write_record(self._folder(diff_id) / RECORD, format_record(charged))
            self._layers[diff_id] = charged

    def _stored(self, diff_id: str) -> StoredLayer:
        try:
            return self._layers[diff_id]
        except KeyError:
            raise NotFound(f"no such layer: {diff_id}") from None

    @contextlib.contextmanager
    def open_tar(self, diff_id: str) -> Iterator[BinaryIO]:
        """Open the plain tar of a layer, byte for byte as it came; the layer is held meanwhile.

        Reading it raises Fault before the end where the layer is damaged. Raises NotFound, Fault.
        """
        self.hold([diff_id])
        try:
            with open_layer_tar(self._stored(diff_id).area, diff_id) as tar:
                yield tar
        finally:
            self.release([diff_id])

    def tar_size(self, diff_id: str) -> int:
        """Return the bytes of a layer's plain tar. Raises NotFound, Fault."""
        size = self._stored(diff_id).tar_size
        if size is None:
            raise Fault(f"layer {diff_id} is damaged: the size of its tar is not known")
        return size

    def remove(self, diff_id: str) -> bool:
        """Remove a layer unless it is held; say whether it went."""
        with self._lock:
            if diff_id not in self._layers or self._held[diff_id]:
                return False
            self._trash.discard(self._folder(diff_id))
            del self._layers[diff_id]
            return True

    def collect(self, keep: Collection[str]) -> list[str]:
        """Remove every layer that is neither in ``keep`` nor held; return what went."""
        return [diff_id for diff_id in list(self._layers) if diff_id not in keep and self.remove(diff_id)]

    def _hold_if_stored(self, diff_id: str) -> bool:
        with self._lock:
            if diff_id in self._layers:
                self._held[diff_id] += 1
            return diff_id in self._layers

    def _verified(self, stream: Readable, diff_id: str) -> Layer:
        try:
            tar, _ = _read(stream, _consume)
            _check(tar.diff_id, diff_id)
        except BaseException:
            self.release([diff_id])
            raise
        return self.get(diff_id)

    def _make_staging(self, staging: Path, owner: Tenant) -> None:
        staging.mkdir(mode=0o700)
        self._areas.make(staging / AREA, owner=owner)

    def _taken_in(self, upper: Path, area: Path | None, staging: Path, owner: Tenant) -> Path:
        """Move what is to become the layer into ``staging``; return where it is, which is elsewhere if it cannot be moved."""
        taken = staging / AREA
        if area is not None and self._areas.disk.is_area(area):
            area.rename(taken)
            if self._areas.disk.has_limits:
                self._areas.disk.limit_area(taken, None)
                self._areas.disk.charge_area(taken, owner)
            (taken / upper.name).rename(taken / "diff")
            return taken / "diff"
        self._areas.make(taken, owner=owner)
        try:
            return upper.rename(taken / "diff")
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            return upper

    def _adopt(self, upper: Path, lowers: Sequence[int], staging: Path, owner: Tenant) -> Layer:
        if upper.parent != staging / AREA or (lowers and self._is_in_use(upper)):
            return self._copy(upper, lowers, owner)
        try:
            with opened([upper, upper.parent]) as (folder, area):
                for name in set(names_in(area)) - {upper.name}:
                    remove_tree(area, name)
                with recipe_of(upper.parent) as (recipe, _):
                    tar, size = adopt_tree(folder, lowers, recipe)
        except UnfitError:
            return self._copy(upper, lowers, owner)
        return self._publish(staging, Layer(tar.diff_id, size), tar.size, owner)

    def _is_in_use(self, upper: Path) -> bool:
        """Ask for a while: the last mount of a container that has just ended may be on its way out."""
        for attempt in range(_LOOKS):
            scratch = self._staging / secrets.token_hex(8)
            scratch.mkdir(mode=0o700)
            try:
                if not is_in_use(upper, scratch):
                    return False
            finally:
                self._trash.discard(scratch)
            time.sleep(min(_LOOK_SECONDS * 2**attempt, _LOOKS_APART_SECONDS))
        return True

    def _copy(self, upper: Path, lowers: Sequence[int], owner: Tenant) -> Layer:
        with opened([upper]) as (folder,), PackedUpper(folder, lowers) as stream:
            return self.unpack(stream, owner=owner)

    def _discard(self, folder: Path) -> None:
        """Remove a folder that may lie on another filesystem than the trash."""
        try:
            self._trash.discard(folder)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            with opened([folder.parent]) as (parent,):
                remove_tree(parent, folder.name)

    def _publish(self, staging: Path, layer: Layer, tar_size: int, owner: Tenant) -> Layer:
        stored = StoredLayer(layer, tar_size, owner, self._folder(layer.diff_id) / AREA)
        (staging / RECORD).write_bytes(format_record(stored))
        sync_filesystem(staging)
        with self._lock:
            if layer.diff_id not in self._layers:
                self._move_in(staging, self._folder(layer.diff_id))
                self._layers[layer.diff_id] = stored
            self._held[layer.diff_id] += 1
            return self._layers[layer.diff_id].layer

    def _move_in(self, staging: Path, folder: Path) -> None:
        staging.rename(folder)
        try:
            sync_folder(self._root)
        except OSError:
            self._trash.discard(folder)
            raise

    def _folder(self, diff_id: str) -> Path:
        return self._root / hex_of(diff_id)

    def _found(self) -> Iterator[tuple[str, StoredLayer]]:
        for folder in self._root.iterdir():
            diff_id = f"sha256:{folder.name}"
            if is_digest(diff_id):
                try:
                    yield diff_id, read_record(folder, diff_id)
                except (OSError, ValueError, KeyError, TypeError, InvalidParameter) as error:
                    _log.error("layer %s is damaged and put away: %s", diff_id, error)
                    self._trash.discard(folder)


def _read(stream: Readable, work: Callable[[Iterator[bytes]], int]) -> tuple[TarDigest, int]:
    """Return what was learned of the plain stream, and what ``work`` made of it."""
    tar = TarDigest()
    with read_ahead(observed(decompressed(stream), tar.observe)) as blocks:
        result = work(blocks)
    return tar, result


def _check(digest: str, expected: str) -> None:
    if expected and digest != expected:
        raise InvalidParameter(f"a layer has the diff id {digest}, its image says {expected}")


def _unpack(blocks: Iterator[bytes], area: Path) -> int:
    (area / "diff").mkdir(mode=0o755)
    root_fd = os.open(area / "diff", OPEN_FOLDER)
    try:
        with recipe_of(area) as (recipe, kept_fd):
            return extract(TarSource(blocks, recipe.text), root_fd, recipe, kept_fd)
    finally:
        os.close(root_fd)


def _consume(blocks: Iterator[bytes]) -> int:
    for _ in blocks:
        pass
    return 0
