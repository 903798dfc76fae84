"""Routes that speak with registries: pull, push, signing in, search, looking at what is there.

Credentials come with each request and end with it.
"""

from functools import partial

from aiohttp import web

from engine.api import images
from engine.api.context import engine_of, name_of, tenant_of
from engine.api.decode import query_int, query_text, read_document
from engine.api.finishing import to_the_end
from engine.api.progress_stream import stream_progress
from engine.api.responses import json_response
from engine.core.filters import parse_filters
from engine.core.references import parse_reference
from engine.core.registries import Credentials, parse_auth_header
from engine.errors import InvalidParameter
from engine.service.pull_image import PullRequest, pull_image
from engine.service.push_image import PushRequest, push_image
from engine.service.registry_login import log_in
from engine.service.search_images import FILTERS, Distribution, SearchRequest, look_up_distribution, search_images

_AUTH = "X-Registry-Auth"
_NOTHING = "placeholder"  # what aiodocker says where it has no credentials


async def create(request: web.Request) -> web.StreamResponse:
    """Docker's one route for two things: to pull, which ends with the client, and to import, which goes on without it."""
    if query_text(request, "fromImage"):
        return await pull(request)
    return await to_the_end(images.create(request))


async def pull(request: web.Request) -> web.StreamResponse:
    wanted = PullRequest(
        reference=_reference(query_text(request, "fromImage"), query_text(request, "tag")),
        platform=query_text(request, "platform"),
        credentials=_credentials(request),
    )
    return await stream_progress(request, partial(pull_image, engine_of(request), tenant_of(request), wanted))


async def push(request: web.Request) -> web.StreamResponse:
    wanted = PushRequest(_reference(name_of(request), query_text(request, "tag")), _credentials(request))
    return await stream_progress(request, partial(push_image, engine_of(request), tenant_of(request), wanted))


async def auth(request: web.Request) -> web.Response:
    body = await read_document(request)
    credentials = Credentials(
        username=body.text("username"),
        password=body.text("password"),
        identity_token=body.text("identitytoken"),
        registry_token=body.text("registrytoken"),
        server_address=body.text("serveraddress"),
    )
    token = await log_in(engine_of(request), tenant_of(request), credentials)
    return json_response({"Status": "Login Succeeded", "IdentityToken": token})


async def search(request: web.Request) -> web.Response:
    wanted = SearchRequest(
        term=query_text(request, "term"),
        limit=query_int(request, "limit"),
        filters=parse_filters(query_text(request, "filters"), known=FILTERS),
        credentials=_credentials(request),
    )
    found = await search_images(engine_of(request), tenant_of(request), wanted)
    return json_response(
        [
            {
                "star_count": one.star_count,
                "is_official": one.is_official,
                "name": one.name,
                "is_automated": one.is_automated,
                "description": one.description,
            }
            for one in found
        ]
    )


async def distribution(request: web.Request) -> web.Response:
    found = await look_up_distribution(engine_of(request), tenant_of(request), name_of(request), _credentials(request))
    return json_response(_distribution_json(found))


def _distribution_json(found: Distribution) -> dict[str, object]:
    descriptor = {"mediaType": found.media_type, "digest": found.digest, "size": found.size}
    platforms = [
        {
            "architecture": platform.architecture,
            "os": platform.os,
            **({"variant": platform.variant} if platform.variant else {}),
        }
        for platform in found.platforms
    ]
    return {"Descriptor": descriptor, "Platforms": platforms}


def _credentials(request: web.Request) -> Credentials | None:
    """Raises InvalidParameter."""
    text = request.headers.get(_AUTH, "")
    return None if text == _NOTHING else parse_auth_header(text)


def _reference(name: str, tag: str) -> str:
    """Put name and tag together; a tag of its own takes the place of one in the name. Raises InvalidParameter."""
    if not tag:
        return name
    repository = parse_reference(name).name
    if not repository:
        raise InvalidParameter("no image given")
    return f"{repository}@{tag}" if tag.startswith("sha256:") else f"{repository}:{tag}"
