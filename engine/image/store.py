"""The images of a host: made from archives, named and looked up by tenants, removed when nobody holds them.

Knows no container (who uses an image is asked of the caller) and decides on no quota. All methods may be called from any thread.
Those that look up (get, by_id, find_step, list, tags, lowers, layer_sizes, counts) never wait; the others use the disk, and leave
it as it was when they fail.
"""

import builtins
import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from engine.core.admitting import Admit, admit_all
from engine.core.changes import apply_changes
from engine.core.image_config import HistoryEntry, ImageConfig, format_image_config
from engine.core.layers import distinct_layers
from engine.core.platforms import Platform
from engine.core.tenants import Tenant
from engine.core.timeformat import format_time
from engine.errors import NotFound
from engine.image.adoption import Adoption
from engine.image.catalog import Catalog
from engine.image.disk import ImageFolder
from engine.image.family import built_images
from engine.image.loading import LayerProgress, LoadedImage, Loader, Tell
from engine.image.payers import new_payers
from engine.image.platform import host_platform
from engine.image.records import Image, ImageRecord, Origin, with_holding
from engine.image.removal import ImageUse
from engine.image.remover import InUse, IsWanted, Removed, RemovedItem, Remover
from engine.image.saving import ImageArchive, Saver
from engine.image.shares import count_all
from engine.image.steps import stepped
from engine.image.trial import Trial
from engine.storage.compression import Readable
from engine.storage.layers import Layer, LayerStore
from engine.storage.trash import Trash

_log = logging.getLogger(__name__)
SCRATCH = "scratch"  # what a build begins with that begins with nothing
__all__ = [
    "SCRATCH",
    "Image",
    "ImageStore",
    "ImageUse",
    "InUse",
    "LayerProgress",
    "LoadedImage",
    "Removed",
    "RemovedItem",
    "Tell",
]


class ImageStore:
    """One for each engine; ``root`` belongs to it."""

    def __init__(
        self,
        root: Path,
        layers: LayerStore,
        trash: Trash | None = None,
        *,
        default_domain: str = "",
        now_ns: Callable[[], int] = time.time_ns,
        admit: Admit = admit_all,
    ) -> None:
        """Read all records. ``trash`` lies on the same filesystem; ``default_domain`` is the registry that short names mean."""
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._layers = layers
        self._folder = ImageFolder(root, layers, trash or Trash(root / "trash"))
        self._default_domain = default_domain
        self._now_ns = now_ns
        self._catalog = Catalog(self._folder, default_domain=default_domain, admit=admit, size_of=self._size_of)
        self._adoption = Adoption(self._catalog, layers, default_domain=default_domain, now_ns=now_ns)

    @property
    def default_domain(self) -> str:
        """The registry that short names mean."""
        return self._default_domain

    def import_tar(
        self,
        stream: Readable,
        *,
        tenant: Tenant,
        reference: str | None = None,
        changes: Sequence[str] = (),
        message: str = "",
        platform: Platform | None = None,
    ) -> Image:
        """Make an image of one layer from a root filesystem's tar, compressed or not; ``platform`` is what its programs run on.

        Raises InvalidParameter for the archive, the reference or a change; Fault where the disk fails.
        """
        tags = [self._adoption.tag_text(reference)] if reference else []
        config = self._imported_config(changes, message, platform or host_platform())
        layer = self._layers.unpack(stream, owner=tenant)
        raw = format_image_config(replace(config, diff_ids=(layer.diff_id,)))
        return self._adoption.adopt(raw, tenant, [layer.diff_id], tags=tags)

    def derive(
        self,
        base: Image,
        stream: Readable,
        *,
        tenant: Tenant,
        config: ImageConfig,
        history: Callable[[str], HistoryEntry],
        reference: str = "",
    ) -> Image:
        """Make an image of another's layers and a further one, whose tar is ``stream``; one that changes nothing is left out.

        ``config`` says what the image runs; ``history`` gives the layer's entry for the time of creation.
        Raises InvalidParameter, NotFound when the base has gone, Fault where the disk fails.
        """
        tags = [self._adoption.tag_text(reference)] if reference else []
        held = [*base.config.diff_ids]
        self._layers.hold(held)
        try:
            held.append(self._layers.unpack(stream, owner=tenant).diff_id)
        except BaseException:
            self._adoption.release(held)
            raise
        created = format_time(self._now_ns())
        made = stepped(base.config, config, history(created), diff_id=held[-1], created=created)
        return self._adoption.adopt(format_image_config(made), tenant, held, tags=tags, origin=self._made_of(base, tenant))

    def add_image(
        self,
        raw_config: bytes,
        *,
        tenant: Tenant,
        held: Sequence[str],
        tags: Sequence[str] = (),
        repo_digests: Sequence[str] = (),
    ) -> Image:
        """Make an image of layers that are stored and held by the caller; they are released here, whatever happens.

        ``repo_digests`` are ``name@digest``. Raises InvalidParameter, Fault where the disk fails.
        """
        try:
            texts = [self._adoption.tag_text(tag) for tag in tags]
            digests = tuple(self._adoption.digest_text(one) for one in repo_digests)
            origin = Origin(repo_digests=digests, sources=(*texts, *digests))
        except BaseException:
            self._adoption.release(held)
            raise
        return self._adoption.adopt(raw_config, tenant, held, tags=texts, origin=origin)

    def build_step(
        self, base: Image | None, *, tenant: Tenant, config: ImageConfig, entry: HistoryEntry, layer: Layer | None, step: str
    ) -> Image:
        """Make one more image on top of another, or of nothing; ``layer`` is held by the caller and released here.

        ``step`` is what ``find_step`` finds it by. Raises NotFound when the base has gone, Fault where the disk fails.
        """
        held = [layer.diff_id] if layer else []
        below = base.config.diff_ids if base else ()
        try:
            self._layers.hold(below)
        except BaseException:
            self._adoption.release(held)
            raise
        made = stepped(
            base.config if base else None, config, entry, diff_id=held[0] if held else "", created=format_time(self._now_ns())
        )
        origin = replace(self._made_of(base, tenant), step=step)
        return self._adoption.adopt(format_image_config(made), tenant, [*below, *held], origin=origin)

    def _made_of(self, base: Image | None, tenant: Tenant) -> Origin:
        return Origin(base.id, sources=self._catalog.sources(base.id, tenant)) if base else Origin(sources=(SCRATCH,))

    def sources(self, tenant: Tenant, image: Image) -> tuple[str, ...]:
        """Return the names by which an image, or what it was made from, came from registries or administrators; never waits."""
        return self._catalog.sources(image.id, tenant)

    def find_step(self, tenant: Tenant, parent_id: str, step: str) -> Image | None:
        """Return the newest of the tenant's own images that a step made of a parent; of nothing where that is empty."""
        found = self._catalog.newest_step(tenant, parent=parent_id, step=step)
        return self._catalog.image(found, tenant) if found else None

    def built(self, tenant: Tenant) -> builtins.list[Image]:
        """Return the tenant's own nameless images that steps of builds made."""
        return [self._catalog.image(record, tenant) for record in built_images(self._catalog.records(), tenant)]

    def sees_layer(self, tenant: Tenant, diff_id: str) -> bool:
        """Whether an image that the tenant sees has the layer."""
        return self._catalog.sees_layer(tenant, diff_id)

    @property
    def layers(self) -> LayerStore:
        """The layers of the images."""
        return self._layers

    def note_digest(self, tenant: Tenant, image_id: str, repo_digest: str) -> None:
        """Remember ``name@digest`` by which the tenant's own image is in a registry now. Raises InvalidParameter, Fault."""
        text = self._adoption.digest_text(repo_digest)
        with self._adoption.lock:
            self._catalog.note_digest(image_id, tenant, text)

    def check_room(self, tenant: Tenant, image_id: str, sizes: Mapping[str, int]) -> None:
        """Look ahead whether an image of these layers could be a tenant's, before they are fetched. Raises QuotaExceeded.

        ``sizes`` by diff id are the least that layers may take. Of those that the tenant sees in no image nothing is told, not
        even that they are stored.
        """
        known = self._catalog.get(image_id) or ImageRecord(image_id, 0, 0)
        wanted, diff_ids = with_holding(known, tenant), tuple(sizes)
        told = {one: size for one, size in sizes.items() if not self._catalog.sees_layer(tenant, one)}
        self._catalog.admit(wanted, diff_ids, tenant, size_of=lambda one: told[one] if one in told else self._size_of(one))

    def counts(self) -> dict[Tenant, tuple[int, int]]:
        """Return how many images every team and member has, and the bytes of their layers, as quotas count them."""
        return count_all(self._catalog.held(), size_of=self._size_of)

    def drop(self, diff_ids: Sequence[str]) -> None:
        """Remove those of layers that neither an image has nor anybody holds."""
        with self._adoption.lock:
            self._adoption.drop_layers(diff_ids)

    def _size_of(self, diff_id: str) -> int:
        return self._layers.get(diff_id).size if self._layers.has(diff_id) else 0

    def release(self, diff_ids: Sequence[str]) -> None:
        """Give held layers back, and remove those that neither an image has nor anybody else holds."""
        self._adoption.release(diff_ids)

    def load(
        self, stream: Readable, *, tenant: Tenant, platform: Platform | None = None, tell: Tell = lambda _: None
    ) -> builtins.list[LoadedImage]:
        """Take in all images of a docker archive or an OCI layout, compressed or not, with the names they carry.

        Raises InvalidParameter, NotFound for a platform that is not there; images before the bad one stay loaded. Fault where the
        disk fails. ``tell`` is called from this thread.
        """
        return Loader(self._layers, self._adoption, tenant=tenant, platform=platform, tell=tell).load(stream)

    def open_archive(self, tenant: Tenant, names: Sequence[str]) -> ImageArchive:
        """Open an archive of images by their names, to be closed by the caller. Raises NotFound, InvalidParameter."""
        domain = self._default_domain
        saver = Saver(self._catalog, self._folder, self._layers, self._adoption, tenant=tenant, default_domain=domain)
        return saver.open(names)

    def get(self, tenant: Tenant, name: str) -> Image:
        """Look up a name, name@digest, id or the beginning of an id. Raises NotFound, InvalidParameter."""
        return self._catalog.image(self._catalog.find(tenant, name), tenant)

    def by_id(self, image_id: str) -> Image:
        """Return an image by its whole id for whoever has a container of it, even one that nobody holds. Raises NotFound."""
        record = self._adoption.known(image_id)
        return self._catalog.image(record, record.holdings[0].owner if record.holdings else Tenant())

    def list(self, tenant: Tenant) -> builtins.list[tuple[Image, builtins.list[str]]]:
        """Return all images that a tenant sees with their names, newest first."""
        return self._catalog.view(tenant)

    def tags(self, image: Image, tenant: Tenant) -> builtins.list[str]:
        """Return the names by which a tenant reaches an image, in familiar form."""
        return self._catalog.tags(image.id, tenant)

    def raw_config(self, image: Image) -> bytes:
        """Return the configuration byte for byte; it may say more than ``image.config`` does."""
        return self._folder.raw_config(image.id)

    def lowers(self, image: Image) -> builtins.list[Path]:
        """Return the layers' folders, base first, fit for an overlay mount. Raises NotFound for a removed image."""
        return [self._layers.path(diff_id) for diff_id in distinct_layers(image.config.diff_ids)] or [self._layers.empty_path]

    def layer_sizes(self, image: Image) -> builtins.list[int]:
        """Return the bytes of each layer, base first, one for each diff id."""
        return [self._layers.get(diff_id).size for diff_id in image.config.diff_ids]

    def tag(self, tenant: Tenant, name: str, reference: str) -> Image:
        """Give an image a further name in the tenant's scope; the image that had it there loses it.

        Raises NotFound, InvalidParameter.
        """
        tag = self._adoption.tag_text(reference)
        with self._adoption.lock:
            image_id = self._catalog.find(tenant, name).image_id
            self._catalog.give_tag(image_id, tenant, tag, self._now_ns())
            return self._catalog.image(self._adoption.known(image_id), tenant)

    def remove(self, tenant: Tenant, name: str, *, force: bool, in_use: InUse, prunes: bool = True) -> Removed:
        """Remove a name, or by id an image, and with it the nameless parents that nobody else needs, unless ``prunes`` is off.

        Raises NotFound, Conflict (in use, several names, children), Forbidden (another's). An image that stopped containers still
        need is kept for them, shown to nobody, until ``collect``.
        """
        with self._adoption.lock:
            remover = self._remover(tenant, in_use)
            remover.remove(name, force=force, prunes=prunes)
            return remover.removed

    def prune(
        self, tenant: Tenant, *, dangling_only: bool, is_wanted: IsWanted, in_use: InUse, is_trial: bool = False
    ) -> Removed:
        """Remove the tenant's own images that nothing needs and that are wanted: those without a tag, or all.

        A trial tells what would go, and changes nothing.
        """
        with self._adoption.lock:
            remover = self._trial_remover(tenant, in_use) if is_trial else self._remover(tenant, in_use)
            remover.prune(dangling_only=dangling_only, is_wanted=is_wanted)
            return remover.removed

    def prune_builds(self, tenant: Tenant, *, is_wanted: IsWanted, in_use: InUse, is_trial: bool = False) -> Removed:
        """Remove the tenant's own nameless images of builds from which nothing with a name or a container descends."""
        with self._adoption.lock:
            remover = self._trial_remover(tenant, in_use) if is_trial else self._remover(tenant, in_use)
            remover.prune_builds(is_wanted)
            return remover.removed

    def _remover(self, tenant: Tenant, in_use: InUse) -> Remover:
        drop = self._adoption.drop_layers
        return Remover(self._catalog, tenant, drop_layers=drop, in_use=in_use, default_domain=self._default_domain)

    def _trial_remover(self, tenant: Tenant, in_use: InUse) -> Remover:
        trial = Trial(self._catalog, self._layers, default_domain=self._default_domain)
        drop = trial.drop_layers
        return Remover(trial.catalog, tenant, drop_layers=drop, in_use=in_use, default_domain=self._default_domain)

    def collect(self, used_image_ids: Callable[[], Collection[str]]) -> builtins.list[str]:
        """Delete the images that nobody holds and no container was made from, and layers of no image; return the images' ids.

        The caller is asked which are used once nothing else can change.
        """
        with self._adoption.lock:
            unused = self._catalog.unused(used_image_ids())
            for record in unused:
                self._catalog.delete(record)
            self._layers.collect(self._catalog.wanted_layers())
        return [record.image_id for record in unused]

    def settle_payers(self, users: Callable[[], Mapping[str, Collection[Tenant]]]) -> None:
        """Charge layers whose payer needs them no more to somebody who does: whose image it is, or who has a container of it.

        The caller is asked who has containers of which image once nothing else can change.
        """
        with self._adoption.lock:
            using = users()
            images = [
                (
                    self._catalog.config(one.image_id).diff_ids,
                    {*(held.owner for held in one.holdings), *using.get(one.image_id, ())},
                )
                for one in self._catalog.records()
            ]
            for diff_id, payer in new_payers(self._layers.payers(), images).items():
                try:
                    self._layers.charge(diff_id, payer)
                except (OSError, NotFound) as error:
                    _log.error("layer %s cannot be charged to %r: %s; the next start tries again", diff_id, payer.name, error)

    def _imported_config(self, changes: Sequence[str], message: str, platform: Platform) -> ImageConfig:
        created = format_time(self._now_ns())
        history = (HistoryEntry(created=created, comment=message or "Imported from -"),)
        config = ImageConfig(platform.architecture, platform.os, platform.variant, created=created, history=history)
        return apply_changes(config, changes)
