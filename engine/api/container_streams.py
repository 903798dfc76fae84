"""Routes of containers that stream: attach, logs, wait."""

import asyncio
import time

from aiohttp import web

from engine.api.context import engine_of, name_of, tenant_of
from engine.api.decode import query_bool, query_text
from engine.api.hijack import MULTIPLEXED_STREAM, RAW_STREAM, Hijacked, hijack
from engine.api.responses import dumps
from engine.core.containers import ContainerRecord
from engine.core.timeformat import parse_time
from engine.service.attach_container import AttachWish, attach_container
from engine.service.exits import shown_exit_code
from engine.service.read_logs import LogQuery, read_logs
from engine.service.wait_container import wait_container


async def attach(request: web.Request) -> web.StreamResponse:
    wish = attach_wish(request, is_multiplexed=True)
    attachment = attach_container(engine_of(request), tenant_of(request), name_of(request), wish)
    try:
        client = await hijack(request, content_type=stream_type(is_tty=attachment.is_tty))
    except BaseException:
        attachment.close()
        raise
    try:
        await attachment.run(client)
    finally:
        await client.close()
    return Hijacked()


def attach_wish(request: web.Request, *, is_multiplexed: bool) -> AttachWish:
    """Return what the query of an attach asks for."""
    return AttachWish(
        stdin=query_bool(request, "stdin"),
        stdout=query_bool(request, "stdout"),
        stderr=query_bool(request, "stderr"),
        logs=query_bool(request, "logs"),
        stream=query_bool(request, "stream"),
        detach_keys=query_text(request, "detachKeys"),
        is_multiplexed=is_multiplexed,
    )


async def logs(request: web.Request) -> web.StreamResponse:
    query = _log_query(request)
    stream = await read_logs(engine_of(request), tenant_of(request), name_of(request), query)
    response = web.StreamResponse(headers={"Content-Type": stream_type(is_tty=stream.is_tty)})
    try:
        await response.prepare(request)
        await response.write(b"")  # the head goes out now: a quiet container may say nothing for hours
        async for chunk in stream.chunks():
            await response.write(chunk)
    finally:
        stream.close()
    await response.write_eof()
    return response


async def wait(request: web.Request) -> web.StreamResponse:
    ended = wait_container(engine_of(request), tenant_of(request), name_of(request), condition=query_text(request, "condition"))
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    await response.write(b"")  # clients start the container once the head is there
    await response.write_eof(dumps(_wait_json(await asyncio.shield(ended))))
    return response


def _wait_json(record: ContainerRecord) -> dict[str, object]:
    run = record.run
    if not run.finished_ns:
        return {"StatusCode": 0}  # removed without ever having run
    unknown = {"Error": {"Message": run.error}} if run.exit_code is None else {}
    return {"StatusCode": shown_exit_code(run.exit_code), **unknown}


def stream_type(*, is_tty: bool) -> str:
    """Return the media type that tells clients whether to take frames apart."""
    return RAW_STREAM if is_tty else MULTIPLEXED_STREAM


def _log_query(request: web.Request) -> LogQuery:
    now_ns = time.time_ns()
    return LogQuery(
        stdout=query_bool(request, "stdout"),
        stderr=query_bool(request, "stderr"),
        follow=query_bool(request, "follow"),
        timestamps=query_bool(request, "timestamps"),
        details=query_bool(request, "details"),
        tail_lines=_tail(query_text(request, "tail")),
        since_ns=parse_time(query_text(request, "since"), now_ns=now_ns),
        until_ns=parse_time(query_text(request, "until"), now_ns=now_ns),
    )


def _tail(text: str) -> int | None:
    """Anything that is no number means all lines, as with dockerd."""
    return int(text) if text.isascii() and text.isdigit() else None
