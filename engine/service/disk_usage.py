"""Disk usage: what images, containers and volumes of a tenant take."""

import asyncio
from dataclasses import dataclass

from engine.core.tenants import Tenant
from engine.service.engine import Engine
from engine.service.images import ImageView, list_images
from engine.service.inspect_container import Inspection, list_containers
from engine.service.volumes import VolumeUse, volume_usage


@dataclass(frozen=True, slots=True)
class DiskUsage:
    """``layers_bytes`` counts a layer that images share once."""

    layers_bytes: int
    images: list[ImageView]
    containers: list[Inspection]
    volumes: list[VolumeUse]


async def disk_usage(engine: Engine, tenant: Tenant) -> DiskUsage:
    """Add up. Sizes of writable layers are counted file by file, so this may take a while."""
    images = await list_images(engine, tenant, filters={})
    containers = await list_containers(engine, tenant, filters={}, is_all=True, with_size=True)
    volumes = await volume_usage(engine, tenant)
    return DiskUsage(await asyncio.to_thread(_layers_bytes, engine, images), images, containers, volumes)


def _layers_bytes(engine: Engine, images: list[ImageView]) -> int:
    sizes: dict[str, int] = {}
    for view in images:
        sizes.update(zip(view.image.config.diff_ids, engine.images.layer_sizes(view.image), strict=True))
    return sum(sizes.values())
