"""Routes that take archives in: of images, or of a root filesystem that is to become one."""

from functools import partial

from aiohttp import web

from engine.api.body import body_as_file
from engine.api.context import engine_of, tenant_of
from engine.api.decode import query_bool, query_text
from engine.api.image_platform import query_platform
from engine.api.progress_stream import Tell, stream_progress
from engine.api.responses import dumps
from engine.core.platforms import complete
from engine.core.progress import Line, progress_line
from engine.errors import InvalidParameter
from engine.image.platform import host_platform
from engine.image.store import LayerProgress, LoadedImage
from engine.service.images import ImportRequest, import_image, load_images


async def load(request: web.Request) -> web.StreamResponse:
    """What is wrong with the archive stands in the answer, whose status is 200: clients look for it there alone."""
    platform, is_quiet = query_platform(request), query_bool(request, "quiet")
    async with body_as_file(request) as stream:

        async def work(tell: Tell) -> None:
            told = partial(_tell, tell, is_quiet=is_quiet)
            await load_images(engine_of(request), tenant_of(request), stream, platform=platform, tell=told)

        return await stream_progress(request, work, is_always_ok=True)


def _tell(tell: Tell, news: LayerProgress | LoadedImage, *, is_quiet: bool) -> None:
    for line in _lines(news):
        if not is_quiet or "stream" in line:
            tell(line)


def _lines(news: LayerProgress | LoadedImage) -> list[Line]:
    if isinstance(news, LayerProgress):
        return [progress_line("Loading layer", news.short_id, current=news.current, total=news.total)]
    replaced = [
        f"The image {tag} already exists, renaming the old one with ID {image_id} to empty string\n"
        for tag, image_id in news.replaced
    ]
    named = [f"Loaded image: {tag}\n" for tag in news.tags] or [f"Loaded image ID: {news.image.id}\n"]
    return [{"stream": text} for text in (*replaced, *named)]


async def import_(request: web.Request, *, reference: str) -> web.StreamResponse:
    """The answer begins only when the outcome is known, so that its status is true."""
    source, platform = query_text(request, "fromSrc"), query_platform(request)
    if source != "-":
        raise InvalidParameter(
            f"cannot import from {source[:200]!r}: the engine fetches no archives from addresses;"
            " fetch it yourself and send it as the request's body, with - for its source"
        )
    wanted = ImportRequest(
        reference=reference,
        changes=request.query.getall("changes", []),
        message=query_text(request, "message"),
        platform=complete(platform, host_platform()) if platform else host_platform(),
    )
    async with body_as_file(request) as stream:
        image = await import_image(engine_of(request), tenant_of(request), stream, wanted)
    return web.Response(body=dumps({"status": image.id}) + b"\r\n", content_type="application/json")
