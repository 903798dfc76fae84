"""Routes of a container's files: copy in and out, export, changes. Streams go through piece by piece."""

import asyncio
import base64
import logging
import stat
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Protocol

from aiohttp import web

from engine.api.context import engine_of, name_of, tenant_of
from engine.api.decode import query_bool, query_text
from engine.api.responses import dumps
from engine.core.timeformat import format_time
from engine.errors import EngineError, InvalidParameter
from engine.service.container_changes import container_changes
from engine.service.copy_files import PathStat, copy_from, copy_into, stat_path
from engine.service.export_container import export_container

log = logging.getLogger(__name__)
STAT_HEADER = "X-Docker-Container-Path-Stat"
TAR = "application/x-tar"
# Go's os.FileMode: the kind of a file and three more bits stand above the permissions.
_KINDS = {
    stat.S_IFDIR: 1 << 31,
    stat.S_IFLNK: 1 << 27,
    stat.S_IFBLK: 1 << 26,
    stat.S_IFCHR: 1 << 26 | 1 << 21,
    stat.S_IFIFO: 1 << 25,
    stat.S_IFSOCK: 1 << 24,
}
_BITS = {stat.S_ISUID: 1 << 23, stat.S_ISGID: 1 << 22, stat.S_ISVTX: 1 << 20}


class Sending(Protocol):
    """What makes a stream: its data, and afterwards whether that is all of it."""

    def pieces(self) -> AsyncIterator[bytes]: ...
    async def finish(self) -> None: ...


async def head(request: web.Request) -> web.StreamResponse:
    found = await stat_path(engine_of(request), tenant_of(request), name_of(request), _path(request))
    return web.Response(headers={STAT_HEADER: _stat_header(found)})


async def get(request: web.Request) -> web.StreamResponse:
    async with copy_from(engine_of(request), tenant_of(request), name_of(request), _path(request)) as (found, session):
        return await send(request, session, {"Content-Type": TAR, STAT_HEADER: _stat_header(found)})


async def put(request: web.Request) -> web.StreamResponse:
    async with copy_into(
        engine_of(request),
        tenant_of(request),
        name_of(request),
        _path(request),
        keeps_kinds=query_bool(request, "noOverwriteDirNonDir"),
        takes_users=query_bool(request, "copyUIDGID"),
    ) as session:
        with suppress(BrokenPipeError):  # the worker has read enough, or says why not
            async for piece in request.content.iter_any():
                await session.write(piece)
        session.end_data()
    return web.Response(status=200)


async def export(request: web.Request) -> web.StreamResponse:
    async with export_container(engine_of(request), tenant_of(request), name_of(request)) as session:
        return await send(request, session, {"Content-Type": "application/octet-stream"})


async def changes(request: web.Request) -> web.StreamResponse:
    async with container_changes(engine_of(request), tenant_of(request), name_of(request)) as session:
        return await send(request, session, {"Content-Type": "application/json"})


async def send(request: web.Request, session: Sending, headers: dict[str, str]) -> web.StreamResponse:
    """Send what somebody makes. What fails before the first byte has a status; later the connection is cut, so that nobody takes
    half a stream for a whole one."""
    pieces = session.pieces()
    first = await anext(pieces, b"")
    if not first:
        await session.finish()
    response = web.StreamResponse(headers=headers)
    await response.prepare(request)
    try:
        await response.write(first)
        async for piece in pieces:
            await response.write(piece)
        if first:
            await session.finish()
    except EngineError as error:
        log.warning("%s was cut off: %s", request.path, error.message)
        _cut(request)
        return response
    except asyncio.CancelledError:
        _cut(request)
        raise
    await response.write_eof()
    return response


def _cut(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


def _path(request: web.Request) -> str:
    path = query_text(request, "path")
    if not path:
        raise InvalidParameter("no path given: give path")
    if "\0" in path:
        raise InvalidParameter("invalid path: it holds a null byte")
    return path


def _stat_header(found: PathStat) -> str:
    document = {
        "name": _shown(found.name),
        "size": found.size,
        "mode": _go_mode(found.mode),
        "mtime": format_time(found.mtime_ns),
        "linkTarget": _shown(found.link_target),
    }
    return base64.b64encode(dumps(document)).decode()


def _shown(name: str) -> str:
    """A file's name may be any bytes, JSON holds characters."""
    return name.encode(errors="surrogateescape").decode(errors="replace")


def _go_mode(mode: int) -> int:
    bits = sum(bit for flag, bit in _BITS.items() if mode & flag)
    return _KINDS.get(stat.S_IFMT(mode), 0) | bits | (mode & 0o777)
