"""Routes of volumes: decode, one service call, encode."""

from pathlib import Path

from aiohttp import web

from engine.api import archive
from engine.api.body import body_as_file
from engine.api.context import engine_of, name_of, tenant_of, volume_path_for
from engine.api.decode import query_bool, query_text, read_document
from engine.api.mounts_json import volume_json, volume_use_json
from engine.api.responses import json_response, no_content
from engine.api.version import asked_version
from engine.core.filters import parse_filters
from engine.core.volumes import VolumeRecord
from engine.errors import InvalidParameter
from engine.service import prune_volumes
from engine.service.remove_volume import remove_volume
from engine.service.volume_archive import restore_volume, volume_backup
from engine.service.volumes import FILTERS, VolumeUse, create_volume, find_volume, list_volumes

_ANONYMOUS_ONLY_SINCE = (1, 42)


async def create(request: web.Request) -> web.Response:
    body = await read_document(request)
    if body.is_set("ClusterVolumeSpec"):
        raise InvalidParameter("cluster volumes are not supported: leave out ClusterVolumeSpec")
    volume = await create_volume(
        engine_of(request),
        tenant_of(request),
        name=body.text("Name"),
        driver=body.text("Driver"),
        options=body.mapping("DriverOpts"),
        labels=body.labels(),
    )
    return json_response(volume_json(volume, data_path=_shown_path(request, volume)), status=201)


async def listing(request: web.Request) -> web.Response:
    filters = parse_filters(query_text(request, "filters"), known=FILTERS)
    found = list_volumes(engine_of(request), tenant_of(request), filters=filters)
    volumes = [volume_json(volume, data_path=_shown_path(request, volume)) for volume in found]
    return json_response({"Volumes": volumes, "Warnings": None})


async def inspect(request: web.Request) -> web.Response:
    volume = find_volume(engine_of(request), tenant_of(request), name_of(request))
    return json_response(volume_json(volume, data_path=_shown_path(request, volume)))


async def remove(request: web.Request) -> web.Response:
    await remove_volume(engine_of(request), tenant_of(request), name_of(request), force=query_bool(request, "force"))
    return no_content()


async def prune(request: web.Request) -> web.Response:
    """Older clients mean all unused volumes; the newer ones say so."""
    filters = parse_filters(query_text(request, "filters"), known=prune_volumes.FILTERS)
    takes_named = asked_version(request) < _ANONYMOUS_ONLY_SINCE
    engine, tenant, is_trial = engine_of(request), tenant_of(request), query_bool(request, "dryrun")
    pruned = await prune_volumes.prune_volumes(engine, tenant, filters=filters, takes_named=takes_named, is_trial=is_trial)
    return json_response({"VolumesDeleted": pruned.names, "SpaceReclaimed": pruned.bytes_freed})


async def backup(request: web.Request) -> web.StreamResponse:
    async with volume_backup(engine_of(request), tenant_of(request), name_of(request)) as made:
        return await archive.send(request, made, {"Content-Type": archive.TAR})


async def restore(request: web.Request) -> web.Response:
    def is_whole() -> bool:
        return request.content.exception() is None

    async with body_as_file(request) as stream:
        volume = await restore_volume(engine_of(request), tenant_of(request), name_of(request), stream, is_whole=is_whole)
    return json_response(volume_json(volume, data_path=_shown_path(request, volume)))


def usage_json(request: web.Request, uses: list[VolumeUse]) -> list[dict[str, object]]:
    """Return the volumes of the disk usage."""
    return [volume_use_json(use, data_path=_shown_path(request, use.volume)) for use in uses]


def _shown_path(request: web.Request, volume: VolumeRecord) -> Path | None:
    volume_path = volume_path_for(request)
    return volume_path(volume.volume_id) if volume_path else None
