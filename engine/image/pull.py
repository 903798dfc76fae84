"""Pull: an image from a registry into the stores, layer by layer, telling how far it is.

Decides what need not be fetched: a layer that is stored counts as the tenant's only where the tenant sees it in an image, has
fetched it before, or where this very blob has come from this very repository. Anything else is fetched and hashed again.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from engine.core.digests import short_digest
from engine.core.manifests import Descriptor, Manifest
from engine.core.platforms import Platform
from engine.core.progress import Line, status_line
from engine.core.references import Reference
from engine.core.tenants import Tenant
from engine.errors import EngineError, NotFound, QuotaExceeded
from engine.image.pull_manifest import Found, fetch_config, find_manifest, fitting_config
from engine.image.registry_repository import Repository
from engine.image.settled import settled, together
from engine.image.sources import SourceStore
from engine.image.store import Image, ImageStore
from engine.image.transfers import RunSlow, Transfers

AT_ONCE = 3  # layers of one pull, as dockerd
Tell = Callable[[Line], None]


@dataclass(frozen=True, slots=True)
class Stores:
    """What a pull works on."""

    images: ImageStore
    sources: SourceStore
    transfers: Transfers
    run_slow: RunSlow


@dataclass(frozen=True, slots=True)
class Pulled:
    """``is_new``: the name meant another image before, or none."""

    image: Image
    digest: str
    is_new: bool


class Pull:
    """One image for one tenant. Use it once."""

    def __init__(self, stores: Stores, repository: Repository, *, tenant: Tenant, tell: Tell) -> None:
        self._stores = stores
        self._repository = repository
        self._tenant = tenant
        self._tell = tell
        self._held: list[str] = []

    async def run(self, reference: Reference, platform: Platform) -> Pulled:
        """Pull what a reference with tag or digest names.

        Raises NotFound, Forbidden, Unavailable as the registry's client does; InvalidParameter for what is no image; Fault.
        """
        target = reference.digest or reference.tag
        found = await find_manifest(self._repository, target, platform)
        self._tell({"status": f"Pulling from {self._repository.path}", "id": target})
        known = await self._known_config(found.manifest)
        raw = known or await fetch_config(self._repository, found.manifest.config)
        diff_ids = fitting_config(raw, found.manifest).diff_ids
        was = self._meant(reference)
        sizes = {diff_id: layer.size for diff_id, layer in zip(diff_ids, found.manifest.layers, strict=True)}
        self._stores.images.check_room(self._tenant, found.manifest.config.digest, sizes)
        try:
            await self._fetch_layers(found.manifest, diff_ids, is_known=bool(known))
        except BaseException:
            await settled(asyncio.to_thread(self._stores.images.release, self._held))
            raise
        image = await settled(self._stores.run_slow(self._tenant, lambda: self._record(reference, found, raw)))
        return Pulled(image, found.digest, is_new=was != image.id)

    async def _known_config(self, manifest: Manifest) -> bytes:
        """Return the configuration of an image that the tenant sees already, empty where it sees none."""
        try:
            known = self._stores.images.get(self._tenant, manifest.config.digest)
            return await asyncio.to_thread(self._stores.images.raw_config, known)
        except (NotFound, OSError):
            return b""

    def _meant(self, reference: Reference) -> str:
        """The image that the name means before the pull, where it is the tenant's own."""
        try:
            image = self._stores.images.get(self._tenant, reference.text)
        except EngineError:
            return ""
        return image.id if image.owner == self._tenant else ""

    async def _fetch_layers(self, manifest: Manifest, diff_ids: tuple[str, ...], *, is_known: bool) -> None:
        """``is_known``: as dockerd, nothing is said of layers of an image that is there."""
        missing: dict[str, Descriptor] = {}
        for diff_id, layer in dict(zip(diff_ids, manifest.layers, strict=True)).items():
            if await self._hold_known(layer, diff_id):
                if not is_known:
                    self._tell(status_line("Already exists", short_digest(layer.digest)))
            else:
                self._tell(status_line("Pulling fs layer", short_digest(layer.digest)))
                missing[diff_id] = layer
        turns = asyncio.Semaphore(AT_ONCE)
        for layer in list(missing.values())[AT_ONCE:]:
            self._tell(status_line("Waiting", short_digest(layer.digest)))
        await together(self._fetch(layer, diff_id, turns) for diff_id, layer in missing.items())

    async def _fetch(self, layer: Descriptor, diff_id: str, turns: asyncio.Semaphore) -> None:
        async with turns:
            while not await self._hold_known(layer, diff_id):
                await self._stores.transfers.fetch(self._repository, layer, diff_id, tenant=self._tenant, tell=self._tell)
        self._tell(status_line("Pull complete", short_digest(layer.digest)))

    async def _hold_known(self, layer: Descriptor, diff_id: str) -> bool:
        """Hold a layer that is there and may be taken as it is."""
        stores, repository = self._stores, self._repository
        is_there = stores.images.layers.has(diff_id) and (
            stores.sources.is_kept(diff_id, self._tenant)
            or stores.sources.came_from(diff_id, domain=repository.domain, path=repository.path, digest=layer.digest)
            or stores.images.sees_layer(self._tenant, diff_id)
        )
        try:
            return is_there and await self._hold(diff_id)
        except NotFound:  # it went just now
            return False

    async def _hold(self, diff_id: str) -> bool:
        def hold() -> None:
            self._stores.images.layers.hold([diff_id])
            self._held.append(diff_id)

        await settled(asyncio.to_thread(hold))
        return True

    def _record(self, reference: Reference, found: Found, raw: bytes) -> Image:
        """In a thread: from here on the image holds the layers."""
        stores, name = self._stores, reference.name
        try:
            image = stores.images.add_image(
                raw,
                tenant=self._tenant,
                held=self._held,
                tags=[] if reference.digest else [reference.text],
                repo_digests=[f"{name}@{found.digest}"],
            )
        except QuotaExceeded:  # what came would never fit: nobody is to keep it for another try
            stores.sources.let_go(self._tenant, self._held)
            stores.images.drop(self._held)
            raise
        stores.sources.let_go(self._tenant, image.config.diff_ids)
        return image
