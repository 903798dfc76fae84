"""The route that makes an image of a container."""

from aiohttp import web

from engine.api.context import engine_of, tenant_of
from engine.api.create_health import decode_healthcheck
from engine.api.decode import Document, query_bool, query_text, read_document
from engine.api.images import reference_of
from engine.api.responses import json_response
from engine.core.image_config import ImageConfig
from engine.errors import InvalidParameter
from engine.service.commit_container import CommitRequest, commit_container


async def commit(request: web.Request) -> web.Response:
    container = query_text(request, "container")
    if not container:
        raise InvalidParameter("no container given: give container")
    wanted = CommitRequest(
        config=_config(await read_document(request, may_be_missing=True)),
        reference=reference_of(query_text(request, "repo"), query_text(request, "tag")),
        author=query_text(request, "author"),
        comment=query_text(request, "comment"),
        changes=request.query.getall("changes", []),
        pauses=query_bool(request, "pause", default=True),
    )
    image = await commit_container(engine_of(request), tenant_of(request), container, wanted)
    return json_response({"Id": image.id}, status=201)


def _config(body: Document) -> ImageConfig:
    """What of the body makes up an image; the rest concerns containers only."""
    return ImageConfig(
        architecture="",
        env=body.texts("Env"),
        cmd=body.optional_command("Cmd"),
        entrypoint=body.optional_command("Entrypoint"),
        shell=body.optional_texts("Shell"),
        workdir=body.text("WorkingDir"),
        user=body.text("User"),
        labels=body.labels(),
        exposed_ports=body.keys("ExposedPorts"),
        volumes=body.keys("Volumes"),
        stop_signal=body.text("StopSignal"),
        healthcheck=decode_healthcheck(body),
    )
