"""Disk usage: what images, containers, volumes and builds of a tenant take."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass

from engine.core.tenants import Tenant
from engine.errors import InvalidParameter
from engine.image.store import Image
from engine.service.engine import Engine
from engine.service.inspect_container import Inspection, list_containers
from engine.service.list_images import ImageView, list_images
from engine.service.volumes import VolumeUse, volume_usage

KINDS = ("container", "image", "volume", "build-cache")


@dataclass(frozen=True, slots=True)
class BuildUse:
    """A nameless image that a build made. ``size`` counts its own layer; shared: an image with a name has that layer too."""

    image: Image
    size: int
    is_shared: bool
    is_in_use: bool


@dataclass(slots=True)
class DiskUsage:
    """None where it was not asked for. ``layers_bytes`` counts a layer that images share once."""

    layers_bytes: int = 0
    images: list[ImageView] | None = None
    containers: list[Inspection] | None = None
    volumes: list[VolumeUse] | None = None
    builds: list[BuildUse] | None = None


async def disk_usage(engine: Engine, tenant: Tenant, kinds: Collection[str] = KINDS) -> DiskUsage:
    """Add up what is asked for. Where the disk does not count, files are looked at one by one: this may take a while.

    Raises InvalidParameter for an unknown kind.
    """
    for kind in kinds:
        if kind not in KINDS:
            raise InvalidParameter(f"unknown object type: {kind[:40]}: use {', '.join(KINDS)}")
    found = DiskUsage()
    if "container" in kinds:
        found.containers = await list_containers(engine, tenant, filters={}, is_all=True, with_size=True, counts_all=True)
    if "volume" in kinds:
        found.volumes = await volume_usage(engine, tenant)
    if "image" in kinds or "build-cache" in kinds:
        await _add_images(engine, tenant, kinds, found)
    return found


async def _add_images(engine: Engine, tenant: Tenant, kinds: Collection[str], found: DiskUsage) -> None:
    images = await list_images(engine, tenant, filters={}, with_shared=True)
    everything = await list_images(engine, tenant, filters={}, is_all=True)
    if "image" in kinds:
        found.images = images
        found.layers_bytes = await asyncio.to_thread(_layers_bytes, engine, everything)
    if "build-cache" in kinds:
        found.builds = await asyncio.to_thread(_builds, engine, tenant, images, everything)


def _layers_bytes(engine: Engine, images: list[ImageView]) -> int:
    sizes: dict[str, int] = {}
    for view in images:
        sizes.update(zip(view.image.config.diff_ids, engine.images.layer_sizes(view.image), strict=True))
    return sum(sizes.values())


def _builds(engine: Engine, tenant: Tenant, images: list[ImageView], everything: list[ImageView]) -> list[BuildUse]:
    """An intermediate image is in use while an image of the list, or a container, descends from it."""
    needed = {view.image.id for view in everything if view.containers or view.tags or view.image.repo_digests}
    parents = {view.image.id: view.image.parent for view in everything}
    for image_id in [*needed]:
        while (image_id := parents.get(image_id, "")) and image_id not in needed:
            needed.add(image_id)
    shared = {diff_id for view in images for diff_id in view.image.config.diff_ids}
    return [
        BuildUse(image, _own_bytes(engine, image), _own_layer(image) in shared, image.id in needed)
        for image in engine.images.built(tenant)
    ]


def _own_layer(image: Image) -> str:
    history = image.config.history
    return image.config.diff_ids[-1] if image.config.diff_ids and history and not history[-1].empty_layer else ""


def _own_bytes(engine: Engine, image: Image) -> int:
    return engine.images.layers.get(layer).size if (layer := _own_layer(image)) else 0
