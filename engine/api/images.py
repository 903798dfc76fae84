"""Routes of images."""

import asyncio

from aiohttp import web

from engine.api.context import engine_of, name_of, tenant_of
from engine.api.decode import query_bool, query_text
from engine.api.image_history import history_json
from engine.api.image_json import inspect_json, removed_json, summary_json
from engine.api.load import import_
from engine.api.responses import dumps, json_list, json_response
from engine.core.filters import parse_filters
from engine.errors import InvalidParameter
from engine.service.images import (
    image_lineage,
    inspect_image,
    remove_image,
    tag_image,
)
from engine.service.list_images import FILTERS, list_images
from engine.service.prune_images import BUILD_FILTERS, prune_builds, prune_images
from engine.service.prune_images import FILTERS as PRUNE_FILTERS


async def create(request: web.Request) -> web.StreamResponse:
    """Import from the body."""
    return await import_(request, reference=reference_of(query_text(request, "repo"), query_text(request, "tag")))


def reference_of(repository: str, tag: str) -> str:
    """Return the name that a query gives in two parts; empty without a repository."""
    if not repository:
        return ""
    if not tag:
        return repository
    return f"{repository}@{tag}" if tag.startswith("sha256:") else f"{repository}:{tag}"


async def listing(request: web.Request) -> web.Response:
    filters = parse_filters(query_text(request, "filters"), known=FILTERS)
    views = await list_images(
        engine_of(request),
        tenant_of(request),
        filters=filters,
        is_all=query_bool(request, "all"),
        with_shared=query_bool(request, "shared-size"),
    )
    return json_list([dumps(summary_json(view)) for view in views])


async def inspect(request: web.Request) -> web.Response:
    return json_response(inspect_json(await inspect_image(engine_of(request), tenant_of(request), name_of(request))))


async def history(request: web.Request) -> web.Response:
    engine = engine_of(request)
    lineage = await image_lineage(engine, tenant_of(request), name_of(request))
    return json_response(history_json(lineage, await asyncio.to_thread(engine.images.layer_sizes, lineage[0].image)))


async def tag(request: web.Request) -> web.Response:
    repository = query_text(request, "repo")
    if not repository:
        raise InvalidParameter("no repository given: give repo")
    reference = reference_of(repository, query_text(request, "tag"))
    await tag_image(engine_of(request), tenant_of(request), name_of(request), reference=reference)
    return web.Response(status=201)


async def remove(request: web.Request) -> web.Response:
    removed = await remove_image(
        engine_of(request),
        tenant_of(request),
        name_of(request),
        force=query_bool(request, "force"),
        prunes=not query_bool(request, "noprune"),
    )
    return json_response([removed_json(item) for item in removed])


async def prune(request: web.Request) -> web.Response:
    filters = parse_filters(query_text(request, "filters"), known=PRUNE_FILTERS)
    is_trial = query_bool(request, "dryrun")
    removed = await prune_images(engine_of(request), tenant_of(request), filters, is_trial=is_trial)
    deleted = [removed_json(item) for item in removed.items]
    return json_response({"ImagesDeleted": deleted or None, "SpaceReclaimed": removed.freed_bytes})


async def prune_build_cache(request: web.Request) -> web.Response:
    filters = parse_filters(query_text(request, "filters"), known=BUILD_FILTERS)
    is_trial = query_bool(request, "dryrun")
    removed = await prune_builds(engine_of(request), tenant_of(request), filters, is_trial=is_trial)
    deleted = [item.deleted for item in removed.items if item.image is not None and item.deleted]
    return json_response({"CachesDeleted": deleted or None, "SpaceReclaimed": removed.freed_bytes})
