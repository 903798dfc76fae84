"""Disk usage: what images, containers, volumes and builds of a tenant take."""

import asyncio
from dataclasses import dataclass

from engine.core.tenants import Tenant
from engine.image.store import Image
from engine.service.engine import Engine
from engine.service.inspect_container import Inspection, list_containers
from engine.service.list_images import ImageView, list_images
from engine.service.volumes import VolumeUse, volume_usage


@dataclass(frozen=True, slots=True)
class BuildUse:
    """A nameless image that a build made. ``size`` counts its own layer; shared: an image with a name has that layer too."""

    image: Image
    size: int
    is_shared: bool
    is_in_use: bool


@dataclass(frozen=True, slots=True)
class DiskUsage:
    """``layers_bytes`` counts a layer that images share once."""

    layers_bytes: int
    images: list[ImageView]
    containers: list[Inspection]
    volumes: list[VolumeUse]
    builds: list[BuildUse]


async def disk_usage(engine: Engine, tenant: Tenant) -> DiskUsage:
    """Add up. Sizes of writable layers are counted file by file, so this may take a while."""
    images = await list_images(engine, tenant, filters={}, with_shared=True)
    everything = await list_images(engine, tenant, filters={}, is_all=True)
    containers = await list_containers(engine, tenant, filters={}, is_all=True, with_size=True)
    volumes = await volume_usage(engine, tenant)
    layers_bytes = await asyncio.to_thread(_layers_bytes, engine, everything)
    builds = await asyncio.to_thread(_builds, engine, tenant, images, everything)
    return DiskUsage(layers_bytes, images, containers, volumes, builds)


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
